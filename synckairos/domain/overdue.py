"""How much of what a session does by itself is due and not done yet."""

from synckairos.domain import timing
from synckairos.domain.families.family import Parts
from synckairos.domain.model import BANK_MODES, OnExpire, Session
from synckairos.domain.timing import BoundaryKind, Lifetimes


def boundaries_behind(session: Session, now: int, lifetimes: Lifetimes) -> int:
    """Return how many boundaries, at most, are due at `now`; exact for ADVANCE chains."""
    boundary = timing.next_boundary(session, lifetimes)
    if boundary is None or boundary.at > now or boundary.kind is BoundaryKind.REMOVAL:
        return 0
    if boundary.kind in {BoundaryKind.IDLE, BoundaryKind.SESSION_LIMIT}:
        return 1
    match session.rules.on_expire:
        case OnExpire.ADVANCE:
            return _advances_behind(session, boundary.at, now, lifetimes)
        case OnExpire.ELIMINATE:
            return sum(not holder.clock.is_expired for holder in (session.groups or session.participants))
        case OnExpire.NOTIFY:
            # Beyond the turn's limit, the start of the overtime, and then an end or the idle time.
            return 2 + (session.rules.mode in BANK_MODES)
        case _:
            return 1


def _advances_behind(session: Session, first: int, now: int, lifetimes: Lifetimes) -> int:
    """Count a chain's boundaries from `first` to `now`, or to its end by its last cycle or its idle time."""
    rules, period = session.rules, session.rules.time_per_cycle_ms or _shortest_turn(session)
    if period is None:
        return 1
    if rules.max_cycles is not None:
        return min(1 + (now - first) // period, rules.max_cycles - session.cycle_number + 1)
    ends_at = timing.session_end_at(session)
    idle_at = timing.idle_at(session, lifetimes) if ends_at is None else ends_at
    return 1 + (min(now, idle_at - 1) - first) // period + (now >= idle_at)


def _shortest_turn(session: Session) -> int | None:
    """Return the shortest turn, in ms, that a chain of turns with time controls can have; None without a control."""
    shortest: int | None = None
    for holder in session.groups or session.participants:
        if holder.clock.progress is not None:
            control = holder.clock.progress.control
            times = (control.stages[0].family.budget(Parts(0)), control.turn_limit_ms, control.free_turn_limit_ms)
            shortest = min([time for time in (*times, shortest) if time])
    return shortest
