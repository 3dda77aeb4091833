"""Books of one holder's clock, kept beside the service: from what a record says to how the clock must stand.

They share no arithmetic with the service; of its domain they read only what a control agrees on. Times are in ms.
"""

from abc import ABC, abstractmethod
from enum import Enum
from typing import Final, NamedTuple

from synckairos.domain.controls.time_control import Stage, TimeControl
from synckairos.domain.families import ABSOLUTE
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.canadian import Canadian
from synckairos.domain.families.delays import Bronstein, SimpleDelay
from synckairos.domain.families.fischer import Fischer
from testing.reality.records import Move

UNCOUNTED_MS: Final = 5_000
"""Free turns whose length nobody recorded are made shorter than this."""


class Shown(Enum):
    """When a record shows what a completed turn has granted; the value is how people call it."""

    AT_ONCE = "at once"
    """Chess servers and engines' increments; KGS, whose overtime stands at its full period after a move."""
    LATE = "a move late"
    """Increments, stages' bonuses, whole periods and blocks first show after the holder's next move: IGS, old TCEC."""
    BONUS_LATE = "bonus a move late"
    """Only the bonus of a stage does, while increments show at once."""


class Contradiction(Exception):
    """The record does not follow from its own control, as this convention would show it."""


class Standing(NamedTuple):
    """How a clock stands between two turns of its holder, as the service shows it; None where it has no such part."""

    bank_ms: int
    remaining_ms: int
    periods_left: int | None = None
    period_remaining_ms: int | None = None
    period_turns_left: int | None = None


