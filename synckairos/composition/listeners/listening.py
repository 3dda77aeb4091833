"""Why an address cannot be listened on, found out by trying it, and how many connections there is room for."""

import errno
import resource
import socket
from typing import Final

from synckairos.rpc.server import MAX_CONNECTIONS
from synckairos.settings import Settings, split_address

PATIENCE_S: Final = 0.5
KEPT_FILES: Final = 100
"""Descriptors for everything but connections: libraries, files, pipes, the event loop, the metrics port."""
LEAST_CONNECTIONS: Final = 100


class AddressInUseError(Exception):
    """The address to listen on is taken."""


def most_connections(settings: Settings, *, files_each: int = 1) -> int:
    """Return how many connections of gRPC leave the process its descriptors (`ulimit -n`) for everything else."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    kept = KEPT_FILES + settings.redis_max_connections + settings.database_pool_max
    if settings.http_listen:
        # With TLS as many again may be at their handshakes.
        kept += settings.gateway_connections * (2 if settings.tls_cert else 1)
    return min(MAX_CONNECTIONS, max(LEAST_CONNECTIONS, (soft - kept) // files_each))


def problem_of(address: str) -> str:
    """Return why `host:port` cannot be listened on, for people."""
    host, port = split_address(address)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        return str(error.strerror)
    for family, kind, protocol, _, place in found:
        try:
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(place)
        except OSError as error:
            return _taken(family, place) if error.errno == errno.EADDRINUSE else str(error.strerror)
    return "it was taken a moment ago: try again"


def _taken(family: int, place: tuple[object, ...]) -> str:
    """Tell a port that another program listens on from one that an outgoing connection happens to use."""
    with socket.socket(family, socket.SOCK_STREAM) as caller:
        caller.settimeout(PATIENCE_S)
        if caller.connect_ex(place) in (0, errno.EAGAIN):
            return "is another server running?"
    return (
        "nobody listens on it, but a connection of another program uses the port: try again, or choose one that the "
        "system gives to no connection (on Linux, outside of net.ipv4.ip_local_port_range)"
    )
