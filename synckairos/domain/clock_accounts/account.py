"""The account of a clock: why it shows what it shows, line by line.

The lines between two versions of a session are worked out with the arithmetic that moved the clock. What that leaves
over is a line too, so that they always sum to what the clock gained or lost between the two.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from synckairos.domain import timing, turns
from synckairos.domain.clock_accounts.entries import (
    Change,
    Entry,
    Holder,
    LineKind,
    balance,
    burnt,
    clock_of,
    entries,
    is_about,
    joined,
    overtime,
)
from synckairos.domain.events import Event, EventType
from synckairos.domain.model import Clock, Session


class Line(NamedTuple):
    """An entry in its place; `balance_ms` is the sum of this line and all before it."""

    version: int
    occurred_at: int
    entry: Entry
    balance_ms: int


_NOT_KEPT: Final = "the trail holds nothing before"
_GAP: Final = "the trail does not hold every version in between"

POSTED: Final = frozenset(EventType) - {
    EventType.SESSION_STARTED,
    EventType.SESSION_PAUSED,
    EventType.SESSION_RESUMED,
    EventType.SESSION_UPDATED,
    EventType.SESSION_DELETED,
    EventType.CLOCK_ADVANCED,
}
"""The events that may change what is stored of a clock, or say something about it: all but these."""


def flows_among_all(session: Session) -> bool:
    """Whether a turn changes the clocks of others than its holder: an hourglass is the family of every holder."""
    held = [holder.clock.progress for holder in (session.groups or session.participants)]
    return any(progress is not None and progress.control.flows for progress in held)


def balance_at(session: Session, holder: Holder) -> int | None:
    """Return what the holder's clock shows at the session's version, in ms; None for one that is not in the session."""
    clock = _shown(session, holder)
    return None if clock is None else balance(clock)


def _shown(session: Session, holder: Holder) -> Clock | None:
    """Return the clock as it is shown: in an hourglass with its share of the turn that runs."""
    return clock_of(timing.charge(session, session.updated_at), holder)


@dataclass(slots=True)
class Account:
    """A clock's account up to some version; `balance_ms` is what its lines sum to, None before the first."""

    holder: Holder
    balance_ms: int | None = None

    def post(self, before: Session | None, event: Event) -> list[Line]:
        """Return the lines of an event; `before` is the session of the version before, if it is known.

        Events that changed nothing of the clock may be left out.
        """
        return self._lines(event.session, [*self._up_to(before), *self._changes(before, event)])

    def close(self, session: Session) -> list[Line]:
        """Return the lines that lead from the last event to what the clock shows at the session's version."""
        clock = clock_of(session, self.holder)
        if clock is None:
            return []
        viewed = _shown(session, self.holder) or clock
        amount = balance(viewed) - balance(clock)
        used_up = burnt(viewed) - burnt(clock)
        kind = LineKind.SPENT if turns.has_turn(session, *self.holder) else LineKind.TRANSFER
        so_far = Entry(kind, amount, used_up, joined("so far", overtime(clock, viewed)))
        return self._lines(session, [*self._up_to(session), *([so_far] if amount or used_up else [])])

    def _up_to(self, before: Session | None) -> Iterator[Entry]:
        """Yield what leads to the clock as the version before has it, where that does not follow from the lines."""
        clock = None if before is None else clock_of(before, self.holder)
        if before is None or clock is None or balance(clock) == self.balance_ms:
            return
        if self.balance_ms is None:
            yield Entry(LineKind.BASE, balance(clock), note=f"what it had at version {before.version}; {_NOT_KEPT}")
        else:
            amount = balance(clock) - self.balance_ms
            yield Entry(LineKind.RECOVERED, amount, note=f"all that changed it up to version {before.version}; {_GAP}")

    def _changes(self, before: Session | None, event: Event) -> Iterator[Entry]:
        """Yield the entries of an event; from an unknown version before it, all that changed is one entry."""
        old = None if before is None else clock_of(before, self.holder)
        new = clock_of(event.session, self.holder)
        if before is not None and old is not None:
            yield from entries(Change(before, event, self.holder, old))
        elif (
            self.holder.participant_id and event.type is EventType.PARTICIPANT_REMOVED and is_about(event, self.holder)
        ):
            kind = LineKind.BASE if self.balance_ms is None else LineKind.RECOVERED
            left = event.subject.remaining_ms or 0
            yield Entry(kind, left - (self.balance_ms or 0), note=f"left the session; {_GAP}")
        elif new is not None:
            yield self._base(new, event)

    def _base(self, clock: Clock, event: Event) -> Entry:
        """Return the entry of a clock that was not there before, or of which it is not known."""
        amount = balance(clock) - (self.balance_ms or 0)
        if event.type is EventType.SESSION_CREATED:
            return Entry(LineKind.BASE, amount)
        if event.type is EventType.PARTICIPANT_ADDED and is_about(event, self.holder):
            again = f"again, without the {self.balance_ms} ms it left with" if self.balance_ms else ""
            return Entry(LineKind.BASE, amount, note=f"joined {again}".strip())
        if self.balance_ms is None:
            return Entry(LineKind.BASE, amount, note=f"what it had at version {event.session.version}; {_NOT_KEPT}")
        return Entry(LineKind.RECOVERED, amount, note=f"all that changed it up to this version; {_GAP}")

    def _lines(self, session: Session, posted: Iterable[Entry]) -> list[Line]:
        lines = []
        for entry in posted:
            self.balance_ms = (self.balance_ms or 0) + entry.amount_ms
            lines.append(Line(session.version, session.updated_at, entry, self.balance_ms))
        return lines
