"""Participants join and leave."""

from synckairos.domain import clocks, settlement, timing, turns
from synckairos.domain.commands import AddParticipant, Caller, RemoveParticipant
from synckairos.domain.controls import controlled_clock, transfers
from synckairos.domain.controls.requirements import is_controlled, joining_violations
from synckairos.domain.controls.time_control import TimeControl
from synckairos.domain.errors import (
    FieldViolation,
    InvalidField,
    InvalidStateTransition,
    ParticipantAlreadyExists,
    ParticipantNotFound,
)
from synckairos.domain.events import Cause, EventType, Ledger, Subject, running_subject
from synckairos.domain.model import BANK_MODES, Mode, Participant, Session, Status, full, group_position, position_of
from synckairos.domain.specification import MAX_INDEX, MAX_PARTICIPANTS, ParticipantSpec, participant_violations


def new_participant(spec: ParticipantSpec, index: int, control: TimeControl | None = None) -> Participant:
    """Return a participant that has not had a turn yet; `control` is for one without its own."""
    control = spec.time_control or control
    clock = full(spec.total_time_ms or None) if control is None else controlled_clock.begin(control)
    return Participant(spec.participant_id, index, spec.group_id or None, clock, metadata=spec.metadata)


def add(ledger: Ledger, command: AddParticipant, caller: Caller) -> None:
    """Add a participant, last in the rotation."""
    session, spec = ledger.session, command.participant
    index = session.participants[-1].participant_index + 1 if session.participants else 0
    violations = [
        *participant_violations("participant", spec, session.rules.mode, is_controlled(session)),
        *joining_violations(session, spec),
    ]
    if spec.participant_index is not None:
        violations.append(
            FieldViolation("participant.participant_index", "is not accepted: an added participant joins last")
        )
    if len(session.participants) >= MAX_PARTICIPANTS:
        violations.append(FieldViolation("participant", f"the session already has {MAX_PARTICIPANTS} participants"))
    if index > MAX_INDEX:
        violations.append(
            FieldViolation("participant", f"participant_index {MAX_INDEX}, the last one, is already taken")
        )
    if violations:
        raise InvalidField(violations)
    if position_of(session, spec.participant_id) is not None:
        raise ParticipantAlreadyExists(spec.participant_id)
    if session.rules.mode is Mode.PER_GROUP:
        turns.group_in_play(session, spec.group_id)
    default = session.rules.time_control if session.rules.mode is Mode.PER_PARTICIPANT else None
    joining = new_participant(spec, index, default)
    joined = session._replace(participants=(*session.participants, joining))
    left = clocks.remaining(joining.clock, 0)
    subject = Subject(spec.participant_id, spec.group_id or None, 0, left)
    ledger.record(EventType.PARTICIPANT_ADDED, joined, subject, author=caller.author)


def remove(ledger: Ledger, command: RemoveParticipant, caller: Caller) -> None:
    """Remove a participant. An active one is charged and earns no increment and no count.

    Then the next turn starts, or a team's turn goes on with its next member. The last holder left has won.
    """
    session, now = ledger.session, ledger.now
    position = position_of(session, command.participant_id)
    if position is None:
        raise ParticipantNotFound(command.participant_id)
    leaving = session.participants[position]
    _refuse_if_needed(session, leaving, command)
    if position != session.active:
        subject = Subject(leaving.participant_id, leaving.group_id, 0, clocks.remaining(leaving.clock, 0))
        ledger.record(EventType.PARTICIPANT_REMOVED, _without(session, position), subject, author=caller.author)
    else:
        _remove_active(ledger, position, caller)
    if len(turns.holders_left(ledger.session)) < len(turns.holders_left(session)):
        settlement.complete_if_one_is_left(ledger, now, Cause.CALL, caller.author)


def _remove_active(ledger: Ledger, position: int, caller: Caller) -> None:
    session, now = ledger.session, ledger.now
    leaving = session.participants[position]
    heir = _heir(session, position)
    charged = timing.charge(session, now, is_last=heir is None)
    rest = _without(charged, position)._replace(active=None)
    subject = running_subject(session, now)
    # When the last cycle is left as well, no cycle follows it.
    moved = rest if timing.is_last_cycle(session) else _after_leaving(rest, leaving, position, heir, now)
    ledger.record(EventType.PARTICIPANT_REMOVED, moved, subject, author=caller.author)
    if timing.is_last_cycle(session):
        ended = turns.end(ledger.session, Status.COMPLETED, now)
        ledger.record(EventType.SESSION_COMPLETED, ended, subject, author=caller.author)


def _heir(session: Session, position: int) -> int | None:
    """Return the position of the team mate, once the participant has left, with whom its turn goes on, if any."""
    rest = _without(session, position)
    place = group_position(rest, session.participants[position].group_id)
    return None if place is None else turns.next_member(rest, rest.groups[place])


def _after_leaving(rest: Session, leaving: Participant, position: int, heir: int | None, now: int) -> Session:
    """Return the session without its active participant, with its successor active."""
    if heir is not None:
        return turns.hand_over(rest, heir)
    place = group_position(rest, leaving.group_id)
    return turns.begin_turn(rest, turns.next_position(rest, position, place), now)


def _refuse_if_needed(session: Session, leaving: Participant, command: RemoveParticipant) -> None:
    if session.rules.mode not in BANK_MODES:
        return
    # Once it is started, a session of groups goes on without one of them.
    is_of_group = session.rules.mode is Mode.PER_GROUP and session.started_at is None
    peers = sum(not is_of_group or other.group_id == leaving.group_id for other in session.participants)
    if peers == 1:
        needing = f"group {leaving.group_id}" if is_of_group else f"mode {session.rules.mode.name}"
        because = f"participant {leaving.participant_id} is the last one, and {needing} needs at least one"
        raise InvalidStateTransition(session.status, command.verb, because)
    if peers == 2 and session.started_at is None and not is_of_group and transfers.is_hourglass(leaving.clock):
        because = f"participant {leaving.participant_id} is one of two, and an hourglass needs at least two"
        raise InvalidStateTransition(session.status, command.verb, because)


def _without(session: Session, position: int) -> Session:
    leaving = session.participants[position]
    active = session.active
    if active is not None and active > position:
        active -= 1
    first = session.first_participant_id
    return session._replace(
        participants=(*session.participants[:position], *session.participants[position + 1 :]),
        active=active,
        first_participant_id=None if first == leaving.participant_id else first,
    )
