"""Events as lines of a terminal."""

from synckairos.application.trail.audit import AuditedEvent, AuditRecord
from synckairos.cli.audit.tables import events_table
from synckairos.cli.live.history import as_recorded, event_line
from synckairos.domain.events import Event
from synckairos.rpc.mapping import event_message
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.builders import Game, per_participant


def created(on_behalf_of: str) -> Event:
    """Return the creation of a session on somebody's behalf."""
    event = Game(per_participant()).events[0]
    return event._replace(author=event.author._replace(on_behalf_of=on_behalf_of))


def test_a_line_says_for_whom_somebody_acted() -> None:
    """As a stream has it, and as the trail does; without anybody it says as much as ever."""
    for_ann, for_nobody = (as_recorded(pb.WatchSessionResponse(event=event_message(created(w)))) for w in ("Ann", ""))
    table = events_table([AuditedEvent(AuditRecord(created("Ann")), is_fork=False, recorded_at=0)])

    assert "by umpire for Ann" in event_line(for_ann).plain
    assert "umpire" not in event_line(for_nobody).plain
    assert "umpire for Ann" in map(str, table.columns[4].cells)
