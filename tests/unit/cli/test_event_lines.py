"""Events as lines of a terminal."""

from synckairos.application.trail.audit import AuditedEvent, AuditRecord
from synckairos.cli.audit.tables import events_table
from synckairos.cli.live.history import as_recorded, event_line
from synckairos.domain.events import Event
from synckairos.rpc.mapping import event_message
from synckairos.v1 import audit_service_pb2, event_pb2
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


def test_an_event_of_a_stream_says_as_a_record_all_it_says() -> None:
    """Every field that a stream's event can have is one of the trail's, of the same type."""
    event = event_message(created("Ann"))
    event.time_remaining_ms = 0
    event.fired_at.FromMilliseconds(event.occurred_at.ToMilliseconds() + 7)
    event.turn.granted_ms = 3
    for field in event_pb2.Event.DESCRIPTOR.fields:
        if not field.has_presence and not getattr(event, field.name):
            setattr(event, field.name, "told" if field.cpp_type == field.CPPTYPE_STRING else 5)
    assert {field.name for field, _ in event.ListFields()} == set(event_pb2.Event.DESCRIPTOR.fields_by_name)

    record = as_recorded(pb.WatchSessionResponse(session_id="one", epoch=2, version=3, event=event))

    expected = audit_service_pb2.AuditEvent(
        event_id=event.change_id,
        session_id="one",
        epoch=2,
        version=3,
        cycle_number=event.session.cycle_number,
        lateness_ms=7,
    )
    for name in event_pb2.Event.DESCRIPTOR.fields_by_name:
        value = getattr(event, name)
        if isinstance(value, int | str):
            setattr(expected, name, value)
        else:
            getattr(expected, name).CopyFrom(value)
    assert record == expected
