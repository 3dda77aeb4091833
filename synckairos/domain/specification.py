"""Descriptions of sessions and participants, and their limits: one table says which mode uses which field."""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

from synckairos.domain.controls.time_control import TimeControl
from synckairos.domain.errors import FieldViolation
from synckairos.domain.model import (
    BANK_MODES,
    HOUR_MS,
    MAX_BUDGET_MS,
    MAX_IDLE_MS,
    MAX_REPLICAS,
    MIN_IDLE_MS,
    SECOND_MS,
    Durability,
    DurabilityLevel,
    Mode,
    OnExpire,
    SoftClose,
)

MAX_PARTICIPANTS: Final = 1_000
MAX_INDEX: Final = 1_000_000
MAX_CYCLES: Final = 1_000_000_000
MAX_THRESHOLDS: Final = 10
MAX_METADATA_BYTES: Final = 10_240
MAX_PARTICIPANT_METADATA_BYTES: Final = 1_024
MAX_LABELS: Final = 32
MAX_LABEL_BYTES: Final = 128


class ParticipantSpec(NamedTuple):
    """A participant as a client describes it; 0 and the empty string mean "not set"."""

    participant_id: str
    participant_index: int | None = None
    total_time_ms: int = 0
    group_id: str = ""
    metadata: bytes | None = None
    time_control: TimeControl | None = None


class GroupSpec(NamedTuple):
    """A group as a client describes it."""

    group_id: str
    total_time_ms: int = 0
    time_control: TimeControl | None = None


class SessionSpec(NamedTuple):
    """A session as a client describes it; 0, None and the empty string mean "not set"."""

    mode: Mode | None
    participants: tuple[ParticipantSpec, ...] = ()
    groups: tuple[GroupSpec, ...] = ()
    total_time_ms: int = 0
    time_per_cycle_ms: int = 0
    increment_ms: int = 0
    max_time_ms: int = 0
    max_cycles: int = 0
    on_expire: OnExpire | None = None
    warning_thresholds_ms: tuple[int, ...] = ()
    first_participant_id: str = ""
    metadata: bytes | None = None
    labels: tuple[tuple[str, str], ...] = ()
    idle_ttl_ms: int = 0
    time_control: TimeControl | None = None
    session_limit_ms: int = 0
    close_at: int | None = None
    soft_close: SoftClose | None = None
    manual_clock: bool = False
    durability: Durability | None = None


class Use(Enum):
    """How a mode uses a field."""

    NO = auto()
    OPTIONAL = auto()
    REQUIRED = auto()


NO, MAY, MUST = Use.NO, Use.OPTIONAL, Use.REQUIRED

FIELD_USE: Final[dict[str, tuple[Use, Use, Use, Use, Use]]] = {
    # field                        PARTICIPANT  CYCLE  GROUP  GLOBAL  COUNT_UP
    "participants":                (MUST,       MAY,   MUST,  MAY,    MAY),
    "participants.total_time_ms":  (MUST,       NO,    NO,    NO,     NO),
    "participants.group_id":       (NO,         NO,    MUST,  NO,     NO),
    "groups":                      (NO,         NO,    MUST,  NO,     NO),
    "total_time_ms":               (NO,         NO,    NO,    MUST,   NO),
    "time_per_cycle_ms":           (NO,         MUST,  NO,    NO,     NO),
    "increment_ms":                (MAY,        NO,    MAY,   NO,     NO),
    "max_time_ms":                 (MAY,        NO,    MAY,   NO,     MAY),
    "max_cycles":                  (NO,         MAY,   NO,    NO,     NO),
    "on_expire":                   (MAY,        MAY,   MAY,   MAY,    MAY),
    "warning_thresholds_ms":       (MAY,        MAY,   MAY,   MAY,    MAY),
    "first_participant_id":        (MAY,        MAY,   MAY,   MAY,    MAY),
    "idle_ttl_ms":                 (MAY,        MAY,   MAY,   MAY,    MAY),
    "time_control":                (MAY,        NO,    MAY,   NO,     NO),
    "participants.time_control":   (MAY,        NO,    NO,    NO,     NO),
    "groups.time_control":         (NO,         NO,    MAY,   NO,     NO),
    "session_limit_ms":            (MAY,        MAY,   MAY,   NO,     NO),
    "soft_close":                  (NO,         NO,    NO,    MAY,    NO),
}  # fmt: skip
"""Which mode uses which field; it is written down nowhere else."""

