"""Settlement: due boundaries are applied in time order, each stamped with the instant it was due."""

from typing import Final

from synckairos.domain import clocks, soft_close, timing, turns
from synckairos.domain.events import (
    NO_EFFECT,
    SYSTEM,
    Author,
    Cause,
    Effect,
    EventType,
    Ledger,
    left_subject,
    running_subject,
    winner_of,
)
from synckairos.domain.model import CONTINUOUS_MODES, Mode, OnExpire, Session, Status
from synckairos.domain.timing import Boundary, BoundaryKind, Lifetimes

MAX_BOUNDARIES: Final = 100
"""Boundaries applied in one transaction."""


def settle(ledger: Ledger, lifetimes: Lifetimes) -> bool:
    """Apply everything due at `ledger.now`; True if more is due than one transaction may hold."""
    for _ in range(MAX_BOUNDARIES):
        boundary = next_due(ledger, lifetimes)
        if boundary is None:
            return False
        _apply(ledger, boundary)
    return next_due(ledger, lifetimes) is not None


def next_due(ledger: Ledger, lifetimes: Lifetimes) -> Boundary | None:
    """Return the first boundary due that a settlement applies; None if none is."""
    if ledger.session.manual_at is not None:
        return _next_due_by_hand(ledger, lifetimes)
    boundary = timing.next_boundary(ledger.session, lifetimes)
    if boundary is None or boundary.at > ledger.now or boundary.kind is BoundaryKind.REMOVAL:
        return None
    return boundary


def _next_due_by_hand(ledger: Ledger, lifetimes: Lifetimes) -> Boundary | None:
    """As `next_due`, for a session with a manual clock: its own time brings its deadlines, real time the rest."""
    session = ledger.session
    own = None if session.deleted else timing.clock_boundary(session)
    if own is not None and own.at <= ledger.now:
        return own
    boundary = timing.next_boundary(session, lifetimes)
    if boundary is None or boundary.at > ledger.real_now or boundary.kind is BoundaryKind.REMOVAL:
        return None
    return boundary._replace(at=ledger.now)


def _apply(ledger: Ledger, boundary: Boundary) -> None:
    session, at = ledger.session, boundary.at
    match boundary.kind:
        case BoundaryKind.EXPIRY:
            _expire(ledger, at)
        case BoundaryKind.TURN_LIMIT:
            _pass_limit(ledger, at)
        case BoundaryKind.SESSION_LIMIT:
            # Who may have run out on the way did not end the session.
            unnamed = session._replace(expired_participant_id=None, expired_group_id=None)
            _record_end(ledger, unnamed, EventType.SESSION_EXPIRED, Status.EXPIRED, at, Cause.DEADLINE)
        case _:
            _record_end(ledger, session, EventType.SESSION_CANCELLED, Status.CANCELLED, at, Cause.IDLE)


def is_removable(session: Session, now: int, lifetimes: Lifetimes) -> bool:
    """Whether a terminal session has stayed readable for its full retention time."""
    boundary = timing.next_boundary(session, lifetimes)
    return boundary is not None and boundary.kind is BoundaryKind.REMOVAL and boundary.at <= now


def _expire(ledger: Ledger, due: int) -> None:
    match ledger.session.rules.on_expire:
        case OnExpire.ELIMINATE:
            _eliminate(ledger, due)
        case OnExpire.ADVANCE:
            _advance(ledger, due)
        case OnExpire.NOTIFY:
            _notify(ledger, due)
        case _:
            _expire_session(ledger, due)


def _pass_limit(ledger: Ledger, due: int) -> None:
    """Apply at a turn's limit what happens at zero; under NOTIFY the clocks go on as before."""
    session = ledger.session
    if session.rules.on_expire is not OnExpire.NOTIFY:
        _expire(ledger, due)
        return
    subject = running_subject(session, due)
    passed = session._replace(limit_passed=True)
    ledger.record(EventType.OVERTIME_STARTED, passed, subject, author=SYSTEM, at=due, cause=Cause.DEADLINE)


