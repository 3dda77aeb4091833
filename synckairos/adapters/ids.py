"""New UUIDs."""

import uuid_utils


def new_change_id() -> str:
    """Return a random UUID (version 4)."""
    return str(uuid_utils.uuid4())


def new_session_id() -> str:
    """Return a UUID that sorts by time (version 7)."""
    return str(uuid_utils.uuid7())
