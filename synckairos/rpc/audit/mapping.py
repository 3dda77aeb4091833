"""From rows of the audit trail to messages."""

from typing import cast

from google.protobuf.struct_pb2 import ListValue, Value

from synckairos.application.pipeline.status import PipelineStatus
from synckairos.application.trail.audit import AuditedEvent, AuditedParticipant, AuditedSession, SessionAudit
from synckairos.application.trail.field_changes import FieldChange, Plain
from synckairos.domain.clock_accounts.account import Line
from synckairos.domain.tenancy import bare_id
from synckairos.rpc.mapping import event_message, session_message
from synckairos.rpc.timestamps import optional_timestamp, timestamp
from synckairos.v1 import audit_service_pb2 as pb


def audited_event(audited: AuditedEvent) -> pb.AuditEvent:
    """Return an event as the trail holds it: what streams say of it, and what they do not."""
    event, request_id, peer, changed, call_id, trace = audited.record
    session = event.session
    streamed = {field.name: value for field, value in event_message(event).ListFields()}
    return pb.AuditEvent(
        **streamed,
        event_id=session.change_id,
        session_id=bare_id(session.session_id),
        epoch=session.epoch,
        version=session.version,
        cycle_number=session.cycle_number,
        request_id=request_id,
        peer=peer,
        changed_fields=changed,
        is_fork=audited.is_fork,
        recorded_at=timestamp(audited.recorded_at),
        lateness_ms=None if event.fired_at is None else event.fired_at - session.updated_at,
        call_id=call_id,
        changes=map(_field_change, audited.changes),
        traceparent=trace,
    )


def _field_change(change: FieldChange) -> pb.FieldChange:
    return pb.FieldChange(path=change.path, old=_value(change.old), new=_value(change.new))


def _value(plain: Plain) -> Value | None:
    match plain:
        case None:
            return None
        case bool():
            return Value(bool_value=plain)
        case int():
            return Value(number_value=plain)
        case str():
            return Value(string_value=plain)
    return Value(list_value=ListValue(values=[Value(number_value=number) for number in plain]))


def audited_session(summary: AuditedSession) -> pb.AuditedSession:
    """Return the summary of a session."""
    return pb.AuditedSession(
        session=session_message(summary.session, summary.session.updated_at),
        total_cycles=summary.total_cycles,
        total_participants=summary.total_participants,
        deleted_at=optional_timestamp(summary.deleted_at),
        recorded_at=timestamp(summary.recorded_at),
        is_deleted=summary.deleted_at is not None,
    )


def _audited_participant(participant: AuditedParticipant) -> pb.AuditedParticipant:
    return pb.AuditedParticipant(
        participant_id=participant.participant_id,
        group_id=participant.group_id or "",
        total_time_ms=participant.total_time_ms,
        total_cycles=participant.total_cycles,
        total_time_active_ms=participant.total_time_active_ms,
        added_at=timestamp(participant.added_at),
        removed_at=optional_timestamp(participant.removed_at),
        first_active_at=optional_timestamp(participant.first_active_at),
        last_active_at=optional_timestamp(participant.last_active_at),
    )


def session_audit(audit: SessionAudit) -> pb.GetSessionAuditResponse:
    """Return everything about a session except its events."""
    return pb.GetSessionAuditResponse(
        summary=audited_session(audit.summary),
        participants=map(_audited_participant, audit.participants),
        event_count=audit.event_count,
        fork_count=audit.fork_count,
    )


def clock_line(line: Line) -> pb.ClockLine:
    """Return a line of a clock's account."""
    entry = line.entry
    return pb.ClockLine(
        version=line.version,
        occurred_at=timestamp(line.occurred_at),
        kind=cast("pb.ClockLineKind.ValueType", entry.kind.value),
        amount_ms=entry.amount_ms,
        balance_ms=line.balance_ms,
        periods_burnt=entry.periods_burnt,
        note=entry.note,
    )


def pipeline_status(status: PipelineStatus) -> pb.PipelineStatus:
    """Return the state of the pipeline; without a queue its depths are absent."""
    queue, totals = status.queue, status.totals
    return pb.PipelineStatus(
        outbox_length=status.outbox_length,
        oldest_age_ms=status.oldest_age_ms,
        queue_waiting=queue.waiting if queue else None,
        queue_active=queue.active if queue else None,
        queue_delayed=queue.delayed if queue else None,
        queue_dead=queue.dead if queue else None,
        queue_completed=totals.completed,
        queue_failed=totals.failed,
        dead_entries=status.dead_entries,
        written=totals.written,
        known=totals.known,
        forks=totals.forks,
        last_written_at=optional_timestamp(totals.last_written_at),
        last_error=totals.last_error,
        last_error_at=optional_timestamp(totals.last_error_at),
        degraded=status.degraded,
        degraded_reasons=status.problems,
    )
