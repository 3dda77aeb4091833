"""Entries of an outbox as a commit writes them, for tests that put them there without a commit."""

from synckairos.adapters.redis import codec
from synckairos.adapters.redis.outbox_entry import changes, outbox_fields
from synckairos.application.ports import Request
from synckairos.domain.events import Event
from synckairos.domain.model import Session

NOBODY = Request()


def fields_of(event: Event, before: Session | None = None, request: Request = NOBODY) -> list[tuple[bytes, bytes]]:
    """Return the raw names and values of an event's entry."""
    record = codec.encode_event(event, codec.encode_session(event.session))
    flat = outbox_fields(event.session.session_id, record, changes(before, event.session), request)
    raw = [part if isinstance(part, bytes) else str(part).encode() for part in flat]
    return list(zip(raw[::2], raw[1::2], strict=True))
