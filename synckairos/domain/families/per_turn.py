"""A time for every turn, and a reserve (time bank) for those that need more."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from synckairos.domain.families.family import Family, GainKind, Parts, Phase, PhaseKind, Standing
from synckairos.domain.families.words import in_words


@dataclass(frozen=True, slots=True)
class PerTurn(Family):
    """`turn_ms` for every turn; the bank is the reserve."""

    name: ClassVar[str] = "per_turn"
    has_time_beside_bank: ClassVar[bool] = True
    has_time_again: ClassVar[bool] = True
    gain_kind: ClassVar[GainKind] = GainKind.REFILLED
    turn_ms: int

    @property
    def before_bank_ms(self) -> int:
        """The turn's own time."""
        return self.turn_ms

    def describe(self, bank: str) -> str:
        """Return the turn's time and the reserve."""
        told = f"{in_words(self.turn_ms)} for every turn"
        return told + (f"; a longer turn takes from a reserve of {bank}" if bank else "")

    def budget(self, parts: Parts) -> int:
        """Return the turn's time and the reserve."""
        return self.turn_ms + parts.bank_ms

    def settle(self, parts: Parts, spent: int, *, grants: bool = True) -> Parts:  # noqa: ARG002 - it only refills
        """Take from the reserve what the turn spent beyond its time."""
        return parts.with_bank(self.left(parts, spent))

    def charge(self, parts: Parts, spent: int) -> Standing:
        """Return the reserve, and what is left of the turn's time."""
        return Standing(self.left(parts, spent), period_remaining_ms=max(0, self.turn_ms - spent))

    def phases(self, parts: Parts) -> Iterator[Phase]:
        """Yield the turn's time, the reserve, the flag."""
        yield Phase(0, PhaseKind.PERIOD, self.turn_ms, -1)
        if parts.bank_ms > 0:
            yield Phase(self.turn_ms, PhaseKind.RESERVE, parts.bank_ms, -1)
        yield Phase(self.budget(parts), PhaseKind.FLAG, 0, 0)

    def left(self, parts: Parts, spent: int) -> int:
        """Return what the reserve has left."""
        return parts.bank_ms - max(0, spent - self.turn_ms)

    def adjust(self, parts: Parts, spent: int, target: int) -> Parts:
        """Return the parts whose reserve has `target` ms left."""
        return parts.with_bank(target + max(0, spent - self.turn_ms))
