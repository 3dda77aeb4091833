"""Events, and the entries of an outbox that a commit makes of them, for tests without a commit."""

from synckairos.adapters.redis.values import codec
from synckairos.adapters.redis.values.outbox_entry import changes, outbox_fields
from synckairos.application.ports import Request
from synckairos.domain.commands import Start, Switch
from synckairos.domain.events import Event
from synckairos.domain.model import Session
from testing.harness.builders import Game, per_participant

NOBODY = Request()


def played(count: int) -> list[Event]:
    """Return the first events of a session."""
    game = Game(per_participant())
    game.ok(0, Start())
    for turn in range(1, count):
        game.ok(turn, Switch())
    return game.events[:count]


def fields_of(event: Event, before: Session | None = None, request: Request = NOBODY) -> list[tuple[bytes, bytes]]:
    """Return the raw names and values of an event's entry."""
    record = codec.encode_event(event, codec.encode_session(event.session))
    flat = outbox_fields(event.session.session_id, record, changes(before, event.session), request)
    raw = [part if isinstance(part, bytes) else str(part).encode() for part in flat]
    return list(zip(raw[::2], raw[1::2], strict=True))
