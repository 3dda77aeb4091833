"""What error replies mean: a server that cannot do its work now, one that is not the primary, or our own fault."""

from typing import Final, NoReturn

from redis.exceptions import ResponseError

from synckairos.adapters.redis.connections.wire import Reply
from synckairos.application.errors import StoreUnavailable

MOVING: Final = frozenset({"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"})
"""Error replies that say that a slot of a cluster is elsewhere, or about to be."""

DEMOTED: Final = frozenset({"READONLY", "MASTERDOWN"})
"""Those that say that the server is not the primary any more."""

NOT_READY: Final = MOVING | DEMOTED | {"LOADING", "NOREPLICAS", "MISCONF", "OOM", "NOAUTH", "BUSY"}
"""All that say the server cannot do its work now, or not here."""


class NotPrimary(StoreUnavailable):
    """The server has become a replica: what is connected to it is of no use any more."""


def code_of(error: ResponseError) -> str:
    """Return the first word of an error reply, which redis-py takes out of the text of those it knows."""
    return error.status_code or str(error).split(" ", 1)[0]


def checked(replies: list[Reply]) -> list[Reply]:
    """Return the replies; raises StoreUnavailable if the server is not ready, any other error reply as it is."""
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise_error(reply)
    return replies


def raise_error(error: ResponseError) -> NoReturn:
    """Raise StoreUnavailable if an error reply speaks of the server's state, else, it being our fault, itself."""
    code = code_of(error)
    if code in DEMOTED:
        raise NotPrimary(f"Redis is not ready: {code}") from error
    if code in NOT_READY:
        raise StoreUnavailable(f"Redis is not ready: {code}") from error
    raise error


def is_of_another_type(reply: Reply) -> bool:
    """Whether a command has met a value of another type than it reads."""
    return isinstance(reply, ResponseError) and code_of(reply) == "WRONGTYPE"
