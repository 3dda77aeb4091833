"""The id of a call in the log: the client's, or one that is made here."""

from typing import TYPE_CHECKING, Final

from synckairos.application.ports import NewId

if TYPE_CHECKING:
    from synckairos.rpc.interceptor import Context

REQUEST_ID_HEADER: Final = "x-request-id"
MAX_REQUEST_ID: Final = 64


def request_id_of(context: "Context", new_id: NewId) -> str:
    """Return the id a call has in the log: the client's, or a new one."""
    return given_request_id(context) or new_id()


def given_request_id(context: "Context") -> str:
    """Return the id that the client gave a call; empty if it gave none that can be used."""
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID_HEADER and (usable := usable_request_id(value)):
            return usable
    return ""


def usable_request_id(value: str | bytes) -> str:
    """Return an id that a client gives a call; empty if it cannot be used."""
    return str(value) if 0 < len(value) <= MAX_REQUEST_ID else ""
