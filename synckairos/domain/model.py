"""The stored facts of a session. Whatever follows from the facts and an instant is in `timing`.

The values are NamedTuples: immutable, and several times cheaper to build than frozen dataclasses, which matters
for a session of 1 000 participants. Durations are milliseconds, instants milliseconds since 1970.
"""

from enum import IntEnum
from typing import Final, NamedTuple, TypeVar

from synckairos.domain.controls.time_control import Progress, TimeControl

SECOND_MS: Final = 1_000
HOUR_MS: Final = 3_600 * SECOND_MS
DAY_MS: Final = 24 * HOUR_MS
MAX_BUDGET_MS: Final = 28 * DAY_MS
MIN_IDLE_MS: Final = 60 * SECOND_MS
MAX_IDLE_MS: Final = 366 * DAY_MS


class Mode(IntEnum):
    """Whose clock runs; the numbers are the contract's."""

    PER_PARTICIPANT = 1
    PER_CYCLE = 2
    PER_GROUP = 3
    GLOBAL = 4
    COUNT_UP = 5


class Status(IntEnum):
    """The stage of a session's life; the numbers are the contract's."""

    PENDING = 1
    RUNNING = 2
    PAUSED = 3
    EXPIRED = 4
    COMPLETED = 5
    CANCELLED = 6


class OnExpire(IntEnum):
    """What happens when the running budget reaches zero; the numbers are the contract's."""

    END_SESSION = 1
    ELIMINATE = 2
    ADVANCE = 3
    NOTIFY = 4


TERMINAL: Final = frozenset({Status.EXPIRED, Status.COMPLETED, Status.CANCELLED})
BANK_MODES: Final = frozenset({Mode.PER_PARTICIPANT, Mode.PER_GROUP})
"""Modes in which participants or groups hold the clock; in the others the session does."""
CONTINUOUS_MODES: Final = frozenset({Mode.GLOBAL, Mode.COUNT_UP})
"""Modes whose clock a switch does not touch: elapsed time counts for the session, not for the cycle."""


class Clock(NamedTuple):
    """A budget, and how much of it was used up to the last charge.

    `bank_ms is None` marks an untimed clock: it has no budget and only counts the time used. A clock with a time
    control has `progress`, and `allotted_ms` is the base time of its first stage.
    """

    allotted_ms: int | None
    bank_ms: int | None
    used_ms: int = 0
    overtime_ms: int = 0
    is_expired: bool = False
    in_overtime: bool = False
    progress: Progress | None = None


UNTIMED: Final = Clock(allotted_ms=None, bank_ms=None)


def full(budget_ms: int | None) -> Clock:
    """Return an unused clock with this budget in ms; None for an untimed one."""
    return UNTIMED if budget_ms is None else Clock(budget_ms, budget_ms)


class Participant(NamedTuple):
    """A participant takes turns; `clock` is timed only where participants hold the banks."""

    participant_id: str
    participant_index: int
    group_id: str | None = None
    clock: Clock = UNTIMED
    cycle_count: int = 0
    metadata: bytes | None = None


class Group(NamedTuple):
    """Participants that share a bank; `last_index` is the index of the member that had the latest turn, -1 for none."""

    group_id: str
    clock: Clock
    last_index: int = -1


MemberT = TypeVar("MemberT", bound=Participant | Group)


class SoftClosePolicy(IntEnum):
    """How a late bid moves the end; the numbers are the contract's."""

    RESET = 1
    ADD = 2


class SoftClose(NamedTuple):
    """A switch in the last `window_ms` moves the end, in ms of running time; `hard_limit_ms` 0: as far as bids go."""

    window_ms: int
    extend_ms: int
    policy: SoftClosePolicy
    hard_limit_ms: int = 0


class DurabilityLevel(IntEnum):
    """What a change is safe from once it is answered; the numbers are the contract's."""

    MEMORY = 1
    FSYNC = 2
    REPLICAS = 3


class Durability(NamedTuple):
    """A level, and with REPLICAS how many of them."""

    level: DurabilityLevel
    replicas: int = 0