ON_EXPIRE: Final[dict[Mode, tuple[OnExpire, ...]]] = {
    Mode.PER_PARTICIPANT: (OnExpire.END_SESSION, OnExpire.ELIMINATE, OnExpire.NOTIFY),
    Mode.PER_CYCLE: (OnExpire.ADVANCE, OnExpire.END_SESSION, OnExpire.NOTIFY),
    Mode.PER_GROUP: (OnExpire.END_SESSION, OnExpire.ELIMINATE, OnExpire.NOTIFY),
    Mode.GLOBAL: (OnExpire.END_SESSION, OnExpire.NOTIFY),
    Mode.COUNT_UP: (OnExpire.END_SESSION, OnExpire.NOTIFY),
}
"""The actions a mode allows at zero; the first is its default."""

RANGES: Final[dict[str, tuple[int, int]]] = {
    "total_time_ms": (SECOND_MS, MAX_BUDGET_MS),
    "time_per_cycle_ms": (SECOND_MS, MAX_BUDGET_MS),
    "increment_ms": (0, HOUR_MS),
    "max_time_ms": (SECOND_MS, MAX_BUDGET_MS),
    "max_cycles": (1, MAX_CYCLES),
    "idle_ttl_ms": (MIN_IDLE_MS, MAX_IDLE_MS),
}
"""Limits of the plain numbers of a session."""

Violations = Iterator[FieldViolation]


def use_of(field: str, mode: Mode) -> Use:
    """Return how the mode uses the field."""
    return FIELD_USE[field][mode - 1]


def violations(spec: SessionSpec, *, is_controlled: bool = False) -> list[FieldViolation]:
    """Return everything that is wrong with a session's description, but for its time controls and limits.

    With time controls (`is_controlled`) nobody needs a total time.
    """
    if spec.mode is None:
        return [FieldViolation("mode", "is required")]
    return [
        *_numbers(spec, spec.mode),
        *_lists(spec, spec.mode),
        *_expiry(spec, spec.mode, is_controlled),
        *_thresholds(spec),
        *_participants(spec, spec.mode, is_controlled),
        *_groups(spec, spec.mode, is_controlled),
        *_durability(spec.durability),
        *metadata_violations(spec.metadata),
        *label_violations(spec.labels),
    ]


def participant_violations(
    path: str, participant: ParticipantSpec, mode: Mode, is_controlled: bool = False
) -> Violations:
    """Yield what is wrong with one participant for this mode; `is_controlled`: of a session with time controls."""
    time, group = f"{path}.total_time_ms", f"{path}.group_id"
    if not (is_controlled and mode is Mode.PER_PARTICIPANT):
        yield from _used(time, participant.total_time_ms, use_of("participants.total_time_ms", mode), mode)
    if participant.total_time_ms and use_of("participants.total_time_ms", mode) is not NO:
        yield from in_range(time, participant.total_time_ms, RANGES["total_time_ms"])
    yield from _used(group, participant.group_id, use_of("participants.group_id", mode), mode)
    if participant.participant_index is not None:
        yield from in_range(f"{path}.participant_index", participant.participant_index, (0, MAX_INDEX))
    yield from metadata_violations(participant.metadata, f"{path}.metadata", MAX_PARTICIPANT_METADATA_BYTES)


def label_violations(labels: Sequence[tuple[str, str]]) -> Violations:
    """Yield what is wrong with a set of labels."""
    if len(labels) > MAX_LABELS:
        yield FieldViolation("labels", f"has {len(labels)} labels, at most {MAX_LABELS} are allowed")
    for key, value in labels:
        if not key:
            yield FieldViolation("labels", "has an empty key")
        for part, text in (("key", key), ("value", value)):
            if len(text.encode()) > MAX_LABEL_BYTES:
                yield FieldViolation(f'labels["{key[:32]}"]', f"the {part} is longer than {MAX_LABEL_BYTES} bytes")


def in_range(path: str, value: int, limits: tuple[int, int]) -> Violations:
    """Yield a violation if the number is outside its limits."""
    low, high = limits
    if not low <= value <= high:
        yield FieldViolation(path, f"must be between {low} and {high}, is {value}")


def metadata_violations(metadata: bytes | None, path: str = "metadata", limit: int = MAX_METADATA_BYTES) -> Violations:
    """Yield a violation if metadata is too large; `path` and `limit` are those of a session's if not given."""
    if metadata is not None and len(metadata) > limit:
        yield FieldViolation(path, f"takes {len(metadata)} bytes, at most {limit} are allowed")


def _used(path: str, value: object, use: Use, mode: Mode) -> Violations:
    if value and use is NO:
        yield FieldViolation(path, f"is not used in mode {mode.name}")
    elif not value and use is MUST:
        yield FieldViolation(path, f"is required in mode {mode.name}")


