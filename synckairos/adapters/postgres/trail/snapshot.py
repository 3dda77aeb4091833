"""The JSON of a session in the audit trail: it is written, read and, if it comes from a file, checked.

Names are those of the model, and nothing is lost. Values equal to their default are left out. Labels are pairs,
because a JSONB object keeps no order. Metadata are the base64 of their bytes: two encodings of one protobuf Struct are
equal in JSON but not in bytes, and recovery has to bring back what was stored. For people and queries the trail has
them readable in columns of their own. What has a time control, a limit, a manual clock or an effect is written in
layout 2, what has a durability of its own in layout 3; earlier versions refuse what they do not know. All else is in
layout 1, byte for byte as ever. The session is named by the id that its tenant knows; whose it is stands beside the
JSON.
"""

from collections.abc import Iterator
from operator import attrgetter
from typing import Any, Final

import msgspec
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct

from synckairos.adapters.postgres.trail.control_json import (
    Controls,
    effect_json,
    read_control,
    read_effect,
    read_progress,
)
from synckairos.adapters.postgres.trail.session_json import (
    END_NAMES,
    ENDS,
    LAYOUTS,
    LEVEL_NAMES,
    LEVELS,
    MODE_NAMES,
    MODES,
    POLICIES,
    POLICY_NAMES,
    STATUS_NAMES,
    STATUSES,
    ClockJson,
    DurabilityJson,
    GroupJson,
    ParticipantJson,
    RulesJson,
    SessionJson,
    SoftCloseJson,
    lenient,
)
from synckairos.domain.controls.limits import control_violations
from synckairos.domain.controls.time_control import TimeControl
from synckairos.domain.events import NO_EFFECT, Effect
from synckairos.domain.model import UNTIMED, Clock, Durability, Group, Participant, Rules, Session, SoftClose
from synckairos.domain.tenancy import DEFAULT_TENANT, name_of, qualify

_OTHERWISE: Final = {"session_id", "rules", "status", "participants", "groups", "clock", "metadata", "labels"}
_SAME: Final = tuple(name for name in Session._fields if name not in _OTHERWISE)
"""Fields of a session that are in JSON what they are in the model."""
_same_of: Final = attrgetter(*_SAME)


class UnreadableSnapshotError(Exception):
    """The JSON was written by a newer version, or is no session at all."""


class FieldError(Exception):
    """A field is not what it should be; `path` as in `session.participants[2].clock.used_ms`, empty for the whole."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem


_FIELDS: Final = SessionJson.__struct_fields__
_head_of: Final = attrgetter(*_FIELDS[_FIELDS.index("epoch") : _FIELDS.index("status")])
_facts_of: Final = attrgetter(*_FIELDS[_FIELDS.index("active") : _FIELDS.index("groups")])
_state_of: Final = attrgetter(*Clock._fields[:-1])
"""All of a clock but its progress."""


_ENCODER: Final = msgspec.json.Encoder()
_CHECKING_DECODER: Final = msgspec.json.Decoder(SessionJson)
_DECODER: Final["msgspec.json.Decoder[SessionJson]"] = msgspec.json.Decoder(lenient(SessionJson))
"""Of what the trail itself holds: without bounds, so that no row is lost for one."""


def encode_session(session: Session, effect: Effect = NO_EFFECT) -> str:
    """Return the session's JSON, an object, with what the event before it did."""
    clocks = [one.clock for one in session.participants]
    clocks += [one.clock for one in session.groups]
    controls = Controls(session.rules.time_control, clocks)
    rules, told = _rules(session.rules, controls.default), effect_json(effect)
    values = (
        1,
        name_of(session.session_id).session_id,
        *_head_of(session),
        STATUS_NAMES[session.status],
        rules,
        session.created_at,
        session.updated_at,
        [_participant(one, controls) for one in session.participants],
        *_facts_of(session),
        [GroupJson(group_id, _clock(clock, controls), last_index) for group_id, clock, last_index in session.groups],
        None if session.clock == UNTIMED else _clock(session.clock, controls),
        session.metadata,
        list(session.labels),
        controls.all(),
        told,
    )
    written = SessionJson(*values)
    if _is_new(session) or written.controls or told is not None:
        written.layout = 2
    if session.rules.durability is not None:
        written.layout = 3
    return _ENCODER.encode(written).decode()


