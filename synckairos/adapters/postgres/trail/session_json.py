"""The JSON of a session, declared once: its members, their kinds and their bounds."""

from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, field

from synckairos.adapters.postgres.trail.control_json import (
    MAX_INT64,
    ControlJson,
    Count,
    EffectJson,
    Json,
    ProgressJson,
    Signed,
)
from synckairos.domain.model import MAX_REPLICAS, DurabilityLevel, Mode, OnExpire, SoftClosePolicy, Status

LAYOUTS: Final = (1, 2, 3)
MAX_INSTANT_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999, which is as far as a database's instants are read back."""

Uuid = Annotated[str, Meta(pattern=r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")]
Instant = Annotated[int, Meta(ge=0, le=MAX_INSTANT_MS)]
Ordinal = Annotated[int, Meta(ge=1, le=MAX_INT64)]
Text = Annotated[str, Meta(pattern=r"\A[^\x00]*\Z")]

MODE_NAMES: Final[dict[Mode, Any]] = {mode: mode.name.lower() for mode in Mode}
STATUS_NAMES: Final[dict[Status, Any]] = {status: status.name.lower() for status in Status}
END_NAMES: Final[dict[OnExpire | None, Any]] = {None: None} | {end: end.name.lower() for end in OnExpire}
MODES: Final = {name: mode for mode, name in MODE_NAMES.items()}
STATUSES: Final = {name: status for status, name in STATUS_NAMES.items()}
ENDS: Final = {name: end for end, name in END_NAMES.items()}
POLICY_NAMES: Final[dict[SoftClosePolicy, Any]] = {policy: policy.name.lower() for policy in SoftClosePolicy}
POLICIES: Final = {name: policy for policy, name in POLICY_NAMES.items()}
LEVEL_NAMES: Final[dict[DurabilityLevel, Any]] = {level: level.name.lower() for level in DurabilityLevel}
LEVELS: Final = {name: level for level, name in LEVEL_NAMES.items()}


class ClockJson(Json):
    """The facts of a clock."""

    used_ms: Count
    allotted_ms: Count | None = None
    bank_ms: Signed | None = None
    overtime_ms: Count = 0
    is_expired: bool = False
    in_overtime: bool = False
    progress: ProgressJson | None = None


class ParticipantJson(Json):
    """A participant."""

    participant_id: Uuid
    participant_index: Count
    cycle_count: Count
    group_id: Uuid | None = None
    clock: ClockJson | None = None
    metadata_base64: bytes | None = None


class GroupJson(Json):
    """A group."""

    group_id: Uuid
    clock: ClockJson
    last_index: Annotated[int, Meta(ge=-1, le=MAX_INT64)]


class SoftCloseJson(Json):
    """How late bids move the end."""

    window_ms: Count
    extend_ms: Count
    policy: Literal["reset", "add"]
    hard_limit_ms: Count = 0


class DurabilityJson(Json):
    """What its changes must reach."""

    level: Literal["memory", "fsync", "replicas"]
    replicas: Annotated[int, Meta(ge=0, le=MAX_REPLICAS)] = 0


class RulesJson(Json):
    """What was agreed; `time_control` is a place among the controls."""

    mode: Literal["per_participant", "per_cycle", "per_group", "global", "count_up"]
    on_expire: Literal["end_session", "eliminate", "advance", "notify"] | None = None
    total_time_ms: Count | None = None
    time_per_cycle_ms: Count | None = None
    increment_ms: Count = 0
    max_time_ms: Count | None = None
    max_cycles: Count | None = None
    warning_thresholds_ms: list[Count] = field(default_factory=list)
    session_limit_ms: Count | None = None
    close_at: Instant | None = None
    soft_close: SoftCloseJson | None = None
    time_control: Count | None = None
    durability: DurabilityJson | None = None


class SessionJson(Json):
    """A session, and what the event before it did."""

    layout: Annotated[int, Meta(ge=LAYOUTS[0], le=LAYOUTS[-1])]
    session_id: Uuid
    epoch: Count
    version: Ordinal
    change_id: Uuid
    status: Literal["pending", "running", "paused", "expired", "completed", "cancelled"]
    rules: RulesJson
    created_at: Instant
    updated_at: Instant
    participants: list[ParticipantJson]
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
    ran_ms: Count = 0
    limit_passed: bool = False
    manual_at: Instant | None = None
    real_at: Instant | None = None
    groups: list[GroupJson] = field(default_factory=list)
    clock: ClockJson | None = None
    metadata_base64: bytes | None = None
    labels: list[tuple[Text, Text]] = field(default_factory=list)
    controls: list[ControlJson] = field(default_factory=list)
    effect: EffectJson | None = None


def lenient(type_: Any) -> Any:  # noqa: ANN401 - types of any kind
    """Return a type without its bounds, at every depth: a class of the JSON that passes over unknown fields."""
    if isinstance(type_, type) and issubclass(type_, Json):
        fields = [(one.name, lenient(one.type), _otherwise(one)) for one in msgspec.structs.fields(type_)]
        return msgspec.defstruct(type_.__name__, fields)
    if get_origin(type_) is Annotated:
        return get_args(type_)[0]
    if get_origin(type_) in (None, Literal):
        return type_
    generic: Any = Union if get_origin(type_) is UnionType else get_origin(type_)
    return generic[tuple(map(lenient, get_args(type_)))]


def _otherwise(one: msgspec.structs.FieldInfo) -> Any:  # noqa: ANN401 - what msgspec takes for a default
    if one.default_factory is NODEFAULT:
        return field(default=one.default)
    return field(default_factory=one.default_factory)
