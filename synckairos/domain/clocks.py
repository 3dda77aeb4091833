"""The arithmetic of one clock; nothing else knows how a clock family computes.

`spent` is the time run since the clock was last charged, in ms. A turn that spends its whole budget is flagged:
a clock with exactly 0 ms left has expired, and a flagged turn earns no increment.
"""

from synckairos.domain.model import MAX_BUDGET_MS, Clock, Rules


def budget(clock: Clock) -> int | None:
    """Return the time the clock can still spend, in ms; None if it has no budget."""
    return clock.bank_ms


def remaining(clock: Clock, spent: int) -> int | None:
    """Return the time left after `spent` ms, at least 0; None if the clock has no budget."""
    return None if clock.bank_ms is None else max(0, clock.bank_ms - spent)


def charge(clock: Clock, spent: int) -> Clock:
    """Take `spent` ms out of the bank; the excess is overtime."""
    if spent == 0:
        return clock
    if clock.bank_ms is None:
        return clock._replace(used_ms=clock.used_ms + spent)
    taken = min(spent, clock.bank_ms)
    return clock._replace(
        bank_ms=clock.bank_ms - taken,
        used_ms=clock.used_ms + taken,
        overtime_ms=clock.overtime_ms + spent - taken,
    )


def complete_turn(clock: Clock, spent: int, rules: Rules) -> Clock:
    """Close a completed turn of `spent` ms: charge it, then grant the increment unless the clock was flagged.

    With a cap: bank = r + min(increment, max(0, cap - r)), which never removes time (Fischer with a cap).
    """
    flagged = clock.bank_ms is not None and spent >= clock.bank_ms
    charged = charge(clock, spent)
    if flagged or charged.bank_ms is None or not rules.increment_ms:
        return charged
    grant = rules.increment_ms
    if rules.max_time_ms is not None:
        grant = min(grant, max(0, rules.max_time_ms - charged.bank_ms))
    return charged._replace(bank_ms=charged.bank_ms + grant)


def expire(clock: Clock) -> Clock:
    """Mark a clock at zero as out of the game."""
    return clock._replace(is_expired=True, in_overtime=False)


def start_overtime(clock: Clock) -> Clock:
    """Mark a clock at zero as running on in overtime."""
    return clock._replace(in_overtime=True)


def adjust(clock: Clock, spent: int, target: int) -> Clock:
    """Change a timed clock so that `target` ms are left after the `spent` ms not yet charged.

    A clock in overtime must be charged first (`spent` is then 0), so that its overtime stays on record.
    """
    return clock._replace(bank_ms=target + spent, in_overtime=clock.in_overtime and target == 0)


def adjusted_remaining(
    before: int, *, delta_ms: int | None, set_ms: int | None, at_least_ms: int | None, is_running: bool
) -> int:
    """Return the time left, in ms, after adjusting `before` by an amount, to a value, or up to a value.

    A clock that is not running keeps at least 1 ms if it has any. No adjustment lifts a clock above 28 days, and an
    addition never cuts a clock that grants have lifted above that.
    """
    if delta_ms is not None:
        wanted = before + delta_ms
    else:
        wanted = max(before, at_least_ms) if at_least_ms is not None else (set_ms or 0)
    least = 0 if is_running else min(1, before)
    most = MAX_BUDGET_MS if set_ms is not None else max(MAX_BUDGET_MS, before)
    return min(max(wanted, least), most)
