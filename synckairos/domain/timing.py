"""Everything derived from a session and an instant: elapsed time, deadlines, boundaries, warnings, the view.

Each function is pure in the stored facts and `now`: when and how often it is called makes no difference.
"""

from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, NamedTuple

from synckairos.domain import clocks
from synckairos.domain.controls import transfers
from synckairos.domain.controls.time_control import Progress
from synckairos.domain.model import (
    BANK_MODES,
    DAY_MS,
    UNTIMED,
    Clock,
    Mode,
    OnExpire,
    Participant,
    Session,
    Status,
    group_position,
    replaced,
    with_group,
    with_participant,
)


class Lifetimes(NamedTuple):
    """How long a session lives without a call, while no clock ends it, and how long it stays readable, in ms."""

    idle_ms: int = 7 * DAY_MS
    running_idle_ms: int = 28 * DAY_MS
    terminal_ms: int = 3_600_000


class BoundaryKind(Enum):
    """The change that happens at a boundary."""

    EXPIRY = auto()
    TURN_LIMIT = auto()
    SESSION_LIMIT = auto()
    IDLE = auto()
    REMOVAL = auto()


class Boundary(NamedTuple):
    """The next instant at which a session changes by itself."""

    at: int
    kind: BoundaryKind


def elapsed(session: Session, now: int) -> int:
    """Return the time run in the current cycle (GLOBAL, COUNT_UP: in the whole session), in ms.

    e(now) = carried + (RUNNING ? max(0, now - resumed_at) : 0)
    """
    if session.resumed_at is None:
        return session.carried_ms
    ran = now - session.resumed_at
    return session.carried_ms + ran if ran > 0 else session.carried_ms


def uncharged(session: Session, now: int) -> int:
    """Return the time run that has not been charged to the clocks yet, in ms."""
    return elapsed(session, now) - session.charged_ms


def running_clock(session: Session) -> Clock:
    """Return the clock that runs, or would run, in the current cycle."""
    mode = session.rules.mode
    if mode not in BANK_MODES:
        return session.clock
    if session.active is None:
        return UNTIMED
    active = session.participants[session.active]
    if mode is Mode.PER_PARTICIPANT:
        return active.clock
    position = group_position(session, active.group_id)
    return UNTIMED if position is None else session.groups[position].clock


def replace_running_clock(session: Session, clock: Clock) -> Session:
    """Return the session with another running clock."""
    mode = session.rules.mode
    if mode not in BANK_MODES:
        return session._replace(clock=clock)
    if session.active is None:
        return session
    active = session.participants[session.active]
    if mode is Mode.PER_PARTICIPANT:
        return with_participant(session, session.active, active._replace(clock=clock))
    position = group_position(session, active.group_id)
    if position is None:
        return session
    return with_group(session, position, session.groups[position]._replace(clock=clock))


def own_time(session: Session, now: int) -> int:
    """Return the session's own time: that of its manual clock, else the authority's, never before its last version."""
    return max(now, session.updated_at) if session.manual_at is None else session.manual_at


def charge(session: Session, now: int, *, is_last: bool = True) -> Session:
    """Return the session with the time run until `now` charged to its clocks, which is also its view at `now`.

    `is_last` False: the turn goes on, and what an hourglass passes on is divided when it ends.
    """
    spent = uncharged(session, now)
    clock = running_clock(session)
    owed = transfers.owed(clock, spent) if is_last else 0
    if not (spent or owed):
        return session
    charged = transfers.paid(clocks.charge(clock, spent), owed)
    return transfers.pass_on(spend(session, charged, spent), owed)


def spend(session: Session, clock: Clock, spent: int, completed: int = 0) -> Session:
    """Return the session after `spent` ms, with `clock` as its running clock and `completed` more turns.

    Where the bank is not the active participant's own, the participant's use is counted as well.
    """
    mode = session.rules.mode
    changed: dict[str, Any] = {"charged_ms": session.charged_ms + spent}
    if mode not in BANK_MODES:
        changed["clock"] = clock
    if session.active is not None:
        active = session.participants[session.active]
        own = clock if mode is Mode.PER_PARTICIPANT else clocks.charge(active.clock, spent)
        active = Participant(
            active.participant_id,
            active.participant_index,
            active.group_id,
            own,
            active.cycle_count + completed,
            active.metadata,
        )
        changed["participants"] = replaced(session.participants, session.active, active)
        if mode is Mode.PER_GROUP:
            position = group_position(session, active.group_id)
            if position is not None:
                group = session.groups[position]._replace(clock=clock)
                changed["groups"] = replaced(session.groups, position, group)
    return session._replace(**changed)


def clock_deadline_at(session: Session) -> int | None:
    """Return when the running budget reaches zero: resumed_at + budget - carried; None if it never does."""
    return None if session.resumed_at is None else _flags_at(session, running_clock(session), session.resumed_at)


