"""The arithmetic of a clock with a time control: stages, free turns and lag around the families.

`spent` is the time run since the clock was last charged, in ms. Until a turn is completed its parts stand as at its
beginning, and `open_ms` says what has been charged: a delay or a period in the middle needs no state of its own.
"""

from synckairos.domain.controls.time_control import Progress, Settled, Stage, TimeControl
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.family import GainKind, Parts, Standing
from synckairos.domain.families.fischer import Fischer
from synckairos.domain.model import Clock, Session


def begin(control: TimeControl) -> Clock:
    """Return an unused clock with this control."""
    first = control.stages[0]
    lag = control.lag_compensation
    progress = Progress(control, lag_quota_ms=lag.start_ms if lag else 0)
    parts = granted_before(first, first.family.begin(first.base_ms))
    return _with_parts(Clock(first.base_ms, first.base_ms, progress=progress), progress, parts)


def stage_of(progress: Progress) -> Stage:
    """Return the stage that the holder's turn belongs to."""
    return progress.control.stages[progress.stage]


def stages_of(session: Session) -> int:
    """Return how many stages the controls of all holders have together: what makes a session's messages large."""
    held = [one.clock.progress for one in session.participants]
    held += [one.clock.progress for one in session.groups]
    return sum([len(progress.control.stages) for progress in held if progress is not None])


def parts_of(clock: Clock, progress: Progress) -> Parts:
    """Return the parts at the beginning of the turn."""
    return Parts(clock.bank_ms or 0, progress.periods, progress.extra_ms, progress.block_ms, progress.block_turns)


def is_free(progress: Progress) -> bool:
    """Whether the turn charges nothing."""
    return progress.turns_made < progress.control.free_turns


def remaining(clock: Clock, progress: Progress, spent: int) -> int | None:
    """Return the time left before the flag, of all parts together; None if there is no flag."""
    if clock.in_overtime:
        return 0
    control = progress.control
    budget = control.stages[progress.stage].family.budget(parts_of(clock, progress))
    if budget is None or progress.turns_made < control.free_turns:
        return budget
    left = budget - progress.open_ms - spent
    return max(0, left)


def budget(clock: Clock, progress: Progress) -> int | None:
    """Return what can still be spent before the flag; None if this turn has none."""
    return None if is_free(progress) else remaining(clock, progress, 0)


def charge(clock: Clock, progress: Progress, spent: int) -> Clock:
    """Count `spent` ms of a turn that is not completed."""
    used, overtime = _uses(clock, progress, spent, stage_of(progress).family.budget(parts_of(clock, progress)))
    later = progress._replace(open_ms=progress.open_ms + spent)
    return clock._replace(used_ms=used, overtime_ms=overtime, progress=later)


def _uses(clock: Clock, progress: Progress, spent: int, budget: int | None) -> tuple[int, int]:
    """Return the time used and the overtime after `spent` more ms of a turn with this budget."""
    if clock.in_overtime:
        return clock.used_ms, clock.overtime_ms + spent
    if is_free(progress):
        return clock.used_ms, clock.overtime_ms
    taken = spent if budget is None else min(spent, max(0, budget - progress.open_ms))
    return clock.used_ms + taken, clock.overtime_ms + spent - taken


