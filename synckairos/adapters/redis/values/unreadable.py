"""Which troubles concern the one session whose value was read, and nobody else."""

from typing import Final

from redis.exceptions import ResponseError

from synckairos.adapters.redis.connections.replies import is_of_another_type
from synckairos.adapters.redis.values.codec import UnknownLayoutError
from synckairos.application.errors import SessionUnreadable

TROUBLES: Final = (UnknownLayoutError, ResponseError)


def unreadable(session_id: str, error: Exception) -> Exception:
    """Return what to raise for one of TROUBLES: SessionUnreadable if the value is to blame, else the error itself."""
    if isinstance(error, ResponseError) and not is_of_another_type(error):
        return error
    return SessionUnreadable(str(error), session_id=session_id)
