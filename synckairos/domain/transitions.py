"""The verbs: the states that allow each, the order in which a call is judged, and the effect of each.

`decide` is the whole domain in one function: (session, command, caller, now, ids) -> Outcome.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, assert_never

from synckairos.domain import manual_clock, membership, settlement, timing, turns
from synckairos.domain.adjustment import adjust_time
from synckairos.domain.commands import (
    AddParticipant,
    AdjustTime,
    AdvanceClock,
    Caller,
    Cancel,
    Command,
    Complete,
    Delete,
    Pause,
    RemoveParticipant,
    Resume,
    Start,
    Switch,
    Update,
)
from synckairos.domain.errors import (
    FieldViolation,
    InvalidField,
    InvalidStateTransition,
    ParticipantExpired,
    Refusal,
    SessionExpired,
    TurnAdvanced,
    VersionConflict,
)
from synckairos.domain.events import Cause, Event, EventType, Ledger, running_subject, winner_of
from synckairos.domain.model import BANK_MODES, Mode, Session, Status
from synckairos.domain.timing import Lifetimes

_PENDING, _RUNNING, _PAUSED = Status.PENDING, Status.RUNNING, Status.PAUSED
_LIVE = frozenset({_PENDING, _RUNNING, _PAUSED})

LEGAL: Final[Mapping[type[Command], frozenset[Status]]] = {
    Start: frozenset({_PENDING}),
    Switch: frozenset({_RUNNING}),
    Pause: frozenset({_RUNNING}),
    Resume: frozenset({_PAUSED}),
    Complete: frozenset({_RUNNING, _PAUSED}),
    Cancel: _LIVE,
    AddParticipant: _LIVE,
    RemoveParticipant: _LIVE,
    AdjustTime: _LIVE,
    AdvanceClock: _LIVE,
    Update: _LIVE,
    Delete: frozenset(Status),
}
"""The states that allow each verb; in every other state it is refused and nothing changes."""

TURN_MOVES: Final = frozenset({EventType.PARTICIPANT_EXPIRED, EventType.CYCLE_SWITCHED})


class Before(NamedTuple):
    """The session as a call first saw it, for a call whose settlement takes more than one transaction."""

    version: int
    turn_moved: bool = False
    expired_participant_id: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a decision: versions to commit, and either the answer (`session`) or a refusal.

    `unfinished` is set if more is due than one transaction may hold: commit, then decide again with it as `before`.
    """

    session: Session
    now: int
    events: list[Event] = field(default_factory=list)
    refusal: Refusal | None = None
    unfinished: Before | None = None


def decide(
    session: Session,
    command: Command | None,
    caller: Caller,
    now: int,
    new_change_id: Callable[[], str],
    lifetimes: Lifetimes,
    before: Before | None = None,
) -> Outcome:
    """Settle what is due, then judge the command and apply it; without a command, only settle.

    A refusal leaves the session as the settlement left it.
    """
    ledger = Ledger(session, timing.own_time(session, now), now, new_change_id)
    unfinished = settlement.settle(ledger, lifetimes)
    before = _seen(ledger, before or Before(session.version), session)
    if unfinished:
        return Outcome(ledger.session, ledger.now, ledger.events, unfinished=before)
    if command is None:
        return Outcome(ledger.session, ledger.now, ledger.events)
    try:
        _judge(ledger.session, command, caller, before)
        _apply(ledger, command, caller, lifetimes)
    except Refusal as refusal:
        return Outcome(ledger.session, ledger.now, ledger.events, refusal=refusal)
    settlement.settle(ledger, lifetimes)
    return Outcome(ledger.session, ledger.now, ledger.events)


def _seen(ledger: Ledger, before: Before, session: Session) -> Before:
    moves = [event for event in ledger.events if event.type in TURN_MOVES]
    if not moves or before.turn_moved:
        return before
    active = session.active_participant
    return before._replace(turn_moved=True, expired_participant_id=active.participant_id if active else "")


def _judge(session: Session, command: Command, caller: Caller, before: Before) -> None:
    """Make checks 5 to 9 of every mutation, in order; raise the first that fails.

    An expired session can still be deleted: nothing else removes it before its retention ends.
    """
    if session.status is Status.EXPIRED and not isinstance(command, Delete):
        is_named = session.expired_participant_id or session.expired_group_id
        if is_named and session.rules.mode in BANK_MODES:
            raise ParticipantExpired(session.expired_participant_id, session.expired_group_id)
        raise SessionExpired(session.session_id)
    if isinstance(command, Switch) and before.turn_moved:
        raise _turn_advanced(session, command, expired=before.expired_participant_id)
    if caller.expected_version and caller.expected_version != before.version:
        raise VersionConflict(caller.expected_version, before.version)
    if isinstance(command, Switch) and not _is_expected(session, command):
        raise _turn_advanced(session, command, expected=command.expected_active_participant_id)
    if session.status not in LEGAL[type(command)]:
        raise InvalidStateTransition(session.status, command.verb)


