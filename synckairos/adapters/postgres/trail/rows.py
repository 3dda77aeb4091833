"""The rows that a batch of audit records becomes.

Instants stay integers of milliseconds here; the statements make timestamps of them.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from google.protobuf.json_format import Error as JsonFormatError
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct
from msgspec.json import encode as encode_json

from synckairos.adapters.postgres.errors import DataInvalid
from synckairos.adapters.postgres.trail.control_json import Count, effect_of
from synckairos.adapters.postgres.trail.facts import Facts, Place, place_of, see_participants
from synckairos.adapters.postgres.trail.session_json import MODE_NAMES, STATUS_NAMES, Instant, Text, Uuid
from synckairos.adapters.postgres.trail.snapshot import FieldError, check_snapshot, decode_event, encode_session
from synckairos.application.trail.audit import AuditRecord
from synckairos.domain.events import NO_EFFECT, Author, Cause, Event, EventType, Subject
from synckairos.domain.model import Session
from synckairos.domain.tenancy import TENANT, name_of, qualify

Row: TypeAlias = tuple[Any, ...]

TYPE_NAMES: Final = {type_: type_.name.lower() for type_ in EventType}
CAUSE_NAMES: Final = {cause: cause.name.lower() for cause in Cause}
TYPES: Final = {name: type_ for type_, name in TYPE_NAMES.items()}
CAUSES: Final = {name: cause for cause, name in CAUSE_NAMES.items()}

EVENT_COLUMNS: Final = """
    event_type, cause, actor, reason, participant_id::text, group_id::text, time_elapsed_ms, time_remaining_ms,
    round(extract(epoch FROM fired_at) * 1000)::bigint, state_snapshot::text, request_id, peer, changed_fields,
    call_id, on_behalf_of, tenant, metadata->>'traceparent'
"""
"""Columns of sync_events that `record_of` takes, in its order."""


class _Told(msgspec.Struct, array_like=True, gc=False):
    """What an event says besides the session after it."""

    actor: Text
    reason: Text
    on_behalf_of: Text
    participant_id: Uuid | None
    group_id: Uuid | None
    elapsed_ms: Count
    remaining_ms: Count | None
    fired_at: Instant | None


class Batch(NamedTuple):
    """Records, arranged by table; each session as of its latest version, with the place where that stands."""

    events: list[Row]
    sessions: dict[str, Row]
    places: dict[str, Place]
    participants: list[Row]


def arrange(records: Sequence[AuditRecord]) -> Batch:
    """Arrange records, in whatever order they are; raises DataInvalid for one that could not be read back."""
    try:
        return _arrange(records)
    except DataInvalid:
        raise
    except (FieldError, msgspec.ValidationError) as error:
        raise DataInvalid(f"a record is not what it should be: {error}") from error
    except Exception as error:
        # Nothing here depends on the moment: what fails once fails always.
        raise DataInvalid(f"a record is not what it should be: {type(error).__name__}") from error


def _arrange(records: Sequence[AuditRecord]) -> Batch:
    events: list[Row] = []
    latest: dict[str, tuple[Session, str]] = {}
    places: dict[str, Place] = {}
    seen: dict[tuple[str, str], Facts] = {}
    for record in records:
        session = record.event.session
        session_id, place, snapshot = session.session_id, place_of(session), encode_session(session)
        effect = effect_of(record.event)
        told = snapshot if effect == NO_EFFECT else encode_session(session, effect)
        _check(record.event, told)
        events.append(_event_row(record, session, told))
        if session_id not in places:
            _require_tenant(session_id)
        if session_id not in places or place > places[session_id]:
            places[session_id], latest[session_id] = place, (session, snapshot)
        see_participants(seen, record)
    sessions = {session_id: _session_row(*found) for session_id, found in latest.items()}
    participants = [_participant_row(session_id, facts) for (session_id, _), facts in seen.items()]
    return Batch(events, sessions, places, participants)


def _check(event: Event, snapshot: str) -> None:
    """Raise FieldError or ValidationError for a value of the wrong kind: PostgreSQL would blame its schema for some."""
    check_snapshot(snapshot.encode())
    msgspec.convert((*event.author, *event.subject, event.fired_at), _Told)


def _require_tenant(qualified_id: str) -> None:
    """Raise DataInvalid for a tenant that PostgreSQL would refuse, or by which the session would not be found again."""
    tenant, session_id = name_of(qualified_id)
    if not TENANT.fullmatch(tenant) or qualify(tenant, session_id) != qualified_id:
        raise DataInvalid("a session belongs to no tenant")


def _event_row(record: AuditRecord, session: Session, snapshot: str) -> Row:
    event, request_id, peer, changed, call_id, trace = record
    participant_id, group_id, elapsed_ms, remaining_ms = event.subject
    return (
        session.change_id,
        *name_of(session.session_id),
        session.epoch,
        session.version,
        TYPE_NAMES[event.type],
        CAUSE_NAMES[event.cause],
        event.author.actor,
        event.author.reason,
        request_id,
        peer,
        participant_id,
        group_id,
        remaining_ms,
        elapsed_ms,
        session.cycle_number,
        session.updated_at,
        event.fired_at,
        ",".join(changed),
        snapshot,
        call_id,
        event.author.on_behalf_of,
        encode_json({"traceparent": trace}).decode() if trace else "{}",
    )


def record_of(columns: Sequence[Any]) -> AuditRecord:
    """Return the record of EVENT_COLUMNS; raises UnreadableSnapshotError or KeyError for a newer version's."""
    *told, call_id, other, tenant, trace = columns
    type_, cause, actor, reason, *subject, fired_at, snapshot, request_id, peer, changed = told
    author, (session, effect) = Author(actor, reason, other), decode_event(snapshot, tenant)
    event = Event(TYPES[type_], CAUSES[cause], author, Subject(*subject), fired_at, session, *effect)
    return AuditRecord(event, request_id, peer, tuple(changed), call_id, trace or "")