def _is_new(session: Session) -> bool:
    """Whether a session has what layout 1 has no place for, beside time controls."""
    rules = session.rules
    limits = (rules.session_limit_ms, rules.close_at, rules.soft_close, session.manual_at, session.real_at)
    return any(limit is not None for limit in limits) or session.limit_passed or session.ran_ms != 0


def _rules(rules: Rules, control: int | None) -> RulesJson:
    mode, on_expire, total, per_cycle, increment, most, cycles, thresholds, limit, close_at, soft = rules[:11]
    soft_close = None if soft is None else SoftCloseJson(soft[0], soft[1], POLICY_NAMES[soft[2]], soft[3])
    return RulesJson(
        MODE_NAMES[mode],
        END_NAMES[on_expire],
        total,
        per_cycle,
        increment,
        most,
        cycles,
        list(thresholds),
        limit,
        close_at,
        soft_close,
        control,
        None if rules.durability is None else DurabilityJson(LEVEL_NAMES[rules.durability[0]], rules.durability[1]),
    )


def _participant(participant: Participant, controls: Controls) -> ParticipantJson:
    id_, index, group_id, clock, cycle_count, metadata = participant
    row = None if clock == UNTIMED else _clock(clock, controls)
    return ParticipantJson(id_, index, cycle_count, group_id, row, metadata)


def _clock(clock: Clock, controls: Controls) -> ClockJson:
    allotted, bank, used, overtime, is_expired, in_overtime, progress = clock
    return ClockJson(used, allotted, bank, overtime, is_expired, in_overtime, controls.progress(progress))


def decode_session(text: str | bytes, tenant: str = DEFAULT_TENANT) -> Session:
    """Return the tenant's session; raises UnreadableSnapshotError."""
    return decode_event(text, tenant)[0]


def decode_event(text: str | bytes, tenant: str = DEFAULT_TENANT) -> tuple[Session, Effect]:
    """Return the tenant's session after an event, and what the event did; raises UnreadableSnapshotError."""
    try:
        read = _DECODER.decode(text)
        if read.layout in LAYOUTS:
            return _read(read, tenant), read_effect(read.effect)
    except (msgspec.DecodeError, ValueError, LookupError, TypeError) as error:
        raise UnreadableSnapshotError(f"this snapshot is not what it should be: {error!r}") from error
    raise UnreadableSnapshotError(f"session {read.session_id}: layout {read.layout} is none of {LAYOUTS}")


def _read(read: SessionJson, tenant: str) -> Session:
    controls = [read_control(control) for control in read.controls]
    return Session(
        session_id=qualify(tenant, read.session_id),
        rules=_read_rules(read.rules, controls),
        status=STATUSES[read.status],
        participants=tuple([_read_participant(one, controls) for one in read.participants]),
        groups=tuple([Group(one.group_id, _read_clock(one.clock, controls), one.last_index) for one in read.groups]),
        clock=_read_clock(read.clock, controls),
        metadata=read.metadata_base64,
        labels=tuple(read.labels),
        **dict(zip(_SAME, _same_of(read), strict=True)),
    )


def _read_rules(read: RulesJson, controls: list[TimeControl]) -> Rules:
    rules = {name: getattr(read, name) for name in Rules._fields}
    rules |= {"mode": MODES[read.mode], "on_expire": ENDS[read.on_expire]}
    rules["warning_thresholds_ms"] = tuple(read.warning_thresholds_ms)
    if read.time_control is not None:
        rules["time_control"] = controls[read.time_control]
    if read.soft_close is not None:
        soft = read.soft_close
        rules["soft_close"] = SoftClose(soft.window_ms, soft.extend_ms, POLICIES[soft.policy], soft.hard_limit_ms)
    if read.durability is not None:
        rules["durability"] = Durability(LEVELS[read.durability.level], read.durability.replicas)
    return Rules(**rules)


