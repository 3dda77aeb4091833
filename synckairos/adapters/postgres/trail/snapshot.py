"""The JSON of a session in the audit trail, declared once: it is written, read and, if it comes from a file, checked.

Names are those of the model, and nothing is lost. Values equal to their default are left out. Labels are pairs,
because a JSONB object keeps no order. Metadata are the base64 of their bytes: two encodings of one protobuf Struct are
equal in JSON but not in bytes, and recovery has to bring back what was stored. For people and queries the trail has
them readable in columns of their own.
"""

from collections.abc import Iterator
from operator import attrgetter
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct
from msgspec import NODEFAULT, Meta, field

from synckairos.domain.model import UNTIMED, Clock, Group, Mode, OnExpire, Participant, Rules, Session, Status

LAYOUT: Final = 1
MAX_INT64: Final = 2**63 - 1
MAX_INSTANT_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999, which is as far as a database's instants are read back."""

Uuid = Annotated[str, Meta(pattern=r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")]
Instant = Annotated[int, Meta(ge=0, le=MAX_INSTANT_MS)]
Count = Annotated[int, Meta(ge=0, le=MAX_INT64)]
Ordinal = Annotated[int, Meta(ge=1, le=MAX_INT64)]
Text = Annotated[str, Meta(pattern=r"\A[^\x00]*\Z")]

MODE_NAMES: Final[dict[Mode, Any]] = {mode: mode.name.lower() for mode in Mode}
STATUS_NAMES: Final[dict[Status, Any]] = {status: status.name.lower() for status in Status}
_END_NAMES: Final[dict[OnExpire | None, Any]] = {None: None} | {end: end.name.lower() for end in OnExpire}
_MODES: Final = {name: mode for mode, name in MODE_NAMES.items()}
_STATUSES: Final = {name: status for status, name in STATUS_NAMES.items()}
_ENDS: Final = {name: end for end, name in _END_NAMES.items()}

_OTHERWISE: Final = {"rules", "status", "participants", "groups", "clock", "metadata", "labels"}
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


class _Json(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    pass


class _Clock(_Json):
    used_ms: Count
    allotted_ms: Count | None = None
    bank_ms: Count | None = None
    overtime_ms: Count = 0
    is_expired: bool = False
    in_overtime: bool = False


class _Participant(_Json):
    participant_id: Uuid
    participant_index: Count
    cycle_count: Count
    group_id: Uuid | None = None
    clock: _Clock | None = None
    metadata_base64: bytes | None = None


class _Group(_Json):
    group_id: Uuid
    clock: _Clock
    last_index: Annotated[int, Meta(ge=-1, le=MAX_INT64)]


class _Rules(_Json):
    mode: Literal["per_participant", "per_cycle", "per_group", "global", "count_up"]
    on_expire: Literal["end_session", "eliminate", "advance", "notify"] | None = None
    total_time_ms: Count | None = None
    time_per_cycle_ms: Count | None = None
    increment_ms: Count = 0
    max_time_ms: Count | None = None
    max_cycles: Count | None = None
    warning_thresholds_ms: list[Count] = []


class _Session(_Json):
    layout: Annotated[int, Meta(ge=LAYOUT, le=LAYOUT)]
    session_id: Uuid
    epoch: Count
    version: Ordinal
    change_id: Uuid
    status: Literal["pending", "running", "paused", "expired", "completed", "cancelled"]
    rules: _Rules
    created_at: Instant
    updated_at: Instant
    participants: list[_Participant]
    active: Count | None = None
    first_participant_id: Uuid | None = None
    expired_participant_id: Uuid | None = None
    expired_group_id: Uuid | None = None
    winner_participant_id: Uuid | None = None
    winner_group_id: Uuid | None = None
    cycle_number: Count = 0
    carried_ms: Count = 0
    charged_ms: Count = 0
    started_at: Instant | None = None
    cycle_started_at: Instant | None = None
    resumed_at: Instant | None = None
    paused_at: Instant | None = None
    completed_at: Instant | None = None
    recovered: bool = False
    deleted: bool = False
    idle_ttl_ms: Count = 0
    called_at: Instant | None = None
    ended_at: Instant | None = None
    groups: list[_Group] = []
    clock: _Clock | None = None
    metadata_base64: bytes | None = None
    labels: list[tuple[Text, Text]] = []


_FIELDS: Final = _Session.__struct_fields__
_head_of: Final = attrgetter(*_FIELDS[_FIELDS.index("session_id") : _FIELDS.index("status")])
_facts_of: Final = attrgetter(*_FIELDS[_FIELDS.index("active") : _FIELDS.index("groups")])


def _lenient(type_: Any) -> Any:  # noqa: ANN401 - types of any kind
    """Return a type without its bounds, at every depth: a class of the JSON that passes over unknown fields."""
    if isinstance(type_, type) and issubclass(type_, _Json):
        fields = [
            (one.name, _lenient(one.type), field(default=one.default) if one.default_factory is NODEFAULT else [])
            for one in msgspec.structs.fields(type_)
        ]
        return msgspec.defstruct(type_.__name__, fields)
    if get_origin(type_) is Annotated:
        return get_args(type_)[0]
    if get_origin(type_) in (None, Literal):
        return type_
    generic: Any = Union if get_origin(type_) is UnionType else get_origin(type_)
    return generic[tuple(map(_lenient, get_args(type_)))]


_ENCODER: Final = msgspec.json.Encoder()
_CHECKING_DECODER: Final = msgspec.json.Decoder(_Session)
_DECODER: Final["msgspec.json.Decoder[_Session]"] = msgspec.json.Decoder(_lenient(_Session))
"""Of what the trail itself holds: without bounds, so that no row is lost for one."""


def encode_session(session: Session) -> str:
    """Return the session's JSON, an object."""
    values = (
        LAYOUT,
        *_head_of(session),
        STATUS_NAMES[session.status],
        _rules(session.rules),
        session.created_at,
        session.updated_at,
        [_participant(one) for one in session.participants],
        *_facts_of(session),
        [_Group(group_id, _clock(clock), last_index) for group_id, clock, last_index in session.groups],
        None if session.clock == UNTIMED else _clock(session.clock),
        session.metadata,
        list(session.labels),
    )
    return _ENCODER.encode(_Session(*values)).decode()


def _rules(rules: Rules) -> _Rules:
    mode, on_expire, total, per_cycle, increment, most, cycles, thresholds = rules
    mode_name, end_name = MODE_NAMES[mode], _END_NAMES[on_expire]
    return _Rules(mode_name, end_name, total, per_cycle, increment, most, cycles, list(thresholds))


def _participant(participant: Participant) -> _Participant:
    id_, index, group_id, clock, cycle_count, metadata = participant
    return _Participant(id_, index, cycle_count, group_id, None if clock == UNTIMED else _clock(clock), metadata)


def _clock(clock: Clock) -> _Clock:
    allotted, bank, used, overtime, is_expired, in_overtime = clock
    return _Clock(used, allotted, bank, overtime, is_expired, in_overtime)


def decode_session(text: str | bytes) -> Session:
    """Return the session; raises UnreadableSnapshotError."""
    try:
        read = _DECODER.decode(text)
    except (msgspec.DecodeError, ValueError) as error:
        raise UnreadableSnapshotError(f"this snapshot is not what it should be: {error!r}") from error
    if read.layout != LAYOUT:
        raise UnreadableSnapshotError(f"session {read.session_id}: layout {read.layout} is not {LAYOUT}")
    return _read(read)


def _read(read: _Session) -> Session:
    rules = {name: getattr(read.rules, name) for name in Rules._fields}
    rules |= {"mode": _MODES[read.rules.mode], "on_expire": _ENDS[read.rules.on_expire]}
    rules["warning_thresholds_ms"] = tuple(read.rules.warning_thresholds_ms)
    return Session(
        rules=Rules(**rules),
        status=_STATUSES[read.status],
        participants=tuple([_read_participant(one) for one in read.participants]),
        groups=tuple([Group(one.group_id, _read_clock(one.clock), one.last_index) for one in read.groups]),
        clock=_read_clock(read.clock),
        metadata=read.metadata_base64,
        labels=tuple(read.labels),
        **dict(zip(_SAME, _same_of(read), strict=True)),
    )


def _read_participant(one: _Participant) -> Participant:
    clock = _read_clock(one.clock)
    return Participant(
        one.participant_id, one.participant_index, one.group_id, clock, one.cycle_count, one.metadata_base64
    )


def _read_clock(read: _Clock | None) -> Clock:
    return UNTIMED if read is None else Clock(*[getattr(read, name) for name in Clock._fields])


def checked_session(path: str, text: bytes) -> Session:
    """Return the session of a snapshot that stands at `path` and may have been edited; raises FieldError."""
    read: _Session = checked(path, _CHECKING_DECODER, text)
    for place, problem in _loose_ends(read):
        raise FieldError(f"{path}.{place}", problem)
    return _read(read)


def checked(path: str, decoder: "msgspec.json.Decoder[Any]", text: bytes) -> Any:  # noqa: ANN401 - what the decoder makes
    """Return what a typed decoder makes of a text that stands at `path`; raises FieldError."""
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem, _, place = str(error).partition(" - at `$")
        raise FieldError((path + place.rstrip("`")).lstrip("."), problem) from error


def _loose_ends(read: _Session) -> Iterator[tuple[str, str]]:
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


def check_snapshot(text: bytes) -> None:
    """Raise FieldError unless every value of a session's JSON is of its kind and within its bounds."""
    checked("", _CHECKING_DECODER, text)


def _is_struct(metadata: bytes | None) -> bool:
    try:
        Struct.FromString(metadata or b"")
    except (ValueError, DecodeError):
        return False
    return True