def _session_row(session: Session, snapshot: str) -> Row:
    """Return the row of a session."""
    rules = session.rules
    return (
        *name_of(session.session_id),
        MODE_NAMES[rules.mode],
        rules.total_time_ms,
        rules.time_per_cycle_ms,
        rules.increment_ms,
        rules.max_time_ms,
        session.created_at,
        session.started_at,
        session.completed_at,
        session.updated_at if session.deleted else None,
        STATUS_NAMES[session.status],
        session.cycle_number,
        len(session.participants),
        session.epoch,
        session.version,
        session.change_id,
        snapshot,
        encode_json(dict(session.labels)).decode() if session.labels else "{}",
        readable(session.metadata),
        session.updated_at,
    )


def _participant_row(qualified_id: str, facts: Facts) -> Row:
    """Return the row of a participant."""
    state, (epoch, version, updated_at, change_id) = facts.state, facts.place
    removed_epoch, removed_version, removed_at = facts.removed
    is_removed = removed_epoch > 0 and (removed_epoch, removed_version) >= (epoch, version)
    return (
        *name_of(qualified_id),
        state.participant_id,
        state.clock.allotted_ms,
        state.group_id,
        state.cycle_count,
        state.clock.used_ms + state.clock.overtime_ms,
        facts.added_at,
        removed_at if is_removed else None,
        facts.first_active_at,
        facts.last_active_at,
        epoch,
        version,
        change_id or None,
        updated_at if change_id else None,
        removed_epoch,
        removed_version,
        readable(state.metadata),
    )


def readable(metadata: bytes | None) -> str:
    """Return a Struct's bytes as JSON for people and queries, {} for what cannot be shown as such."""
    if not metadata:
        return "{}"
    try:
        text = MessageToJson(Struct.FromString(metadata), indent=None, ensure_ascii=False)
    except (DecodeError, JsonFormatError, ValueError, RecursionError):
        return "{}"
    # The one character JSONB cannot hold must not cost the event: its snapshot has the bytes.
    return "{}" if "\\u0000" in text else text
