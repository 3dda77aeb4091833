"""What an event changed on one clock, told apart by the arithmetic that moved the clock.

What that leaves over is an entry too: entries always sum to what the clock gained or lost by the event.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from synckairos.domain import clocks, timing, turns
from synckairos.domain.controls import controlled_clock
from synckairos.domain.events import Event, EventType
from synckairos.domain.model import Clock, Mode, Session, group_position, position_of


class LineKind(IntEnum):
    """Why a line is there; the numbers are the contract's."""

    BASE = 1
    SPENT = 2
    GRANT = 3
    DELAY_SPARED = 4
    REFILLED = 5
    STAGE = 6
    TRANSFER = 7
    LAG_CREDITED = 8
    EXTENDED = 9
    ADJUSTED = 10
    RECOVERED = 11


class Holder(NamedTuple):
    """Whose clock it is: a participant's, a group's, or with neither the session's own."""

    participant_id: str = ""
    group_id: str = ""


class Entry(NamedTuple):
    """A change of a clock, in ms; `periods_burnt` are those that it burnt."""

    kind: LineKind
    amount_ms: int
    periods_burnt: int = 0
    note: str = ""


def clock_of(session: Session, holder: Holder) -> Clock | None:
    """Return the holder's clock as it is stored; None if the holder is not in the session."""
    if holder.participant_id:
        place = position_of(session, holder.participant_id)
        return None if place is None else session.participants[place].clock
    if holder.group_id:
        place = group_position(session, holder.group_id)
        return None if place is None else session.groups[place].clock
    return session.clock


def is_about(event: Event, holder: Holder) -> bool:
    """Whether the event is about this holder."""
    if holder.participant_id:
        return event.subject.participant_id == holder.participant_id
    return not holder.group_id or event.subject.group_id == holder.group_id


def left_with(before: Session, event: Event, holder: Holder) -> Clock | None:
    """Return the clock with which the holder left the session by this event; None if it did not."""
    if event.type is not EventType.PARTICIPANT_REMOVED or not is_about(event, holder):
        return None
    charged = timing.charge(before, event.session.updated_at) if turns.has_turn(before, *holder) else before
    return clock_of(charged, holder) if holder.participant_id else None


class Change(NamedTuple):
    """An event, and the holder's clock as it was stored before it."""

    before: Session
    event: Event
    holder: Holder
    old: Clock


def entries(change: Change) -> Iterator[Entry]:
    """Yield what the event changed: what was spent, what was credited, whatever else it was, and the next stage."""
    before, event, holder, old = change
    left = left_with(before, event, holder)
    new = left or clock_of(event.session, holder)
    if new is None:
        return
    turn, stage = [Entry(LineKind.SPENT, 0)], list[Entry]()
    if turns.has_turn(before, *holder):
        turn, stage = (_completed_turn if _is_completed(before, event) else _part_of_turn)(change)
    told = sum(entry.amount_ms for entry in (*turn, *stage))
    rest = _rest(change, balance(new) - balance(old) - told)
    turn[0] = turn[0]._replace(note=joined(turn[0].note, _end_of(old, new), "left the session" if left else ""))
    yield from [entry for entry in (*turn, rest, *stage) if entry.amount_ms or entry.periods_burnt or entry.note]


