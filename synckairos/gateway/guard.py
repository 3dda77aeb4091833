"""Who may ask: the names this port answers to, and the pages of other origins that may call it."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
DEFAULT_PORT: Final = 80


class Asker(Enum):
    """Whose page a request comes from, by its Origin."""

    OWN_PAGE = auto()
    LISTED_PAGE = auto()
    FOREIGN_PAGE = auto()


class Guard:
    """Knows the hosts this port answers to, and the origins whose pages may call it.

    `hosts` are `name` (any port) or `name:port`; without any, this machine's own names with `port`. `origins` are
    written as browsers write them (`https://name`, a port unless it is the scheme's own).
    """

    def __init__(self, port: int, hosts: Sequence[str] = (), origins: Sequence[str] = ()) -> None:
        names = hosts or [f"{name}:{port}" for name in LOCAL_NAMES]
        if not hosts and port == DEFAULT_PORT:
            names = LOCAL_NAMES
        self._with_port = frozenset(name for name in names if _port_at(name))
        self._any_port = frozenset(name for name in names if not _port_at(name))
        self._origins = frozenset(origins)

    def is_known(self, host: str) -> bool:
        """Whether a Host header is one of ours; another may be a foreign name that was led to this address."""
        if host in self._with_port:
            return True
        host = host.lower()
        at = _port_at(host)
        return host in self._with_port or (host[:at] if at else host) in self._any_port

    def asker(self, origin: str, scheme: str, host: str) -> Asker:
        """Tell whose page a request comes from; `host` is known already."""
        if origin == f"{scheme}://{host.lower()}":
            return Asker.OWN_PAGE
        return Asker.LISTED_PAGE if origin in self._origins else Asker.FOREIGN_PAGE


def _port_at(host: str) -> int:
    """Return where the port begins, with its colon; 0 if there is none."""
    at = host.rfind(":")
    return at if at > host.rfind("]") else 0