class Book(ABC):
    """The books of a clock; `hidden_ms` is what it has and the record does not show yet."""

    def __init__(self, bank_ms: int) -> None:
        self.bank_ms = bank_ms
        self.hidden_ms = 0
        self.is_drawn = False
        """Whether the record was silent about the last turn, so that its time was drawn."""

    @property
    @abstractmethod
    def standing(self) -> Standing:
        """How the clock stands now."""

    @property
    def visible_ms(self) -> int:
        """What a record shows of the clock, but for what is hidden."""
        standing = self.standing
        return self.bank_ms if self.bank_ms or standing.period_remaining_ms is None else standing.period_remaining_ms

    @abstractmethod
    def spent(self, move: Move, shown: Shown, place: int) -> int:
        """Return how long a turn took by what the record shows of its clock; where that is silent, by something else.

        Below zero if the clock shows more than it had.
        """

    def drawn(self, end: int, place: int) -> int:
        """Return a time below `end`: by turns nothing, 1 ms, half, and all but 1 ms."""
        self.is_drawn = True
        return (0, min(1, end - 1), end // 2, end - 1)[place % 4]

    @abstractmethod
    def settle(self, spent: int, shown: Shown) -> None:
        """Enter a completed turn."""


class BankBook(Book):
    """One bank, with an increment or a delay, in stages."""

    def __init__(self, control: TimeControl) -> None:
        super().__init__(control.stages[0].base_ms)
        self._stages = control.stages
        self._free_turns = control.free_turns
        self._place = self._made_of_stage = self._made = 0

    @property
    def standing(self) -> Standing:
        """How the clock stands now."""
        family = self._stage.family
        delay_ms = family.delay_ms if isinstance(family, SimpleDelay) else 0
        return Standing(self.bank_ms, self.bank_ms + delay_ms)

    def spent(self, move: Move, shown: Shown, place: int) -> int:
        """Return what the clock was charged, and the time it did not count."""
        if self._is_free:
            return self.drawn(UNCOUNTED_MS, place) if move.spent_ms is None else move.spent_ms
        if move.left_ms is None:
            return recorded(move, place)
        charged = self.bank_ms + self._increment_ms + self._bonus_ms - self._late_ms(shown) - move.left_ms
        if charged or not self._spared_ms:
            return charged + self._spared_ms
        return self.drawn(self._spared_ms, place) if move.spent_ms is None else move.spent_ms

    def settle(self, spent: int, shown: Shown) -> None:
        """Charge the turn, grant, and begin the next stage after the last turn of one; free turns only count."""
        charged = 0 if self._is_free else max(0, spent - self._spared_ms)
        bonus_ms = self._bonus_ms
        self.hidden_ms = self._late_ms(shown)
        self.bank_ms += self._increment_ms + bonus_ms - charged
        self._made += 1
        self._made_of_stage += 1
        if self._made_of_stage == self._stage.turns:
            self._place = min(self._place + 1, len(self._stages) - 1)
            self._made_of_stage = 0

    @property
    def _stage(self) -> Stage:
        return self._stages[self._place]

    @property
    def _is_free(self) -> bool:
        return self._made < self._free_turns

    @property
    def _spared_ms(self) -> int:
        family = self._stage.family
        return family.delay_ms if isinstance(family, SimpleDelay | Bronstein) else 0

    @property
    def _increment_ms(self) -> int:
        family = self._stage.family
        return family.increment_ms if isinstance(family, Fischer) and not self._is_free else 0

    @property
    def _bonus_ms(self) -> int:
        """What the next stage adds, if this turn is the last of its stage."""
        if self._made_of_stage + 1 != self._stage.turns:
            return 0
        return self._stages[min(self._place + 1, len(self._stages) - 1)].base_ms

    def _late_ms(self, shown: Shown) -> int:
        late = {Shown.AT_ONCE: 0, Shown.BONUS_LATE: self._bonus_ms}
        return late.get(shown, self._increment_ms + self._bonus_ms)


class ByoYomiBook(Book):
    """A bank, then periods that come back whole unless a turn uses them up."""

    def __init__(self, bank_ms: int, family: ByoYomi) -> None:
        super().__init__(bank_ms)
        self._family = family
        self._periods = family.periods

    @property
    def standing(self) -> Standing:
        """How the clock stands now."""
        period_ms = self._family.period_ms
        return Standing(self.bank_ms, self.bank_ms + self._periods * period_ms, self._periods, period_ms)

    def spent(self, move: Move, shown: Shown, place: int) -> int:
        """Return what the clock was charged; in overtime the periods that are gone, and a part of one.

        A record that shows whole periods at once is silent about that part: it is drawn, from nothing to all but 1 ms.
        """
        if move.left_ms is None:
            return recorded(move, place)
        if move.overtime_left is None:
            return self._family.increment_ms * (shown is not Shown.LATE) + self.bank_ms - move.left_ms
        period_ms = self._family.period_ms
        part = self.drawn(period_ms, place) if shown is not Shown.LATE else period_ms - move.left_ms
        return self.bank_ms + (self._periods - move.overtime_left) * period_ms + part

    def settle(self, spent: int, shown: Shown) -> None:
        """Charge the main time and grant the increment, or burn periods."""
        is_late = shown is Shown.LATE
        if spent < self.bank_ms:
            self.bank_ms += self._family.increment_ms - spent
            self.hidden_ms = self._family.increment_ms * is_late
            return
        burnt, part = divmod(spent - self.bank_ms, self._family.period_ms)
        self.bank_ms = 0
        self._periods -= burnt
        self.hidden_ms = part * is_late


class CanadianBook(Book):
    """A bank, then blocks of time for a number of turns."""

    def __init__(self, bank_ms: int, family: Canadian) -> None:
        super().__init__(bank_ms)
        self._family = family
        self._block_ms, self._turns = family.period_ms, family.turns

    @property
    def standing(self) -> Standing:
        """How the clock stands now."""
        left = self.bank_ms + self._block_ms
        return Standing(self.bank_ms, left, None, self._block_ms, self._turns)

    def spent(self, move: Move, shown: Shown, place: int) -> int:
        """Return what the clock was charged; a clock that shows more than the main time left is in overtime.

        A record that shows the whole block at once is silent about the turn that earned it: it is drawn.
        """
        if move.left_ms is None:
            return recorded(move, place)
        if move.overtime_left is None and move.left_ms <= self.bank_ms:
            return self.bank_ms - move.left_ms
        if self._turns == 1 and shown is not Shown.LATE:
            return self.bank_ms + self.drawn(self._block_ms, place)
        return self.bank_ms + self._block_ms - move.left_ms

    def settle(self, spent: int, shown: Shown) -> None:
        """Charge the main time, or the block, and count the turn; the last of a block brings a whole one."""
        self.hidden_ms = 0
        if spent < self.bank_ms:
            self.bank_ms -= spent
            return
        self._block_ms -= spent - self.bank_ms
        self.bank_ms = 0
        self._turns -= 1
        if not self._turns:
            whole = self._family.period_ms
            self.hidden_ms = (whole - self._block_ms) * (shown is Shown.LATE)
            self._block_ms, self._turns = whole, self._family.turns


def recorded(move: Move, place: int) -> int:
    """Return the time that a turn took by its record; raises Contradiction if it does not tell."""
    if move.spent_ms is None:
        raise Contradiction(f"turn {place} tells neither the time it took nor the time left")
    return move.spent_ms


def open_book(control: TimeControl) -> Book:
    """Return the books of a new clock; raises Contradiction for a control that no record is known of."""
    families = {stage.family for stage in control.stages}
    first = control.stages[0]
    if control.turn_limit_ms or control.free_turn_limit_ms or control.lag_compensation:
        raise Contradiction("limits of turns are not modelled")
    if len(control.stages) == 1 and not control.free_turns:
        if isinstance(first.family, ByoYomi):
            return ByoYomiBook(first.base_ms, first.family)
        if isinstance(first.family, Canadian):
            return CanadianBook(first.base_ms, first.family)
    for family in families:
        is_plain = isinstance(family, Fischer) and not family.cap_ms and not family.before_turn
        if not (is_plain or family == ABSOLUTE or isinstance(family, SimpleDelay | Bronstein)):
            raise Contradiction(f"records under {family.name} as it stands here are not modelled")
    return BankBook(control)
