"""Clocks as people read them: 9:53.2, or what is left of their parts."""

from synckairos.domain.controls import controlled_clock
from synckairos.domain.families.words import counted
from synckairos.domain.model import Clock


def split(ms: int) -> tuple[str, int, int, int, int]:
    """Return the sign of a time, and its hours, minutes, seconds and ms."""
    seconds, rest = divmod(abs(ms), 1_000)
    minutes, seconds = divmod(seconds, 60)
    return "-" if ms < 0 else "", *divmod(minutes, 60), seconds, rest


def face(ms: int) -> str:
    """Return a time as [-][h:]mm:ss[.mmm]."""
    sign, hours, minutes, seconds, rest = split(ms)
    shown = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return sign + shown + (f".{rest:03}".rstrip("0") if rest else "")


def faces(clock: Clock) -> str:
    """Return what is left of the parts of a clock with a time control, charged up to the instant."""
    if clock.progress is None or clock.is_expired:
        return "flag"
    parts = controlled_clock.standing(clock, clock.progress, 0)
    shown = [face(parts.bank_ms)] if parts.bank_ms or parts.period_remaining_ms is None else []
    if parts.periods_left is not None and parts.period_remaining_ms is not None:
        shown.append(f"{parts.periods_left} x {face(parts.period_remaining_ms)}")
    elif parts.period_turns_left is not None and parts.period_remaining_ms is not None:
        shown.append(f"{counted(parts.period_turns_left, 'turn')} in {face(parts.period_remaining_ms)}")
    elif parts.period_remaining_ms is not None:
        shown.append(f"{face(parts.period_remaining_ms)} a turn")
    if parts.penalty_points:
        shown.append(counted(parts.penalty_points, "point"))
    return " + ".join(shown)
