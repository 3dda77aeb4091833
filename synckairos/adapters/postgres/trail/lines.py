"""The audit trail as JSON Lines: one event a line, without loss, in a form that can be read back.

Fields are named as in the contract; instants are ms since 1970. A line without a `tenant` is of the default one.
`is_fork`, `recorded_at` and `changes` say what the trail made of the event: they are written for readers, and ignored
on the way back.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from synckairos.adapters.postgres.trail.control_json import Count, TurnJson, read_turn
from synckairos.adapters.postgres.trail.rows import CAUSE_NAMES, CAUSES, TYPE_NAMES, TYPES
from synckairos.adapters.postgres.trail.session_json import Instant, Ordinal, Text, Uuid
from synckairos.adapters.postgres.trail.snapshot import FieldError, checked, checked_session, encode_session
from synckairos.application.trail.audit import AuditedEvent, AuditRecord
from synckairos.domain.events import Author, Event, Subject
from synckairos.domain.tenancy import DEFAULT_TENANT, TENANT, name_of, qualify

TRACEPARENT: Final = r"\A00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z"


class _Line(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    session_id: Uuid
    epoch: Count
    version: Ordinal
    change_id: Uuid
    type: str
    cause: str
    actor: Text
    reason: Text
    participant_id: Uuid | None
    group_id: Uuid | None
    time_elapsed_ms: Count
    time_remaining_ms: Count | None
    cycle_number: Count
    occurred_at: Instant
    fired_at: Instant | None
    request_id: Text
    peer: Text
    changed_fields: list[Annotated[str, Meta(pattern=r"\A[a-z0-9_]{1,64}\Z")]]
    session: msgspec.Raw
    call_id: Text | UnsetType = UNSET
    on_behalf_of: Text | UnsetType = UNSET
    tenant: Annotated[str, Meta(pattern=rf"\A{TENANT.pattern}\Z")] | UnsetType = UNSET
    traceparent: Annotated[str, Meta(pattern=TRACEPARENT)] | UnsetType = UNSET
    is_fork: bool | UnsetType = UNSET
    recorded_at: Instant | UnsetType = UNSET
    changes: list[dict[str, Any]] | UnsetType = UNSET
    turn: TurnJson | UnsetType = UNSET
    extended_ms: Count | UnsetType = UNSET
    advanced_ms: Count | UnsetType = UNSET


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_Line)


def encode_record(record: AuditRecord) -> bytes:
    """Return a record's line, the line break included."""
    return _ENCODER.encode(_line(record)) + b"\n"


def encode_audited(audited: AuditedEvent) -> bytes:
    """Return a record's line with what the trail made of it, the line break included."""
    line = _line(audited.record)
    line.is_fork = audited.is_fork
    line.recorded_at = audited.recorded_at
    if audited.before is not None:
        line.changes = [one._asdict() for one in audited.changes]
    return _ENCODER.encode(line) + b"\n"


def _line(record: AuditRecord) -> _Line:
    event, request_id, peer, changed, call_id, trace = record
    session, subject = event.session, event.subject
    tenant, session_id = name_of(session.session_id)
    return _Line(
        session_id=session_id,
        epoch=session.epoch,
        version=session.version,
        change_id=session.change_id,
        type=TYPE_NAMES[event.type],
        cause=CAUSE_NAMES[event.cause],
        actor=event.author.actor,
        reason=event.author.reason,
        participant_id=subject.participant_id,
        group_id=subject.group_id,
        time_elapsed_ms=subject.elapsed_ms,
        time_remaining_ms=subject.remaining_ms,
        cycle_number=session.cycle_number,
        occurred_at=session.updated_at,
        fired_at=event.fired_at,
        request_id=request_id,
        peer=peer,
        changed_fields=list(changed),
        session=msgspec.Raw(encode_session(session).encode()),
        call_id=call_id or UNSET,
        on_behalf_of=event.author.on_behalf_of or UNSET,
        tenant=UNSET if tenant == DEFAULT_TENANT else tenant,
        traceparent=trace or UNSET,
        turn=UNSET if event.turn is None else TurnJson(*event.turn),
        extended_ms=event.extended_ms or UNSET,
        advanced_ms=event.advanced_ms or UNSET,
    )


def decode_record(text: bytes) -> AuditRecord:
    """Return the record of a line; raises FieldError naming the first field that is wrong."""
    line: _Line = checked("", _DECODER, text)
    tenant = line.tenant or DEFAULT_TENANT
    session = checked_session("session", bytes(line.session), tenant)
    told: dict[str, tuple[Any, Any]] = {
        "session_id": (qualify(tenant, line.session_id), session.session_id),
        "epoch": (line.epoch, session.epoch),
        "version": (line.version, session.version),
        "change_id": (line.change_id, session.change_id),
        "cycle_number": (line.cycle_number, session.cycle_number),
        "occurred_at": (line.occurred_at, session.updated_at),
    }
    for path, (here, there) in told.items():
        if here != there:
            raise FieldError(path, f"is {here}, but the session after the event says {there}")
    return AuditRecord(
        Event(
            _named("type", line.type, TYPES),
            _named("cause", line.cause, CAUSES),
            Author(line.actor, line.reason, line.on_behalf_of or ""),
            Subject(line.participant_id, line.group_id, line.time_elapsed_ms, line.time_remaining_ms),
            line.fired_at,
            session,
            read_turn(line.turn or None),
            line.extended_ms or 0,
            line.advanced_ms or 0,
        ),
        line.request_id,
        line.peer,
        tuple(line.changed_fields),
        line.call_id or "",
        line.traceparent or "",
    )


def _named(path: str, name: str, known: dict[str, Any]) -> Any:  # noqa: ANN401 - types and causes alike
    if name not in known:
        raise FieldError(path, f"{name[:64]!r} is not a known value")
    return known[name]
