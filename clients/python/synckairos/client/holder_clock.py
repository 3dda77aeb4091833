"""What one holder's clock shows after its session has run for some time: arithmetic on the contract's messages."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from synckairos.v1 import session_pb2
from synckairos.v1 import time_control_pb2 as pb

FREE: Final = pb.CLOCK_PHASE_KIND_FREE
DELAY: Final = pb.CLOCK_PHASE_KIND_DELAY
MAIN: Final = pb.CLOCK_PHASE_KIND_MAIN
PERIOD: Final = pb.CLOCK_PHASE_KIND_PERIOD
RESERVE: Final = pb.CLOCK_PHASE_KIND_RESERVE
PENALTY: Final = pb.CLOCK_PHASE_KIND_PENALTY
OVERTIME: Final = pb.CLOCK_PHASE_KIND_OVERTIME
FLAG: Final = pb.CLOCK_PHASE_KIND_FLAG

MOST_POINTS: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderClock:
    """What a participant's, a group's or (`holder_id` empty) the session's clock shows at one instant.

    `display_ms` changes by `rate` ms each ms until the phase changes. `remaining_ms` is what is left before the flag,
    of all parts together. The parts are those of ClockState; None where the clock has no such part.
    """

    holder_id: str
    is_running: bool
    phase: pb.ClockPhaseKind.ValueType
    display_ms: int
    rate: int
    overtime_ms: int
    remaining_ms: int | None = None
    bank_ms: int | None = None
    periods_left: int | None = None
    period_remaining_ms: int | None = None
    period_turns_left: int | None = None
    delay_remaining_ms: int | None = None
    penalty_points: int | None = None


class Passed(NamedTuple):
    """The time since the message: `ms` of the running clock, up to the instant `now`.

    `is_due`: something is due then. `overtime`: clocks run on beyond their flag (ON_EXPIRE_NOTIFY).
    """

    ms: int
    now: int
    is_due: bool
    overtime: bool


class Shown(NamedTuple):
    """What a clock does and shows, and by how many ms it changes each ms."""

    phase: pb.ClockPhaseKind.ValueType
    display_ms: int
    rate: int
    periods_left: int = 0


Row = session_pb2.Participant | session_pb2.Group


def stage_of(row: Row) -> pb.TimeStage:
    """Return the stage in which the clock of a holder with a time control is."""
    return row.time_control.stages[row.clock.stage]


def holder_id_of(row: Row) -> str:
    """Return the id of who holds a clock."""
    return row.group_id if isinstance(row, session_pb2.Group) else row.participant_id


def instant(timestamp: Timestamp) -> int:
    """Return a Timestamp in ms since 1970."""
    return timestamp.ToMilliseconds()


def plain(
    holder_id: str, remaining_ms: int | None, overtime_ms: int, passed: Passed, *, is_running: bool
) -> HolderClock:
    """Return a clock without a time control: a bank, a cycle, a countdown. Without `remaining_ms` it has no end."""
    ran = passed.ms if is_running else 0
    left = None if remaining_ms is None else max(0, remaining_ms - ran)
    over = overtime_ms + (0 if remaining_ms is None else max(0, ran - remaining_ms))
    if left == 0 and passed.overtime:
        shown = Shown(OVERTIME, over, int(is_running and not passed.is_due))
    elif left == 0 or (is_running and passed.is_due):
        shown = Shown(FLAG, left or 0, 0)
    else:
        shown = Shown(MAIN, left or 0, -int(is_running))
    return HolderClock(
        holder_id=holder_id,
        is_running=is_running,
        phase=shown.phase,
        display_ms=shown.display_ms,
        rate=shown.rate,
        overtime_ms=over,
        remaining_ms=left,
    )


def at_rest(row: Row, elapsed_ms: int, received_ms: int = 0) -> HolderClock:
    """Return a clock with a time control that stands, to which an hourglass gives some time."""
    state, phase = row.clock, row.clock.phase
    if received_ms and phase == OVERTIME:
        phase = MAIN
    clock = HolderClock(
        holder_id=holder_id_of(row),
        is_running=False,
        phase=phase,
        display_ms=0,
        rate=0,
        overtime_ms=row.overtime_ms,
        remaining_ms=_remaining(row, received_ms),
        bank_ms=state.bank_ms + received_ms,
        periods_left=state.periods_left if state.HasField("periods_left") else None,
        period_remaining_ms=state.period_remaining_ms if state.HasField("period_remaining_ms") else None,
        period_turns_left=state.period_turns_left if state.HasField("period_turns_left") else None,
        delay_remaining_ms=state.delay_remaining_ms if state.HasField("delay_remaining_ms") else None,
        penalty_points=state.penalty_points if state.HasField("penalty_points") else None,
    )
    return replace(clock, display_ms=_displayed(row, clock, elapsed_ms))


def _remaining(row: Row, more_ms: int) -> int | None:
    """Return what is left before the flag; a Group says 0 also where a penalty without a limit has none."""
    if row.clock.phase != OVERTIME and _has_no_flag(stage_of(row)):
        return None
    return row.time_remaining_ms + more_ms


def _has_no_flag(stage: pb.TimeStage) -> bool:
    return stage.HasField("penalty") and not stage.penalty.limit_ms


def _displayed(row: Row, clock: HolderClock, elapsed_ms: int) -> int:
    """Return what a standing clock shows: the part that runs next, or stopped last."""
    bank, period = clock.bank_ms or 0, clock.period_remaining_ms or 0
    if clock.phase == OVERTIME:
        return clock.overtime_ms
    if clock.phase == FREE:
        left = turn_limit_of(row) - elapsed_ms if row.is_active else 0
        return left if left > 0 else bank
    if clock.phase != FLAG:
        return period if clock.phase == PERIOD else bank
    if is_free_turn(row):
        return 0
    return period if period and (bank == 0 or stage_of(row).HasField("per_turn")) else bank


def is_free_turn(row: Row) -> bool:
    """Whether the holder's turn charges nothing."""
    return row.clock.turns_made < row.time_control.free_turns