def _numbers(spec: SessionSpec, mode: Mode) -> Violations:
    for field, limits in RANGES.items():
        value: int = getattr(spec, field)
        use = use_of(field, mode)
        yield from _used(field, value, use, mode)
        if value and use is not NO:
            yield from in_range(field, value, limits)


def _lists(spec: SessionSpec, mode: Mode) -> Violations:
    yield from _used("participants", spec.participants, use_of("participants", mode), mode)
    yield from _used("groups", spec.groups, use_of("groups", mode), mode)
    if len(spec.participants) > MAX_PARTICIPANTS:
        count = len(spec.participants)
        yield FieldViolation("participants", f"has {count} entries, at most {MAX_PARTICIPANTS} are allowed")


def _expiry(spec: SessionSpec, mode: Mode, is_controlled: bool) -> Violations:
    if spec.on_expire is None or (is_controlled and mode in BANK_MODES and spec.on_expire is OnExpire.ADVANCE):
        return
    if spec.on_expire not in ON_EXPIRE[mode]:
        allowed = ", ".join(action.name for action in ON_EXPIRE[mode])
        yield FieldViolation("on_expire", f"mode {mode.name} allows {allowed}, not {spec.on_expire.name}")
    elif mode is Mode.COUNT_UP and not spec.max_time_ms:
        yield FieldViolation("on_expire", "needs max_time_ms in mode COUNT_UP")


def _thresholds(spec: SessionSpec) -> Violations:
    thresholds = spec.warning_thresholds_ms
    if len(thresholds) > MAX_THRESHOLDS:
        yield FieldViolation(
            "warning_thresholds_ms", f"has {len(thresholds)} entries, at most {MAX_THRESHOLDS} are allowed"
        )
        return
    if thresholds and spec.mode is Mode.COUNT_UP and not spec.max_time_ms:
        yield FieldViolation("warning_thresholds_ms", "needs max_time_ms in mode COUNT_UP")
    for place, threshold in enumerate(thresholds):
        path = f"warning_thresholds_ms[{place}]"
        yield from in_range(path, threshold, (1, MAX_BUDGET_MS))
        if threshold in thresholds[:place]:
            yield FieldViolation(path, f"{threshold} is given twice")


def _participants(spec: SessionSpec, mode: Mode, is_controlled: bool) -> Violations:
    yield from _duplicates("participants", "participant_id", [p.participant_id for p in spec.participants])
    for place, participant in enumerate(spec.participants):
        yield from participant_violations(f"participants[{place}]", participant, mode, is_controlled)
    indexed = [p.participant_index for p in spec.participants if p.participant_index is not None]
    if indexed and len(indexed) < len(spec.participants):
        missing = next(place for place, p in enumerate(spec.participants) if p.participant_index is None)
        path = f"participants[{missing}].participant_index"
        yield FieldViolation(path, "is missing: either all participants have one or none")
    yield from _duplicates("participants", "participant_index", [p.participant_index for p in spec.participants])
    known = {p.participant_id for p in spec.participants}
    if spec.first_participant_id and spec.first_participant_id not in known:
        yield FieldViolation("first_participant_id", "is not one of the participants")


def _groups(spec: SessionSpec, mode: Mode, is_controlled: bool) -> Violations:
    if mode is not Mode.PER_GROUP:
        return
    yield from _duplicates("groups", "group_id", [group.group_id for group in spec.groups])
    members = {participant.group_id for participant in spec.participants}
    for place, group in enumerate(spec.groups):
        if not is_controlled:
            yield from in_range(f"groups[{place}].total_time_ms", group.total_time_ms, RANGES["total_time_ms"])
        if group.group_id not in members:
            yield FieldViolation(f"groups[{place}].group_id", "has no participant")
    known = {group.group_id for group in spec.groups}
    for place, participant in enumerate(spec.participants):
        if participant.group_id and participant.group_id not in known:
            yield FieldViolation(f"participants[{place}].group_id", "is not one of the groups")


def _durability(durability: Durability | None) -> Violations:
    if durability is None:
        return
    if durability.level is DurabilityLevel.REPLICAS:
        yield from in_range("durability_replicas", durability.replicas, (1, MAX_REPLICAS))
    elif durability.replicas:
        yield FieldViolation("durability_replicas", "is used with durability REPLICAS only")


def _duplicates(items: str, field: str, values: Iterable[object]) -> Violations:
    seen: set[object] = set()
    for place, value in enumerate(values):
        if value is not None and value in seen:
            yield FieldViolation(f"{items}[{place}].{field}", "is given twice")
        seen.add(value)