def _record_end(
    ledger: Ledger, session: Session, type_: EventType, status: Status, at: int, cause: Cause, author: Author = SYSTEM
) -> None:
    subject = running_subject(session, at)
    ledger.record(type_, turns.end(session, status, at), subject, author=author, at=at, cause=cause)


def _holder_expired(session: Session, due: int) -> Session:
    """Charge the running clock to its end and name its holder."""
    charged = timing.charge(session, due)
    return _naming_holder(timing.replace_running_clock(charged, clocks.expire(timing.running_clock(charged))))


def _naming_holder(session: Session) -> Session:
    """Name the holder of the clock that has just run out: whose bank it is, or whose cycle."""
    active = session.active_participant
    if active is None or session.rules.mode in CONTINUOUS_MODES:
        return session
    if session.rules.mode is Mode.PER_GROUP:
        return session._replace(expired_group_id=active.group_id)
    return session._replace(expired_participant_id=active.participant_id)


def _expire_session(ledger: Ledger, due: int) -> None:
    expired = _holder_expired(ledger.session, due)
    expired = winner_of(expired, turns.other_of_two(expired))
    _record_end(ledger, expired, EventType.SESSION_EXPIRED, Status.EXPIRED, due, Cause.DEADLINE)


def _eliminate(ledger: Ledger, due: int) -> None:
    expired = _holder_expired(ledger.session, due)
    following = turns.next_after_active(expired)
    if following is None:
        _record_end(ledger, expired, EventType.SESSION_EXPIRED, Status.EXPIRED, due, Cause.DEADLINE)
        return
    subject = running_subject(expired, due)
    moved = turns.begin_turn(expired, following, due)
    ledger.record(EventType.PARTICIPANT_EXPIRED, moved, subject, author=SYSTEM, at=due, cause=Cause.DEADLINE)
    complete_if_one_is_left(ledger, due, Cause.DEADLINE, SYSTEM)


def complete_if_one_is_left(ledger: Ledger, at: int, cause: Cause, author: Author) -> None:
    """Complete a started session, of which holders have left the game, with the last of them as its winner."""
    session = ledger.session
    left = turns.holders_left(session)
    if session.started_at is not None and len(left) == 1:
        won = winner_of(session, left[0])
        _record_end(ledger, won, EventType.SESSION_COMPLETED, Status.COMPLETED, at, cause, author)


def leave_cycle(ledger: Ledger, following: int | None, at: int, cause: Cause, author: Author, lag_ms: int = 0) -> None:
    """Complete the running turn and start the next one, or end the session after its last cycle."""
    session = ledger.session
    settled, turn = turns.settle_turn(session, at, lag_ms)
    extended_ms = 0
    if session.rules.soft_close is not None and cause is Cause.CALL:
        settled, extended_ms = soft_close.extended(settled, session.rules.soft_close, at)
    subject = left_subject(session, settled, at)
    if timing.is_last_cycle(session):
        ended = turns.end(settled, Status.COMPLETED, at)
        ledger.record(EventType.SESSION_COMPLETED, ended, subject, author=author, at=at, cause=cause)
        return
    moved = turns.begin_turn(settled, following, at)
    ledger.record(
        EventType.CYCLE_SWITCHED,
        moved,
        subject,
        author=author,
        at=at,
        cause=cause,
        effect=Effect(turn, extended_ms) if turn or extended_ms else NO_EFFECT,
    )


def _advance(ledger: Ledger, due: int) -> None:
    leave_cycle(ledger, turns.next_after_active(ledger.session), due, Cause.DEADLINE, SYSTEM)


def _notify(ledger: Ledger, due: int) -> None:
    session = ledger.session
    subject = running_subject(session, due)
    if timing.running_clock(session).progress is not None:
        session = timing.charge(session, due)
    flagged = timing.replace_running_clock(session, clocks.start_overtime(timing.running_clock(session)))
    named = _naming_holder(flagged)
    ledger.record(EventType.OVERTIME_STARTED, named, subject, author=SYSTEM, at=due, cause=Cause.DEADLINE)
