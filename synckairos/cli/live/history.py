"""Events as lines: what happened, to whom, and what it did to a clock."""

from typing import Final

from rich.text import Text

from synckairos.cli.clock_faces import face
from synckairos.cli.views.words import (
    cause_word,
    event_word,
    group_name,
    instant,
    participant_name,
    plain,
)
from synckairos.v1 import audit_service_pb2, event_pb2
from synckairos.v1 import session_service_pb2 as pb

_STYLES: Final = {
    event_pb2.EVENT_TYPE_SESSION_EXPIRED: "red",
    event_pb2.EVENT_TYPE_PARTICIPANT_EXPIRED: "red",
    event_pb2.EVENT_TYPE_OVERTIME_STARTED: "red",
    event_pb2.EVENT_TYPE_SESSION_PAUSED: "yellow",
    event_pb2.EVENT_TYPE_TIME_ADJUSTED: "magenta",
    event_pb2.EVENT_TYPE_SESSION_COMPLETED: "blue",
}
_WORD: Final = 20


def as_recorded(message: pb.WatchSessionResponse) -> audit_service_pb2.AuditEvent:
    """Return an event of a stream in the form that the audit trail gives it, as far as the stream knows it."""
    event = message.event
    record = audit_service_pb2.AuditEvent(
        event_id=event.change_id,
        session_id=message.session_id,
        epoch=message.epoch,
        version=message.version,
        cycle_number=event.session.cycle_number,
        # The trail's message has every field that a stream's has.
        **{field.name: value for field, value in event.ListFields()},
    )
    if event.HasField("fired_at"):
        record.lateness_ms = event.fired_at.ToMilliseconds() - event.occurred_at.ToMilliseconds()
    return record


def event_line(event: audit_service_pb2.AuditEvent) -> Text:
    """Return an event as one line."""
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{instant(event.occurred_at.ToMilliseconds())} ", style="dim")
    line.append(f"{event.version:>5}  ", style="dim")
    line.append(event_word(event.type).ljust(_WORD), style=_STYLES.get(event.type, "bold"))
    line.append_text(Text("  ").join(part for part in (_who(event), *_details(event)) if part))
    return line


def _who(event: audit_service_pb2.AuditEvent) -> Text:
    if event.participant_id:
        return plain(participant_name(event.session, event.participant_id))
    return plain(group_name(event.session, event.group_id)) if event.group_id else Text()


def _details(event: audit_service_pb2.AuditEvent) -> list[Text]:
    said = []
    if event.type == event_pb2.EVENT_TYPE_CYCLE_SWITCHED or event.time_elapsed_ms:
        said.append(f"took {face(event.time_elapsed_ms)}")
    if event.turn.granted_ms:
        said.append(f"granted {face(event.turn.granted_ms)}")
    if event.turn.periods_burnt:
        said.append(f"burnt {event.turn.periods_burnt}")
    if event.HasField("time_remaining_ms"):
        said.append(f"{face(event.time_remaining_ms)} left")
    if event.extended_ms:
        said.append(f"end moved by {face(event.extended_ms)}")
    if event.advanced_ms:
        said.append(f"clock advanced by {face(event.advanced_ms)}")
    if event.cause not in (event_pb2.CAUSE_CALL, event_pb2.CAUSE_UNSPECIFIED):
        late = f" +{event.lateness_ms} ms" if event.lateness_ms else ""
        said.append(f"({cause_word(event.cause)}{late})")
    if event.on_behalf_of:
        said.append(f"by {event.actor} for {event.on_behalf_of}")
    details = [plain(each, "dim") for each in said]
    if event.reason:
        details.append(plain(f"“{event.reason}”", "italic"))
    return details