def _flags_at(session: Session, clock: Clock, resumed_at: int) -> int | None:
    budget = clock.bank_ms if clock.progress is None else clocks.budget(clock)
    if budget is None or clock.in_overtime:
        return None
    return resumed_at + session.charged_ms + budget - session.carried_ms


def turn_limit_at(session: Session, progress: Progress) -> int | None:
    """Return when the running turn, its clock at `progress`, reaches its limit; None if it has none, or passed it."""
    if session.resumed_at is None or session.limit_passed:
        return None
    limit = progress.control.limit_of(progress.turns_made)
    return None if limit is None else session.resumed_at + limit - session.carried_ms


def session_end_at(session: Session) -> int | None:
    """Return when the session ends whatever its clocks say: at its limit of running time, or at its fixed instant."""
    close_at, limit = session.rules.close_at, session.rules.session_limit_ms
    if session.is_terminal or limit is None or session.resumed_at is None:
        return None if session.is_terminal else close_at
    ran_out = session.resumed_at + limit - session.ran_ms - session.carried_ms
    return ran_out if close_at is None else min(ran_out, close_at)


def clock_boundary(session: Session) -> Boundary | None:
    """Return the next change that the session's own time brings; of one instant: session, holder, turn."""
    rules, first = session.rules, None
    if session.resumed_at is not None:
        clock = running_clock(session)
        flags_at = _flags_at(session, clock, session.resumed_at)
        if flags_at is not None:
            first = Boundary(flags_at, BoundaryKind.EXPIRY)
        if clock.progress is not None:
            limit_at = turn_limit_at(session, clock.progress)
            if limit_at is not None and (first is None or limit_at < first.at):
                first = Boundary(limit_at, BoundaryKind.TURN_LIMIT)
    if rules.close_at is not None or rules.session_limit_ms is not None:
        ends_at = session_end_at(session)
        if ends_at is not None and (first is None or ends_at <= first.at):
            first = Boundary(ends_at, BoundaryKind.SESSION_LIMIT)
    return first


def deadline_at(session: Session) -> int | None:
    """Return the earliest instant at which a clock or a limit changes the session; None if none does."""
    boundary = clock_boundary(session)
    return None if boundary is None else boundary.at


def is_last_cycle(session: Session) -> bool:
    """Whether leaving the current cycle completes the session."""
    return session.rules.max_cycles is not None and session.cycle_number >= session.rules.max_cycles


def latest_call(session: Session) -> int:
    """Return the instant of the last version that a call or a recovery has made."""
    return session.updated_at if session.called_at is None else session.called_at


def can_be_idle(session: Session) -> bool:
    """Whether only calls keep the session alive: no clock of its own brings it to an end.

    Beyond the flag of a clock with a time control there may be a turn's limit, or another clock, and then nothing.
    """
    if session.is_terminal or session.deleted:
        return False
    if session.manual_at is not None or running_clock(session).progress is not None:
        return True
    return _is_endless(session) or deadline_at(session) is None


def _is_endless(session: Session) -> bool:
    rules = session.rules
    if rules.on_expire is not OnExpire.ADVANCE or rules.max_cycles is not None:
        return False
    return rules.close_at is None and rules.session_limit_ms is None


def next_boundary(session: Session, lifetimes: Lifetimes) -> Boundary | None:
    """Return the next change the session makes by itself in the authority's time; None once it is deleted.

    What a manual clock brings is not among them: only its calls move it.
    """
    if session.deleted:
        return None
    if session.completed_at is not None:
        stored = session.completed_at if session.ended_at is None else session.ended_at
        stored = stored if session.real_at is None else session.real_at
        return Boundary(stored + lifetimes.terminal_ms, BoundaryKind.REMOVAL)
    own = clock_boundary(session) if session.manual_at is None else None
    if own is not None and not _is_endless(session):
        return own
    idle = idle_at(session, lifetimes)
    if own is not None and own.at < idle:
        return own
    return Boundary(idle, BoundaryKind.IDLE)


def idle_at(session: Session, lifetimes: Lifetimes) -> int:
    """Return when the session has not been called for its idle time."""
    idle_ms = lifetimes.running_idle_ms if session.status is Status.RUNNING else lifetimes.idle_ms
    if session.real_at is not None:
        return session.real_at + (session.idle_ttl_ms or idle_ms)
    # A clock may enter overtime, and so lose its deadline, after that; time must not run backwards then.
    return max(latest_call(session) + (session.idle_ttl_ms or idle_ms), session.updated_at)


def warnings_between(session: Session, after: int, until: int | None) -> Iterator[tuple[int, int]]:
    """Yield (instant, threshold) for each threshold this version's running clock crosses in (after, until], in order.

    Without `until`, to the end of the budget.
    A crossing at or before the instant of this version belongs to the version before it.
    """
    deadline = clock_deadline_at(session)
    if deadline is None:
        return
    after = max(after, session.updated_at)
    for threshold in sorted(session.rules.warning_thresholds_ms, reverse=True):
        crossing = deadline - threshold
        if after < crossing and (until is None or crossing <= until):
            yield crossing, threshold