def _read_participant(one: ParticipantJson, controls: list[TimeControl]) -> Participant:
    clock = _read_clock(one.clock, controls)
    return Participant(
        one.participant_id, one.participant_index, one.group_id, clock, one.cycle_count, one.metadata_base64
    )


def _read_clock(read: ClockJson | None, controls: list[TimeControl]) -> Clock:
    if read is None:
        return UNTIMED
    return Clock._make((*_state_of(read), read_progress(read.progress, controls)))


def checked_session(path: str, text: bytes, tenant: str = DEFAULT_TENANT) -> Session:
    """Return the tenant's session of a snapshot that stands at `path` and may have been edited; raises FieldError."""
    read: SessionJson = checked(path, _CHECKING_DECODER, text)
    for place, problem in (*_loose_ends(read), *_negative_banks(read), *_wrong_controls(read)):
        raise FieldError(f"{path}.{place}", problem)
    return _read(read, tenant)


def checked(path: str, decoder: "msgspec.json.Decoder[Any]", text: bytes) -> Any:  # noqa: ANN401 - what the decoder makes
    """Return what a typed decoder makes of a text that stands at `path`; raises FieldError."""
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem, _, place = str(error).partition(" - at `$")
        raise FieldError((path + place.rstrip("`")).lstrip("."), problem) from error


def _loose_ends(read: SessionJson) -> Iterator[tuple[str, str]]:
    """Yield fields that refer to nothing, or hold bytes that cannot be read."""
    if read.active is not None and read.active >= len(read.participants):
        yield "active", f"there is no participant {read.active}"
    groups = {group.group_id for group in read.groups}
    if not _is_struct(read.metadata_base64):
        yield "metadata_base64", "is not a google.protobuf.Struct in base64"
    seen: set[str] = set()
    for place, participant in enumerate(read.participants):
        if participant.participant_id in seen:
            yield f"participants[{place}].participant_id", "is there twice"
        seen.add(participant.participant_id)
        if participant.group_id is not None and participant.group_id not in groups:
            yield f"participants[{place}].group_id", "is not one of the session's groups"
        if not _is_struct(participant.metadata_base64):
            yield f"participants[{place}].metadata_base64", "is not a google.protobuf.Struct in base64"


def _wrong_controls(read: SessionJson) -> Iterator[tuple[str, str]]:
    """Yield controls that there cannot be, and clocks that refer to no control or stage."""
    controls: list[TimeControl] = []
    for place, control in enumerate(read.controls):
        try:
            controls.append(read_control(control))
        except (LookupError, TypeError, ValueError) as error:
            yield f"controls[{place}]", f"is no time control: {error}"
            return
        for wrong in control_violations("", controls[-1]):
            yield f"controls[{place}]", f"is no time control: {wrong.path.lstrip('.')} {wrong.description}"
            return
    if read.rules.time_control is not None and read.rules.time_control >= len(controls):
        yield "rules.time_control", f"there is no control {read.rules.time_control}"
    for path, clock in _clocks(read):
        try:
            read_progress(clock.progress, controls)
        except LookupError:
            yield f"{path}.progress", "refers to a control or a stage that there is not"


def _negative_banks(read: SessionJson) -> Iterator[tuple[str, str]]:
    """Yield banks below zero: only a time control can have one."""
    for path, clock in _clocks(read):
        if clock.progress is None and clock.bank_ms is not None and clock.bank_ms < 0:
            yield f"{path}.bank_ms", "is below 0"


def _clocks(read: SessionJson) -> Iterator[tuple[str, ClockJson]]:
    if read.clock is not None:
        yield "clock", read.clock
    for place, participant in enumerate(read.participants):
        if participant.clock is not None:
            yield f"participants[{place}].clock", participant.clock
    for place, group in enumerate(read.groups):
        yield f"groups[{place}].clock", group.clock


def check_snapshot(text: bytes) -> None:
    """Raise FieldError unless every value of a session's JSON is of its kind and within its bounds."""
    for path, problem in _negative_banks(checked("", _CHECKING_DECODER, text)):
        raise FieldError(path, problem)


def _is_struct(metadata: bytes | None) -> bool:
    try:
        Struct.FromString(metadata or b"")
    except (ValueError, DecodeError):
        return False
    return True
