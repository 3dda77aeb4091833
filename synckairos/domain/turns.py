"""Turns: the rotation, the end of a turn and the beginning of the next; the arithmetic of a clock is in `clocks`."""

from typing import Any

from synckairos.domain import clocks, timing
from synckairos.domain.model import (
    BANK_MODES,
    CONTINUOUS_MODES,
    Clock,
    Mode,
    Participant,
    Session,
    Status,
    full,
    group_position,
    replaced,
)


def is_out(session: Session, participant: Participant) -> bool:
    """Whether the participant, or its group, has run out and left the rotation."""
    if participant.clock.is_expired:
        return True
    position = group_position(session, participant.group_id)
    return position is not None and session.groups[position].clock.is_expired


def next_position(session: Session, start: int, after_group: int | None = None) -> int | None:
    """Return the next position in the rotation, from `start` on (`after_group`: after that group).

    None if no participant is left.
    """
    if session.rules.mode is Mode.PER_GROUP:
        return _next_by_group(session, -1 if after_group is None else after_group)
    count = len(session.participants)
    for step in range(count):
        position = (start + step) % count
        if not session.participants[position].clock.is_expired:
            return position
    return None


def _next_by_group(session: Session, after_group: int) -> int | None:
    count = len(session.groups)
    for step in range(1, count + 1):
        group = session.groups[(after_group + step) % count]
        if group.clock.is_expired:
            continue
        members = [p for p, member in enumerate(session.participants) if member.group_id == group.group_id]
        later = (p for p in members if session.participants[p].participant_index > group.last_index)
        if members:
            return next(later, members[0])
    return None


def next_after_active(session: Session) -> int | None:
    """Return the position after the active participant, possibly the same one; None if no participant is left."""
    if session.active is None:
        return next_position(session, 0)
    active = session.participants[session.active]
    return next_position(session, session.active + 1, group_position(session, active.group_id))


def first_position(session: Session) -> int | None:
    """Return the position that starts; None without participants."""
    for position, participant in enumerate(session.participants):
        if participant.participant_id == session.first_participant_id:
            return position
    return 0 if session.participants else None


def settle_turn(session: Session, at: int) -> Session:
    """Return the session with its running turn completed: charged, granted the increment, counted."""
    spent = timing.uncharged(session, at)
    clock = clocks.complete_turn(timing.running_clock(session), spent, session.rules)
    return timing.spend(session, clock, spent, completed=1)


def begin_turn(session: Session, position: int | None, at: int) -> Session:
    """Start the next cycle with the participant at this position, if any; a paused session stays paused."""
    mode = session.rules.mode
    changed: dict[str, Any] = {
        "active": position,
        "cycle_number": session.cycle_number + 1,
        "cycle_started_at": at,
    }
    if mode not in CONTINUOUS_MODES:
        resumed_at = at if session.status is Status.RUNNING else None
        changed |= {"carried_ms": 0, "charged_ms": 0, "resumed_at": resumed_at}
    if mode is Mode.PER_CYCLE:
        changed["clock"] = full(session.rules.time_per_cycle_ms)
    if mode is Mode.PER_GROUP and position is not None:
        member = session.participants[position]
        place = group_position(session, member.group_id)
        if place is not None:
            group = session.groups[place]._replace(last_index=member.participant_index)
            changed["groups"] = replaced(session.groups, place, group)
    return session._replace(**changed)


def pause(session: Session, at: int) -> Session:
    """Return the running session paused at this instant; nothing is charged yet."""
    return session._replace(status=Status.PAUSED, carried_ms=timing.elapsed(session, at), resumed_at=None, paused_at=at)


def end(session: Session, status: Status, at: int) -> Session:
    """Return the session ended at this instant: the running time charged, no participant active."""
    charged = timing.charge(session, at)
    return charged._replace(
        status=status,
        active=None,
        carried_ms=timing.elapsed(session, at),
        resumed_at=None,
        paused_at=None,
        completed_at=at,
    )


def holders_left(session: Session) -> list[int]:
    """Return the positions of the clock holders (groups or participants) still in the game."""
    return [position for position, clock in enumerate(_held(session)) if not clock.is_expired]


def has_lost_holders(session: Session) -> bool:
    """Whether a clock holder has run out and left the game."""
    return any(clock.is_expired for clock in _held(session))


def _held(session: Session) -> list[Clock]:
    if session.rules.mode not in BANK_MODES:
        return []
    if session.rules.mode is Mode.PER_GROUP:
        return [group.clock for group in session.groups]
    return [participant.clock for participant in session.participants]
