"""Why an address cannot be listened on, found out by trying it: gRPC only says that it failed."""

import errno
import socket
from typing import Final

from synckairos.settings import split_address

PATIENCE_S: Final = 0.5


class AddressInUseError(Exception):
    """The address to listen on is taken."""


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