IN_MEMORY: Final = Durability(DurabilityLevel.MEMORY)
MAX_REPLICAS: Final = 16


class Rules(NamedTuple):
    """The agreement made when the session was created; it never changes."""

    mode: Mode
    on_expire: OnExpire | None
    total_time_ms: int | None = None
    time_per_cycle_ms: int | None = None
    increment_ms: int = 0
    max_time_ms: int | None = None
    max_cycles: int | None = None
    warning_thresholds_ms: tuple[int, ...] = ()
    session_limit_ms: int | None = None
    close_at: int | None = None
    soft_close: SoftClose | None = None
    time_control: TimeControl | None = None
    """For every holder without one of its own, also for those who join."""
    durability: Durability | None = None
    """The least that its changes must reach; None: as the server is set."""


class Head(NamedTuple):
    """The identity of one version of a session."""

    epoch: int
    version: int
    change_id: str


class Session(NamedTuple):
    """A session as stored.

    `participants` are in rotation order and `active` is a position in them. `carried_ms` is the part of the cycle
    (GLOBAL, COUNT_UP: of the session) that ran before `resumed_at`; `charged_ms` is the part of it that the clocks
    have been charged for already. `epoch` is in microseconds since 1970. `idle_ttl_ms` 0 stands for the lifetime that
    the settings give. `called_at` is the latest call, None for the instant of this version; `ended_at` is when the end
    was stored, None for the instant it was due. `ran_ms` is the running time before this cycle, kept where the session
    has a limit of it; `limit_passed` says that this turn has passed its own. `manual_at` is the time of a session that
    has its own clock, `real_at` then the real instant of its last version.
    """

    session_id: str
    epoch: int
    version: int
    change_id: str
    rules: Rules
    status: Status
    created_at: int
    updated_at: int
    participants: tuple[Participant, ...] = ()
    groups: tuple[Group, ...] = ()
    clock: Clock = UNTIMED
    active: int | None = None
    first_participant_id: str | None = None
    expired_participant_id: str | None = None
    expired_group_id: str | None = None
    winner_participant_id: str | None = None
    winner_group_id: str | None = None
    cycle_number: int = 0
    carried_ms: int = 0
    charged_ms: int = 0
    started_at: int | None = None
    cycle_started_at: int | None = None
    resumed_at: int | None = None
    paused_at: int | None = None
    completed_at: int | None = None
    metadata: bytes | None = None
    labels: tuple[tuple[str, str], ...] = ()
    recovered: bool = False
    deleted: bool = False
    idle_ttl_ms: int = 0
    called_at: int | None = None
    ended_at: int | None = None
    ran_ms: int = 0
    limit_passed: bool = False
    manual_at: int | None = None
    real_at: int | None = None

    @property
    def head(self) -> Head:
        """The identity of this version."""
        return Head(self.epoch, self.version, self.change_id)

    @property
    def active_participant(self) -> Participant | None:
        """The participant whose turn it is."""
        return None if self.active is None else self.participants[self.active]

    @property
    def is_terminal(self) -> bool:
        """Whether the session has ended."""
        return self.status in TERMINAL


def position_of(session: Session, participant_id: str) -> int | None:
    """Return the participant's position in the rotation, None if there is no such participant."""
    for position, participant in enumerate(session.participants):
        if participant.participant_id == participant_id:
            return position
    return None


def group_position(session: Session, group_id: str | None) -> int | None:
    """Return the group's position in the rotation, None if there is no such group."""
    for position, group in enumerate(session.groups):
        if group.group_id == group_id:
            return position
    return None


def replaced(members: tuple[MemberT, ...], position: int, member: MemberT) -> tuple[MemberT, ...]:
    """Return participants, or groups, with another one at this position."""
    return (*members[:position], member, *members[position + 1 :])


def with_participant(session: Session, position: int, participant: Participant) -> Session:
    """Return the session with another participant at this position."""
    return session._replace(participants=replaced(session.participants, position, participant))


def with_group(session: Session, position: int, group: Group) -> Session:
    """Return the session with another group at this position."""
    return session._replace(groups=replaced(session.groups, position, group))