def settle(
    clock: Clock, progress: Progress, spent: int, *, lag_ms: int = 0, grants: bool = True
) -> tuple[Clock, Settled]:
    """Close a completed turn: settle it with the stage it was made in, count it, then begin the next stage if due."""
    stage, parts, total = stage_of(progress), parts_of(clock, progress), progress.open_ms + spent
    in_overtime, is_charged = clock.in_overtime, not (clock.in_overtime or is_free(progress))
    budget = stage.family.budget(parts)
    credit = _credit(progress, total, lag_ms) if grants and is_charged else 0
    after = stage.family.settle(parts, total - credit, grants=grants) if is_charged else parts
    burnt = progress.burnt + parts.periods - after.periods
    place, turns = progress.stage, progress.stage_turns
    if not in_overtime:
        place, turns, after = _promoted(progress, turns + 1, after)
        if grants and not is_free(progress):
            after = granted_before(progress.control.stages[place], after)
    used, overtime = _uses(clock, progress, spent, budget)
    closed = Clock(
        clock.allotted_ms,
        after.bank_ms,
        used,
        overtime,
        clock.is_expired,
        in_overtime and not stage.family.has_time_again,
        Progress(
            progress.control,
            place,
            turns,
            progress.turns_made + 1,
            after.periods,
            after.extra_ms,
            after.block_ms,
            after.block_turns,
            _quota(progress, credit) if is_charged else progress.lag_quota_ms,
        ),
    )
    charged = total - credit if is_charged else 0
    now_worth = _worth(closed, after, progress.control.stages[place].family.budget(after))
    gained = now_worth - _worth(clock, parts, budget) + charged
    return closed, Settled(total, gained, credit, burnt, progress.stage)


def _credit(progress: Progress, total: int, lag_ms: int) -> int:
    """Return the lag that is given back: min(lag, spent, quota, limit a turn)."""
    lag = progress.control.lag_compensation
    if lag is None:
        return 0
    return min(lag_ms, total, progress.lag_quota_ms, lag.max_per_turn_ms or lag_ms)


def _quota(progress: Progress, credit: int) -> int:
    """Return the quota of lag after a turn that was charged."""
    lag = progress.control.lag_compensation
    return progress.lag_quota_ms if lag is None else min(progress.lag_quota_ms - credit + lag.gain_ms, lag.max_ms)


def _promoted(progress: Progress, turns: int, parts: Parts) -> tuple[int, int, Parts]:
    """Return stage, turns in it, and parts after so many turns of a stage; its last begins the next one.

    The last stage repeats. Only the bank is taken along.
    """
    stages = progress.control.stages
    due = stages[progress.stage].turns
    if not due or turns < due:
        return progress.stage, turns, parts
    place = min(progress.stage + 1, len(stages) - 1)
    following = stages[place]
    return place, 0, following.family.begin(parts.bank_ms + following.base_ms)


def gained_by_promotion(clock: Clock, progress: Progress, total: int, *, grants: bool) -> int:
    """Return by how much the balance changes because the next stage begins after a completed turn of `total` ms."""
    if clock.in_overtime:
        return 0
    stage, parts = stage_of(progress), parts_of(clock, progress)
    settled = parts if is_free(progress) else stage.family.settle(parts, total, grants=grants)
    place, turns, begun = _promoted(progress, progress.stage_turns + 1, settled)
    if turns:
        return 0
    begun_worth = _worth(clock, begun, progress.control.stages[place].family.budget(begun))
    return begun_worth - _worth(clock, settled, stage.family.budget(settled))


def granted_before(stage: Stage, parts: Parts) -> Parts:
    """Grant the increment of a turn to come, where it is granted before the turn."""
    family = stage.family
    return family.granted(parts) if isinstance(family, Fischer) and family.before_turn else parts


def gain_kind(clock: Clock, progress: Progress, total: int) -> GainKind:
    """Return why a completed turn of `total` ms gained time."""
    return stage_of(progress).family.gain(parts_of(clock, progress), total)


def _worth(clock: Clock, parts: Parts, budget: int | None) -> int:
    """Return the balance of a clock at the beginning of a turn: the budget, or the bank where there is no flag.

    A bank that penalties have left below 0 may begin a stage that flags at once.
    """
    if clock.in_overtime:
        return 0
    return parts.bank_ms if budget is None else max(0, budget)


def balance(clock: Clock, progress: Progress) -> int:
    """Return what a ledger of the clock sums to: the time left, or the bank where there is no flag."""
    left = remaining(clock, progress, 0)
    if left is not None:
        return left
    return (clock.bank_ms or 0) - (0 if is_free(progress) else progress.open_ms)


