"""The arithmetic of one clock: its plain bank and increment here, everything else by its family (`controls`).

`spent` is the time run since the clock was last charged, in ms. A turn that spends its whole budget is flagged:
a clock with exactly 0 ms left has expired, and a flagged turn earns no increment.
"""

from synckairos.domain.controls import controlled_clock
from synckairos.domain.controls.time_control import Settled
from synckairos.domain.families.fischer import incremented
from synckairos.domain.model import Clock, Rules


def budget(clock: Clock) -> int | None:
    """Return the time the clock can still spend before it flags, in ms; None if nothing flags it."""
    return clock.bank_ms if clock.progress is None else controlled_clock.budget(clock, clock.progress)


def remaining(clock: Clock, spent: int) -> int | None:
    """Return the time left after `spent` ms, at least 0; None if the clock has no budget."""
    if clock.progress is not None:
        return controlled_clock.remaining(clock, clock.progress, spent)
    return None if clock.bank_ms is None else max(0, clock.bank_ms - spent)


def balance(clock: Clock) -> int | None:
    """Return what the lines of the clock's account sum to, in ms; None for a clock without a budget.

    That is the time left of all parts, as of the last charge, or the bank where nothing flags the clock.
    """
    return clock.bank_ms if clock.progress is None else controlled_clock.balance(clock, clock.progress)


def charge(clock: Clock, spent: int) -> Clock:
    """Count `spent` ms of a turn that is not completed; what exceeds the budget is overtime."""
    if spent == 0:
        return clock
    if clock.progress is not None:
        return controlled_clock.charge(clock, clock.progress, spent)
    return _charged(clock, spent, 0, 0)


def _charged(clock: Clock, spent: int, increment_ms: int, cap_ms: int) -> Clock:
    """Charge a clock without a time control, and grant an increment unless that flags it, in one copy."""
    allotted, bank, used, overtime, is_expired, in_overtime, _ = clock
    if bank is None:
        return Clock(allotted, None, used + spent, overtime, is_expired, in_overtime)
    taken = min(spent, bank)
    left = bank - taken
    if increment_ms and spent < bank:
        left = incremented(left, increment_ms, cap_ms)
    return Clock(allotted, left, used + taken, overtime + spent - taken, is_expired, in_overtime)


def complete_turn(
    clock: Clock, spent: int, rules: Rules, *, lag_ms: int = 0, grants: bool = True
) -> tuple[Clock, Settled | None]:
    """Close a completed turn of `spent` ms, and say what it did to a clock with a time control.

    The old fields of a session are the short form of one Fischer stage.
    """
    if clock.progress is not None:
        return controlled_clock.settle(clock, clock.progress, spent, lag_ms=lag_ms, grants=grants)
    return _charged(clock, spent, rules.increment_ms, rules.max_time_ms or 0), None


def expire(clock: Clock) -> Clock:
    """Mark a clock as out of the game."""
    return clock._replace(is_expired=True, in_overtime=False)


def start_overtime(clock: Clock) -> Clock:
    """Mark a clock at zero as running on in overtime; one with a time control has been charged."""
    if clock.progress is not None:
        return controlled_clock.start_overtime(clock, clock.progress)
    return clock._replace(in_overtime=True)


def adjustable(clock: Clock, spent: int) -> tuple[int, int]:
    """Return what an adjustment changes: the time left, and the least that may be left, in ms.

    A clock with a time control must be charged first (`spent` is then 0).
    """
    if clock.progress is not None:
        return controlled_clock.adjustable(clock, clock.progress)
    return remaining(clock, spent) or 0, 0


def adjust(clock: Clock, spent: int, target: int) -> Clock:
    """Change a timed clock so that `target` ms are left after the `spent` ms not yet charged.

    A clock in overtime, or with a time control, must be charged first (`spent` is then 0), so that what it has spent
    stays on record.
    """
    if clock.progress is not None:
        return controlled_clock.adjust(clock, clock.progress, target)
    return clock._replace(bank_ms=target + spent, in_overtime=clock.in_overtime and target == 0)