def _is_expected(session: Session, command: Switch) -> bool:
    """Whether the running turn is the one the caller means to end."""
    if command.expected_active_participant_id not in {"", _active_id(session)}:
        return False
    return command.expected_cycle_number in {0, session.cycle_number}


def _active_id(session: Session) -> str:
    active = session.active_participant
    return active.participant_id if active else ""


def _turn_advanced(session: Session, command: Switch, *, expected: str = "", expired: str = "") -> TurnAdvanced:
    cycles = (session.cycle_number, command.expected_cycle_number)
    return TurnAdvanced(*cycles, expected=expected, expired=expired, active=_active_id(session))


def _apply(ledger: Ledger, command: Command, caller: Caller, lifetimes: Lifetimes) -> None:  # noqa: C901 - a flat dispatch, one line a verb
    match command:
        case Switch():
            _switch(ledger, command, caller)
        case Start():
            _start(ledger, caller)
        case Pause():
            _record(ledger, EventType.SESSION_PAUSED, turns.pause(ledger.session, ledger.now), caller)
        case Resume():
            resumed = ledger.session._replace(status=Status.RUNNING, resumed_at=ledger.now, paused_at=None)
            _record(ledger, EventType.SESSION_RESUMED, resumed, caller)
        case Complete():
            completed = turns.end(_with_winner(ledger.session, command), Status.COMPLETED, ledger.now)
            _record(ledger, EventType.SESSION_COMPLETED, completed, caller)
        case Cancel():
            cancelled = turns.end(ledger.session, Status.CANCELLED, ledger.now)
            _record(ledger, EventType.SESSION_CANCELLED, cancelled, caller)
        case AddParticipant():
            membership.add(ledger, command, caller)
        case RemoveParticipant():
            membership.remove(ledger, command, caller)
        case AdjustTime():
            adjust_time(ledger, command, caller)
        case AdvanceClock():
            manual_clock.advance(ledger, command, caller, lifetimes)
        case Update():
            _record(ledger, EventType.SESSION_UPDATED, _updated(ledger.session, command), caller)
        case Delete():
            _record(ledger, EventType.SESSION_DELETED, ledger.session._replace(deleted=True), caller)
        case _:
            assert_never(command)


def _record(ledger: Ledger, type_: EventType, session: Session, caller: Caller) -> None:
    """Add a version that a caller has made, about the clock that runs, or stands paused, before it."""
    ledger.record(type_, session, running_subject(ledger.session, ledger.now), author=caller.author)


def _start(ledger: Ledger, caller: Caller) -> None:
    session = ledger.session._replace(status=Status.RUNNING, started_at=ledger.now, resumed_at=ledger.now)
    # An adjustment made while pending belongs to the first cycle.
    started = turns.begin_turn(session, turns.first_position(session), ledger.now)._replace(clock=session.clock)
    subject = running_subject(started, ledger.now)
    ledger.record(EventType.SESSION_STARTED, started, subject, author=caller.author)


def _switch(ledger: Ledger, command: Switch, caller: Caller) -> None:
    session, named = ledger.session, command.next_participant_id
    following = turns.participant_in_play(session, named) if named else turns.next_after_active(session)
    progress = timing.running_clock(session).progress
    if command.lag_ms and (progress is None or progress.control.lag_compensation is None):
        raise InvalidField([FieldViolation("lag_ms", "the clock that runs has no lag compensation")])
    settlement.leave_cycle(ledger, following, ledger.now, Cause.CALL, caller.author, command.lag_ms)


def _with_winner(session: Session, command: Complete) -> Session:
    """Return the session with the winner that the caller names, if any."""
    if command.winner_participant_id:
        winner = session.participants[turns.participant_in_play(session, command.winner_participant_id)]
        return session._replace(winner_participant_id=winner.participant_id)
    if command.winner_group_id:
        if session.rules.mode is not Mode.PER_GROUP:
            problem = f"is not used in mode {session.rules.mode.name}"
            raise InvalidField([FieldViolation("winner_group_id", problem)])
        return winner_of(session, turns.group_in_play(session, command.winner_group_id))
    return session


def _updated(session: Session, command: Update) -> Session:
    if command.metadata is not None or command.remove_metadata:
        session = session._replace(metadata=command.metadata)
    return session if command.labels is None else session._replace(labels=command.labels)