def burnt_periods(clock: Clock, progress: Progress) -> int:
    """Return how many periods the turn has burnt so far."""
    left = standing(clock, progress, 0).periods_left
    return progress.burnt + (0 if left is None else progress.periods - left)


def start_overtime(clock: Clock, progress: Progress) -> Clock:
    """Mark a clock that ran out, charged to its end, as running on in overtime."""
    after = stage_of(progress).family.flagged(parts_of(clock, progress))
    burnt = progress.burnt + progress.periods
    return _with_parts(clock, progress._replace(burnt=burnt), after)._replace(in_overtime=True)


def standing(clock: Clock, progress: Progress, spent: int) -> Standing:
    """Return how the parts stand after `spent` more ms of the turn."""
    total = 0 if clock.in_overtime or is_free(progress) else progress.open_ms + spent
    stands = stage_of(progress).family.charge(parts_of(clock, progress), total)
    return Standing(stands.bank_ms, penalty_points=stands.penalty_points) if clock.in_overtime else stands


def adjustable(clock: Clock, progress: Progress) -> tuple[int, int]:
    """Return what the part that an adjustment changes has left, in ms, and the least it may have."""
    family, parts = stage_of(progress).family, parts_of(clock, progress)
    if clock.in_overtime:
        return parts.bank_ms, parts.bank_ms
    total = 0 if is_free(progress) else progress.open_ms
    return family.left(parts, total), family.least(parts, total)


def adjust(clock: Clock, progress: Progress, target: int) -> Clock:
    """Change a clock, charged so far, so that the part that an adjustment changes has `target` ms left.

    A clock in overtime gets its family back, without periods, and without what the turn has used of a delay.
    """
    family = stage_of(progress).family
    if clock.in_overtime:
        if target == clock.bank_ms:
            return clock
        used = progress._replace(open_ms=min(progress.open_ms, family.before_bank_ms))
        back = family.begin(target)._replace(periods=0)
        return _with_parts(clock, used, back)._replace(in_overtime=False)
    settled = _with_burnt_periods_gone(clock, progress)
    total = 0 if is_free(progress) else settled.open_ms
    parts = parts_of(clock, settled) if settled is progress else parts_of(clock._replace(bank_ms=0), settled)
    return _with_parts(clock, settled, family.adjust(parts, total, target))


def set_periods(clock: Clock, progress: Progress, periods: int) -> Clock:
    """Give a byo-yomi clock so many periods, with the one that runs."""
    if clock.in_overtime:
        progress = progress._replace(open_ms=0)
    settled = _with_burnt_periods_gone(clock, progress)
    bank_ms = clock.bank_ms if settled is progress else 0
    return clock._replace(bank_ms=bank_ms, progress=settled._replace(periods=periods), in_overtime=False)


def _with_burnt_periods_gone(clock: Clock, progress: Progress) -> Progress:
    """Make the periods that the turn has burnt final, so that the one that runs is the first."""
    family, total = stage_of(progress).family, progress.open_ms
    if not isinstance(family, ByoYomi) or clock.in_overtime or is_free(progress) or total < (clock.bank_ms or 0):
        return progress
    parts = parts_of(clock, progress)
    if not total or not parts.periods:
        return progress
    burnt = family.burnt(parts, total)
    return progress._replace(
        periods=parts.periods - burnt,
        extra_ms=family.left(parts, total) - family.period_ms,
        open_ms=0,
        burnt=progress.burnt + burnt,
    )


def _with_parts(clock: Clock, progress: Progress, parts: Parts) -> Clock:
    return clock._replace(
        bank_ms=parts.bank_ms,
        progress=progress._replace(
            periods=parts.periods,
            extra_ms=parts.extra_ms,
            block_ms=parts.block_ms,
            block_turns=parts.block_turns,
        ),
    )
