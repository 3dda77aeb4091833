"""Adjustments: they change the time left on a clock."""

from typing import Final

from synckairos.domain import clocks, timing, turns
from synckairos.domain.commands import AdjustTime, Caller
from synckairos.domain.errors import (
    FieldViolation,
    InvalidField,
    ParticipantExpired,
    ParticipantNotFound,
)
from synckairos.domain.events import EventType, Ledger, Subject
from synckairos.domain.model import (
    Clock,
    Mode,
    Session,
    Status,
    group_position,
    position_of,
    with_group,
    with_participant,
)

AMOUNTS: Final = ("delta_ms", "set_ms", "at_least_ms")


def adjust_time(ledger: Ledger, command: AdjustTime, caller: Caller) -> None:
    """Change the time left on a participant's, a group's or the session's clock."""
    session, now = ledger.session, ledger.now
    _check_target(session, command)
    is_running_clock = _is_running_clock(session, command)
    if is_running_clock and timing.running_clock(session).in_overtime:
        session = timing.charge(session, now)
    clock = _clock(session, command)
    spent = timing.uncharged(session, now) if is_running_clock else 0
    is_running = is_running_clock and session.status is Status.RUNNING
    before = clocks.remaining(clock, spent) or 0
    target = clocks.adjusted_remaining(
        before,
        delta_ms=command.delta_ms,
        set_ms=command.set_ms,
        at_least_ms=command.at_least_ms,
        is_running=is_running,
    )
    adjusted = _with_clock(session, command, clocks.adjust(clock, spent, target))
    elapsed = timing.elapsed(session, now) if is_running_clock else 0
    subject = Subject(command.participant_id or None, command.group_id or None, elapsed, target)
    ledger.record(EventType.TIME_ADJUSTED, adjusted, subject, author=caller.author)


def _check_target(session: Session, command: AdjustTime) -> None:
    mode = session.rules.mode
    wanted = {Mode.PER_PARTICIPANT: "participant_id", Mode.PER_GROUP: "group_id"}.get(mode)
    for field in ("participant_id", "group_id"):
        if field == wanted and not getattr(command, field):
            raise InvalidField([FieldViolation(field, f"is required in mode {mode.name}")])
        if field != wanted and getattr(command, field):
            raise InvalidField([FieldViolation(field, f"is not used in mode {mode.name}")])
    if mode is Mode.COUNT_UP and session.clock.bank_ms is None:
        amount = next(name for name in AMOUNTS if getattr(command, name) is not None)
        raise InvalidField([FieldViolation(amount, "the session has no limit (max_time_ms) to adjust")])


def _is_running_clock(session: Session, command: AdjustTime) -> bool:
    active = session.active_participant
    if command.participant_id:
        return active is not None and active.participant_id == command.participant_id
    if command.group_id:
        return active is not None and active.group_id == command.group_id
    return True


def _clock(session: Session, command: AdjustTime) -> Clock:
    if command.participant_id:
        position = position_of(session, command.participant_id)
        if position is None:
            raise ParticipantNotFound(command.participant_id)
        clock = session.participants[position].clock
        if clock.is_expired:
            raise ParticipantExpired(command.participant_id)
        return clock
    if command.group_id:
        return session.groups[turns.group_in_play(session, command.group_id)].clock
    return session.clock


def _with_clock(session: Session, command: AdjustTime, clock: Clock) -> Session:
    if command.participant_id:
        position = position_of(session, command.participant_id)
        if position is not None:
            return with_participant(session, position, session.participants[position]._replace(clock=clock))
    if command.group_id:
        position = group_position(session, command.group_id)
        if position is not None:
            return with_group(session, position, session.groups[position]._replace(clock=clock))
    return session._replace(clock=clock)
