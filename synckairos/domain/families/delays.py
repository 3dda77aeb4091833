"""Delays: a turn's first moments cost nothing; shown as a wait (simple delay), or given back (Bronstein)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from synckairos.domain.families.family import NO_BANK, Family, GainKind, Parts, Phase, PhaseKind, Standing
from synckairos.domain.families.words import in_words


@dataclass(frozen=True, slots=True)
class SimpleDelay(Family):
    """The bank stands still for the first `delay_ms` of every turn."""

    name: ClassVar[str] = "simple_delay"
    gain_kind: ClassVar[GainKind] = GainKind.DELAY_SPARED
    delay_ms: int

    @property
    def before_bank_ms(self) -> int:
        """The delay."""
        return self.delay_ms

    def describe(self, bank: str) -> str:
        """Return the bank, and for how long it waits."""
        return f"{bank or NO_BANK}; in every turn the clock waits {in_words(self.delay_ms)} before it runs"

    def budget(self, parts: Parts) -> int:
        """Return the delay and the bank."""
        return parts.bank_ms + self.delay_ms

    def settle(self, parts: Parts, spent: int, *, grants: bool = True) -> Parts:  # noqa: ARG002 - it only spares
        """Take what the turn spent beyond the delay."""
        return parts.with_bank(self.left(parts, spent))

    def charge(self, parts: Parts, spent: int) -> Standing:
        """Return the bank, and what is left of the delay."""
        return Standing(self.left(parts, spent), delay_remaining_ms=max(0, self.delay_ms - spent))

    def phases(self, parts: Parts) -> Iterator[Phase]:
        """Yield the delay, the bank, the flag."""
        yield Phase(0, PhaseKind.DELAY, parts.bank_ms, 0)
        for phase in Family.phases(self, parts):
            yield phase._replace(spent_ms=phase.spent_ms + self.delay_ms)

    def left(self, parts: Parts, spent: int) -> int:
        """Return what the bank has left."""
        return parts.bank_ms - max(0, spent - self.delay_ms)

    def adjust(self, parts: Parts, spent: int, target: int) -> Parts:
        """Return the parts whose bank has `target` ms left."""
        return parts.with_bank(target + max(0, spent - self.delay_ms))


@dataclass(frozen=True, slots=True)
class Bronstein(Family):
    """A completed turn gives back what it spent, at most `delay_ms`."""

    name: ClassVar[str] = "bronstein"
    gain_kind: ClassVar[GainKind] = GainKind.DELAY_SPARED
    delay_ms: int

    def describe(self, bank: str) -> str:
        """Return the bank, and what is given back."""
        return f"{bank or NO_BANK}; every turn gets back what it took, up to {in_words(self.delay_ms)}"

    def settle(self, parts: Parts, spent: int, *, grants: bool = True) -> Parts:
        """Take what the turn spent, and give back at most the delay."""
        returned = min(spent, self.delay_ms) if grants else 0
        return parts.with_bank(parts.bank_ms - spent + returned)