def turn_limit_of(row: Row) -> int:
    """Return how long the holder's turn may last, in ms; 0 without a limit."""
    control = row.time_control
    limits = (control.turn_limit_ms, control.free_turn_limit_ms if is_free_turn(row) else 0)
    return min((limit for limit in limits if limit), default=0)


def running(row: Row, phases: Sequence[pb.ClockPhase], passed: Passed) -> HolderClock:
    """Return the running clock with a time control, as its phases and the parts at the message's instant tell."""
    start = replace(at_rest(row, 0), is_running=True)
    shown = _shown(row, phases, passed)
    flag = phases[-1] if passed.is_due and phases[-1].kind == FLAG else None
    if flag is not None:
        stopped = Shown(FLAG, flag.display_ms, 0, flag.periods_left)
    else:
        stopped = Shown(FLAG, shown.display_ms, 0, shown.periods_left) if passed.is_due else shown
    clock = replace(start, phase=stopped.phase, display_ms=stopped.display_ms, rate=stopped.rate)
    if shown.phase == FREE:
        return clock
    if shown.phase == OVERTIME:
        return _in_overtime(row, clock, shown.display_ms)
    return _spent(row, clock, shown, stopped, passed.ms)


def _spent(row: Row, clock: HolderClock, shown: Shown, stopped: Shown, ran_ms: int) -> HolderClock:
    """Return a clock that has spent so much of its parts."""
    bank = shown.display_ms
    if shown.phase == PERIOD:
        bank = row.clock.bank_ms if stage_of(row).HasField("per_turn") else 0
    left, delay = clock.remaining_ms, clock.delay_remaining_ms
    return replace(
        clock,
        remaining_ms=None if left is None else max(0, left - ran_ms),
        bank_ms=bank,
        periods_left=None if clock.periods_left is None else stopped.periods_left,
        period_remaining_ms=_period_remaining(clock, shown, stopped),
        delay_remaining_ms=None if delay is None else max(0, delay - ran_ms),
        penalty_points=None if clock.penalty_points is None else _points(stage_of(row).penalty, bank),
    )


def _period_remaining(clock: HolderClock, shown: Shown, stopped: Shown) -> int | None:
    if shown.phase == RESERVE:
        return 0
    if shown.phase != PERIOD:
        return clock.period_remaining_ms
    # At the end of a turn a period of byo-yomi may just have begun.
    return shown.display_ms if clock.periods_left is None else stopped.display_ms


def _points(penalty: pb.Penalty, bank_ms: int) -> int:
    return min(penalty.points * -(min(0, bank_ms) // penalty.unit_ms), MOST_POINTS)


def _in_overtime(row: Row, clock: HolderClock, overtime_ms: int) -> HolderClock:
    """Return a clock beyond its flag: it has no parts any more; a penalty stays at its limit."""
    bank, points = row.clock.bank_ms, clock.penalty_points
    if row.clock.phase != OVERTIME:
        stage = stage_of(row)
        bank = -stage.penalty.limit_ms
        points = _points(stage.penalty, bank) if stage.HasField("penalty") else None
    return replace(
        clock,
        overtime_ms=overtime_ms,
        remaining_ms=0,
        bank_ms=bank,
        periods_left=None,
        period_remaining_ms=None,
        period_turns_left=None,
        delay_remaining_ms=None,
        penalty_points=points,
    )


def _shown(row: Row, phases: Sequence[pb.ClockPhase], passed: Passed) -> Shown:
    """Return what the clock shows by the phase it is in, before a flag stops it."""
    begun = [phase for phase in phases if phase.kind != FLAG]
    place = bisect_right(begun, passed.now, key=lambda phase: instant(phase.starts_at)) - 1
    if place < 0:
        return Shown(row.clock.phase, 0, 0)
    phase = begun[place]
    since = passed.now - instant(phase.starts_at)
    if place == len(begun) - 1 and phase.kind == PERIOD and phase.periods_left and since >= phase.display_ms:
        return _later_period(row, phase, since - phase.display_ms, passed)
    return Shown(phase.kind, phase.display_ms + phase.rate * since, phase.rate, phase.periods_left)


def _later_period(row: Row, last: pb.ClockPhase, over_ms: int, passed: Passed) -> Shown:
    """Return what byo-yomi shows `over_ms` after the last phase of which the message tells."""
    length = stage_of(row).byo_yomi.period_ms
    periods = last.periods_left - 1 - over_ms // length
    if periods > 0:
        return Shown(PERIOD, length - over_ms % length, -1, periods)
    if passed.overtime:
        return Shown(OVERTIME, row.overtime_ms + over_ms - (last.periods_left - 1) * length, 1)
    return Shown(PERIOD, 0, -1)
