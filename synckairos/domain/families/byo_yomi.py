"""Byo-yomi: after the main time, periods that come back whole unless a turn uses them up."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from synckairos.domain.families.family import NO_BANK, Family, GainKind, Parts, Phase, PhaseKind, Standing
from synckairos.domain.families.words import counted, in_words


@dataclass(frozen=True, slots=True)
class ByoYomi(Family):
    """`periods` of `period_ms` each; a turn in main time earns `increment_ms`.

    budget = B + n * P + x, where x is what an adjustment added to the period that runs next, once.
    """

    name: ClassVar[str] = "byo_yomi"
    has_time_beside_bank: ClassVar[bool] = True
    periods: int
    period_ms: int
    increment_ms: int = 0

    def describe(self, bank: str) -> str:
        """Return the main time and the periods."""
        told = bank or NO_BANK
        if self.increment_ms:
            told += f", with {in_words(self.increment_ms)} more after every turn that ends in it"
        periods = f"{counted(self.periods, 'period')} of {in_words(self.period_ms)}"
        return f"{told}, then {periods}: a turn that ends within a period gets it back whole"

    def begin(self, bank_ms: int) -> Parts:
        """Return the main time with all periods."""
        return Parts(bank_ms, periods=self.periods)

    def budget(self, parts: Parts) -> int:
        """Return the main time and all periods."""
        return parts.bank_ms + parts.periods * self.period_ms + parts.extra_ms

    def burnt(self, parts: Parts, spent: int) -> int:
        """Return how many periods a turn has used up."""
        over = spent - parts.bank_ms
        first = self.period_ms + parts.extra_ms
        return 0 if over < first else 1 + (over - first) // self.period_ms

    def settle(self, parts: Parts, spent: int, *, grants: bool = True) -> Parts:
        """Take the turn from the main time and grant the increment; or burn periods."""
        if spent < parts.bank_ms:
            return parts.with_bank(parts.bank_ms - spent + (self.increment_ms if grants else 0))
        return Parts(0, periods=parts.periods - self.burnt(parts, spent))

    def charge(self, parts: Parts, spent: int) -> Standing:
        """Return the main time, the periods left with the one that runs, and what is left of it."""
        if spent < parts.bank_ms:
            return Standing(parts.bank_ms - spent, parts.periods, self._length(parts, 0))
        burnt = self.burnt(parts, spent)
        if burnt >= parts.periods:
            return Standing(0, 0, 0)
        return Standing(0, parts.periods - burnt, self.left(parts, spent))

    def phases(self, parts: Parts) -> Iterator[Phase]:
        """Yield the main time, each period, the flag."""
        if parts.bank_ms > 0:
            yield Phase(0, PhaseKind.MAIN, parts.bank_ms, -1, parts.periods)
        at = parts.bank_ms
        for burnt in range(parts.periods):
            length = self._length(parts, burnt)
            yield Phase(at, PhaseKind.PERIOD, length, -1, parts.periods - burnt)
            at += length
        yield Phase(at, PhaseKind.FLAG, 0, 0)

    def gain(self, parts: Parts, spent: int) -> GainKind:
        """Return the increment in main time, else that the period came back whole."""
        return GainKind.GRANT if spent < parts.bank_ms else GainKind.REFILLED

    def left(self, parts: Parts, spent: int) -> int:
        """Return what the main time, or else the period that runs, has left."""
        if spent < parts.bank_ms:
            return parts.bank_ms - spent
        if not parts.periods:
            return 0
        burnt, over = self.burnt(parts, spent), spent - parts.bank_ms
        ends = burnt * self.period_ms + (parts.extra_ms if burnt else 0) + self._length(parts, burnt)
        return ends - over

    def least(self, parts: Parts, spent: int) -> int:
        """Return 0 of the main time, 1 of a period: only time burns it."""
        return int(spent >= parts.bank_ms and parts.periods > 0)

    def adjust(self, parts: Parts, spent: int, target: int) -> Parts:
        """Return the parts, of which the main time, or else the first period, has `target` ms left.

        Periods that the turn has burnt must have been taken off before.
        """
        if spent < parts.bank_ms or not parts.periods:
            return parts.with_bank(target + spent)
        return parts._replace(extra_ms=target + spent - parts.bank_ms - self.period_ms)

    def _length(self, parts: Parts, burnt: int) -> int:
        return self.period_ms + (0 if burnt else parts.extra_ms)
