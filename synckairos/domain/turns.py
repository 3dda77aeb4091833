"""Turns: the rotation, the end of a turn and the beginning of the next; the arithmetic of a clock is in `clocks`."""

from typing import Any

from synckairos.domain import clocks, timing
from synckairos.domain.controls import transfers
from synckairos.domain.controls.time_control import Settled
from synckairos.domain.errors import GroupNotFound, ParticipantExpired, ParticipantNotFound
from synckairos.domain.model import (
    BANK_MODES,
    CONTINUOUS_MODES,
    Clock,
    Group,
    Mode,
    OnExpire,
    Participant,
    Session,
    Status,
    full,
    group_position,
    position_of,
    replaced,
)


def is_out(session: Session, participant: Participant) -> bool:
    """Whether the participant, or its group, has run out and left the rotation."""
    if participant.clock.is_expired:
        return True
    position = group_position(session, participant.group_id)
    return position is not None and session.groups[position].clock.is_expired


def participant_in_play(session: Session, participant_id: str) -> int:
    """Return the position of a participant; raises ParticipantNotFound, and ParticipantExpired for one that is out."""
    position = position_of(session, participant_id)
    if position is None:
        raise ParticipantNotFound(participant_id)
    participant = session.participants[position]
    if is_out(session, participant):
        raise ParticipantExpired(participant.participant_id, participant.group_id)
    return position


def group_in_play(session: Session, group_id: str) -> int:
    """Return the position of a group; raises GroupNotFound, and ParticipantExpired for one without time or members."""
    place = group_position(session, group_id)
    if place is None:
        raise GroupNotFound(group_id)
    group = session.groups[place]
    if group.clock.is_expired or not members_of(session, group):
        raise ParticipantExpired(None, group_id)
    return place


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
        member = next_member(session, group)
        if member is not None:
            return member
    return None


def next_member(session: Session, group: Group) -> int | None:
    """Return the position of the group's member whose turn is next; None if no member is left."""
    members = members_of(session, group)
    later = (position for position in members if session.participants[position].participant_index > group.last_index)
    return next(later, members[0]) if members else None


def members_of(session: Session, group: Group) -> list[int]:
    """Return the positions of the group's members."""
    return [at for at, member in enumerate(session.participants) if member.group_id == group.group_id]


def next_after_active(session: Session) -> int | None:
    """Return the position after the active participant, possibly the same one; None if no participant is left."""
    if session.active is None:
        return next_position(session, 0)
    active = session.participants[session.active]
    return next_position(session, session.active + 1, group_position(session, active.group_id))


def has_turn(session: Session, participant_id: str, group_id: str) -> bool:
    """Whether it is this holder's clock (with neither id: the session's) that runs, or stands paused, in this cycle."""
    active = session.active_participant
    if participant_id:
        return active is not None and active.participant_id == participant_id
    return not group_id or (active is not None and active.group_id == group_id)


def first_position(session: Session) -> int | None:
    """Return the position that starts; None without participants."""
    first = position_of(session, session.first_participant_id or "")
    return 0 if first is None and session.participants else first


def settle_turn(session: Session, at: int, lag_ms: int = 0) -> tuple[Session, Settled | None]:
    """Return the session with its running turn completed, and what that did to a clock with a time control.

    The turn is charged, less the lag that is credited, granted what it earns, and counted.
    """
    spent, clock = timing.uncharged(session, at), timing.running_clock(session)
    closed, settled = clocks.complete_turn(clock, spent, session.rules, lag_ms=lag_ms, grants=not session.limit_passed)
    ended = timing.spend(session, closed, spent, completed=1)
    if settled is None:
        return ended, None
    elapsed = timing.elapsed(session, at)
    if settled.spent_ms != elapsed:
        settled = settled._replace(spent_ms=elapsed)
    owed = transfers.owed(clock, spent)
    return transfers.pass_on(ended, max(0, owed - settled.credited_ms)) if owed else ended, settled


def begin_turn(session: Session, position: int | None, at: int) -> Session:
    """Start the next cycle with the participant at this position, if any; a paused session stays paused."""
    mode = session.rules.mode
    changed: dict[str, Any] = {
        "active": position,
        "cycle_number": session.cycle_number + 1,
        "cycle_started_at": at,
    }
    if session.limit_passed:
        changed["limit_passed"] = False
    if session.rules.session_limit_ms is not None:
        changed["ran_ms"] = session.ran_ms + timing.elapsed(session, at)
    if mode not in CONTINUOUS_MODES:
        resumed_at = at if session.status is Status.RUNNING else None
        changed |= {"carried_ms": 0, "charged_ms": 0, "resumed_at": resumed_at}
    if mode is Mode.PER_CYCLE:
        changed["clock"] = full(session.rules.time_per_cycle_ms)
    if mode is Mode.PER_GROUP and position is not None:
        changed["groups"] = _with_turn_noted(session, position)
    return session._replace(**changed)


def hand_over(session: Session, position: int) -> Session:
    """Let the running turn go on with another member of the same group."""
    return session._replace(active=position, groups=_with_turn_noted(session, position))


def _with_turn_noted(session: Session, position: int) -> tuple[Group, ...]:
    """Return the groups; that of the participant at this position remembers its turn."""
    member = session.participants[position]
    place = group_position(session, member.group_id)
    if place is None:
        return session.groups
    return replaced(session.groups, place, session.groups[place]._replace(last_index=member.participant_index))


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
    return [position for position, clock in _held(session) if not clock.is_expired]


def has_lost_holders(session: Session) -> bool:
    """Whether a clock holder has run out and left the game."""
    return any(clock.is_expired for _, clock in _held(session))


def has_winner_left(session: Session) -> bool:
    """Whether the others have run out, and only one clock holder is left in a session that has not ended."""
    if session.rules.on_expire is not OnExpire.ELIMINATE or session.is_terminal:
        return False
    return has_lost_holders(session) and len(holders_left(session)) == 1


def other_of_two(session: Session) -> int | None:
    """Return the position of the one who wins when the other of two runs out: whose clock, or cycle, it is not."""
    if session.rules.mode is Mode.PER_CYCLE:
        return 1 - session.active if session.active is not None and len(session.participants) == 2 else None
    left = holders_left(session)
    return left[0] if len(_held(session)) == 2 and len(left) == 1 else None


def _held(session: Session) -> list[tuple[int, Clock]]:
    """Return the clock holders that have not left the session: positions of groups or participants, and clocks."""
    if session.rules.mode not in BANK_MODES:
        return []
    if session.rules.mode is Mode.PER_GROUP:
        teams = {participant.group_id for participant in session.participants}
        return [(at, group.clock) for at, group in enumerate(session.groups) if group.group_id in teams]
    return [(at, participant.clock) for at, participant in enumerate(session.participants)]
