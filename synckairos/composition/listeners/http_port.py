"""The HTTP port, put together: in the process of a server, or by itself in front of one."""

import importlib
import importlib.util
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from synckairos.composition.listeners.listening import AddressInUseError, problem_of
from synckairos.composition.listeners.tls import HTTP, Tls
from synckairos.rpc.interceptor import Handler
from synckairos.rpc.server import AUDIT_SERVICE, SESSION_SERVICE, TIME_CONTROL_SERVICE, TIME_SERVICE
from synckairos.settings import Settings, split_address

if TYPE_CHECKING:
    # Its libraries come with an extra, and may be missing.
    from synckairos.gateway.backend import Backend
    from synckairos.gateway.http_server import HttpServer

NEEDED: Final = ("connectrpc", "uvicorn", "httptools")
LOADED: Final = tuple(f"synckairos.gateway.{name}" for name in ("application", "http_server", "local_backend"))
SERVICES: Final = (SESSION_SERVICE, TIME_SERVICE, TIME_CONTROL_SERVICE, AUDIT_SERVICE)
BACKLOG: Final = 1_024


class GatewayMissingError(Exception):
    """The libraries of the HTTP port are not installed."""


def require_gateway() -> None:
    """Raise GatewayMissingError, which says what to install, unless all is there."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise GatewayMissingError(
            f"the HTTP port needs {', '.join(missing)}: install the extra (pip install 'synckairos[gateway]'), "
            "or leave SYNCKAIROS_HTTP_LISTEN empty"
        )


def load_gateway() -> None:
    """Import what the HTTP port needs, which takes long: nothing may wait for the event loop yet.

    Raises GatewayMissingError.
    """
    require_gateway()
    for module in LOADED:
        importlib.import_module(module)


def bound_socket(listen: str, *, reuse_port: bool = False) -> socket.socket:
    """Return a socket that listens on `host:port`; raises AddressInUseError.

    Connections wait in it until somebody serves them.
    """
    host, port = split_address(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=reuse_port)
    except OSError as error:
        raise AddressInUseError(f"{listen} cannot be listened on: {problem_of(listen)}") from error


def url_of(bound: socket.socket, *, has_tls: bool = False) -> str:
    """Return what to type into a browser on this machine."""
    host, port = bound.getsockname()[:2]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - names it
    return f"http{'s' if has_tls else ''}://{name}:{port}/"


def local_http(
    handlers: Mapping[str, Handler],
    is_ready: Callable[[], bool],
    settings: Settings,
    bound: socket.socket,
    tls: Tls | None,
) -> "HttpServer":
    """Return an HTTP server that calls these handlers (by full name) in this process; it is not started.

    Raises GatewayMissingError.
    """
    require_gateway()
    from synckairos.gateway.local_backend import LocalBackend  # noqa: PLC0415 - an extra

    return http_server(LocalBackend(handlers, is_ready), settings, bound, tls)


def http_server(backend: "Backend", settings: Settings, bound: socket.socket, tls: Tls | None) -> "HttpServer":
    """Return an HTTP server in front of a backend; it is not started. The gateway's libraries have to be there."""
    from synckairos.gateway.application import Application  # noqa: PLC0415 - an extra
    from synckairos.gateway.calls import Calls  # noqa: PLC0415 - an extra
    from synckairos.gateway.files import Files  # noqa: PLC0415 - an extra
    from synckairos.gateway.guard import Guard  # noqa: PLC0415 - an extra
    from synckairos.gateway.http_server import HttpServer  # noqa: PLC0415 - an extra

    guard = Guard(bound.getsockname()[1], settings.served_hosts, settings.sharing_origins)
    application = Application(backend, Calls(backend, SERVICES), guard, Files())
    return HttpServer(
        application,
        bound,
        max_connections=settings.gateway_connections,
        grace_s=settings.drain_grace_s,
        tls=tls.context(HTTP) if tls is not None else None,
    )