def _completed_turn(change: Change) -> tuple[list[Entry], list[Entry]]:
    """Return what a completed turn spent and was credited, and what the stage that begins brings."""
    before, event, _, old = change
    spent, progress = timing.uncharged(before, event.session.updated_at), old.progress
    charged = clocks.charge(old, spent)
    amount = balance(charged) - balance(old)
    if progress is None:
        return [Entry(LineKind.SPENT, amount, note=overtime(old, charged))], []
    lag_ms, grants = event.turn.credited_ms if event.turn else 0, not before.limit_passed
    _, settled = controlled_clock.settle(old, progress, spent, lag_ms=lag_ms, grants=grants)
    total = progress.open_ms + spent
    free = f"a free turn of {total} ms" if controlled_clock.is_free(progress) else ""
    withheld = "" if grants else "past the limit of the turn, so nothing is granted"
    turn = [
        Entry(
            LineKind.SPENT,
            amount,
            settled.periods_burnt - burnt(old),
            joined(free, overtime(old, charged), withheld),
        ),
        Entry(LineKind.LAG_CREDITED, settled.credited_ms),
    ]
    gained = controlled_clock.gained_by_promotion(old, progress, total - settled.credited_ms, grants=grants)
    new = clock_of(event.session, change.holder)
    place = new.progress.stage if new is not None and new.progress is not None else settled.stage
    return turn, [Entry(LineKind.STAGE, gained, note=f"stage {place}")] if gained else []


def _part_of_turn(change: Change) -> tuple[list[Entry], list[Entry]]:
    """Return what the event charged of a turn that is not completed."""
    before, event, _, old = change
    after = event.session
    if after.cycle_number == before.cycle_number:
        spent = after.charged_ms - before.charged_ms
    else:
        spent = timing.uncharged(before, after.updated_at)
    charged = clocks.charge(old, spent)
    used_up = burnt(charged) - burnt(old)
    return [Entry(LineKind.SPENT, balance(charged) - balance(old), used_up, overtime(old, charged))], []


def _is_completed(before: Session, event: Event) -> bool:
    """Whether the event completed the turn that ran before it."""
    active = before.active_participant
    if active is None:
        return False
    place = position_of(event.session, active.participant_id)
    return place is not None and event.session.participants[place].cycle_count > active.cycle_count


def _rest(change: Change, amount_ms: int) -> Entry:
    """Return the entry of what changed a clock beside what its turn spent."""
    before, event, holder, old = change
    if event.type is EventType.TIME_ADJUSTED and is_about(event, holder):
        why = ": ".join(filter(None, (event.author.who, event.author.reason)))
        return Entry(LineKind.ADJUSTED, amount_ms, note=why)
    if event.type is EventType.SESSION_RECOVERED:
        why = f"recovered as of version {before.version}: what came later, and is not here, is lost"
        return Entry(LineKind.RECOVERED, amount_ms, note=why)
    if before.rules.mode is Mode.PER_CYCLE:
        return Entry(LineKind.REFILLED, amount_ms)
    if before.rules.soft_close is not None:
        return Entry(LineKind.EXTENDED, amount_ms)
    if old.progress is None:
        return Entry(LineKind.GRANT, amount_ms)
    if not turns.has_turn(before, *holder):
        return Entry(LineKind.TRANSFER, amount_ms)
    spent = timing.uncharged(before, event.session.updated_at)
    return Entry(LineKind(controlled_clock.gain_kind(old, old.progress, old.progress.open_ms + spent)), amount_ms)


def _end_of(old: Clock, new: Clock) -> str:
    """Return how a clock came to its end, if it did."""
    if new.is_expired and not old.is_expired:
        return "out at the limit of the turn" if balance(new) else "ran out"
    return "ran out" if new.in_overtime and not old.in_overtime and balance(old) != balance(new) else ""


def balance(clock: Clock) -> int:
    """Return what the lines of the clock sum to, in ms; 0 for a clock without a budget."""
    return clocks.balance(clock) or 0


def burnt(clock: Clock) -> int:
    """Return how many periods the clock's turn has burnt so far."""
    return 0 if clock.progress is None else controlled_clock.burnt_periods(clock, clock.progress)


def overtime(old: Clock, new: Clock) -> str:
    """Return the note of a turn that ran on in overtime."""
    over = new.overtime_ms - old.overtime_ms
    return f"{over} ms in overtime" if over else ""


def joined(*notes: str) -> str:
    """Return several notes as one."""
    return "; ".join(filter(None, notes))
