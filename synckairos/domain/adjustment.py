"""Adjustments: they change the time left on a clock."""

from typing import Final

from synckairos.domain import clocks, timing, turns
from synckairos.domain.commands import AdjustTime, Caller
from synckairos.domain.controls import controlled_clock
from synckairos.domain.errors import FieldViolation, InvalidField
from synckairos.domain.events import EventType, Ledger, Subject
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.model import MAX_BUDGET_MS, Clock, Mode, Session, Status, with_group, with_participant

AMOUNTS: Final = ("delta_ms", "set_ms", "at_least_ms", "set_periods")


def adjust_time(ledger: Ledger, command: AdjustTime, caller: Caller) -> None:
    """Change the time left on a participant's, a group's or the session's clock."""
    session, now = ledger.session, ledger.now
    check_holder(session.rules.mode, command.participant_id, command.group_id)
    _check_limit(session, command)
    is_running_clock = turns.has_turn(session, command.participant_id, command.group_id)
    running = timing.running_clock(session)
    if is_running_clock and (running.in_overtime or running.progress is not None):
        session = timing.charge(session, now, is_last=False)
    position = _position(session, command)
    clock = _clock(session, command, position)
    spent = timing.uncharged(session, now) if is_running_clock else 0
    # A clock that stands in a free turn, and nothing would happen to it at zero, is none that runs.
    is_free = clock.progress is not None and controlled_clock.is_free(clock.progress)
    is_running = is_running_clock and session.status is Status.RUNNING and not is_free
    changed = _changed(clock, command, spent, is_running=is_running)
    elapsed = timing.elapsed(session, now) if is_running_clock else 0
    left = clocks.remaining(changed, spent)
    subject = Subject(command.participant_id or None, command.group_id or None, elapsed, left)
    adjusted = _with_clock(session, command, position, changed)
    ledger.record(EventType.TIME_ADJUSTED, adjusted, subject, author=caller.author)


def _changed(clock: Clock, command: AdjustTime, spent: int, *, is_running: bool) -> Clock:
    """Return the clock as the command wants it; one that does not run keeps at least 1 ms if it has any."""
    if command.set_periods is not None:
        return _with_periods(clock, command.set_periods)
    before, least = clocks.adjustable(clock, spent)
    kept = least if is_running or least > 0 else least + (before > least)
    return clocks.adjust(clock, spent, _target(command, before, kept))


def _target(command: AdjustTime, before: int, least: int) -> int:
    """Return the time left, in ms, after adjusting `before` by an amount, to a value, or up to a value.

    No adjustment lifts a clock above 28 days, and an addition never cuts a clock that grants have lifted above that.
    """
    if command.delta_ms is not None:
        wanted = before + command.delta_ms
    else:
        wanted = max(before, command.at_least_ms) if command.at_least_ms is not None else (command.set_ms or 0)
    most = MAX_BUDGET_MS if command.set_ms is not None else max(MAX_BUDGET_MS, before)
    return min(max(wanted, least), most)


def _with_periods(clock: Clock, periods: int) -> Clock:
    progress = clock.progress
    if progress is None or not isinstance(controlled_clock.stage_of(progress).family, ByoYomi):
        raise InvalidField([FieldViolation("set_periods", "the clock is not in a stage of byo-yomi")])
    return controlled_clock.set_periods(clock, progress, periods)


def check_holder(mode: Mode, participant_id: str, group_id: str) -> None:
    """Raise InvalidField unless the ids name what holds a clock in this mode: where it is the session, neither."""
    wanted = {Mode.PER_PARTICIPANT: "participant_id", Mode.PER_GROUP: "group_id"}.get(mode)
    for field, value in (("participant_id", participant_id), ("group_id", group_id)):
        if field == wanted and not value:
            raise InvalidField([FieldViolation(field, f"is required in mode {mode.name}")])
        if field != wanted and value:
            raise InvalidField([FieldViolation(field, f"is not used in mode {mode.name}")])


def _check_limit(session: Session, command: AdjustTime) -> None:
    if session.rules.mode is Mode.COUNT_UP and session.clock.bank_ms is None:
        amount = next(name for name in AMOUNTS if getattr(command, name) is not None)
        raise InvalidField([FieldViolation(amount, "the session has no limit (max_time_ms) to adjust")])


def _position(session: Session, command: AdjustTime) -> int:
    """Return the position of the holder among participants or groups, 0 for the session; raises for one that is out."""
    if command.participant_id:
        return turns.participant_in_play(session, command.participant_id)
    return turns.group_in_play(session, command.group_id) if command.group_id else 0


def _clock(session: Session, command: AdjustTime, position: int) -> Clock:
    if command.participant_id:
        return session.participants[position].clock
    return session.groups[position].clock if command.group_id else session.clock


def _with_clock(session: Session, command: AdjustTime, position: int, clock: Clock) -> Session:
    if command.participant_id:
        return with_participant(session, position, session.participants[position]._replace(clock=clock))
    if command.group_id:
        return with_group(session, position, session.groups[position]._replace(clock=clock))
    return session._replace(clock=clock)
