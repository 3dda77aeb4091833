"""A clock that runs on below zero and costs points there; at a limit it flags."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from synckairos.domain.families.family import NO_BANK, Family, Parts, Phase, PhaseKind, Standing
from synckairos.domain.families.words import counted, each, in_words

MAX_PENALTY_MS: Final = 28 * 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Penalty(Family):
    """`points` for each begun `unit_ms` below zero, down to -`limit_ms` (0: no limit); `increment_ms` for a turn."""

    name: ClassVar[str] = "penalty"
    limit_ms: int
    unit_ms: int
    points: int
    increment_ms: int = 0

    def describe(self, bank: str) -> str:
        """Return the bank, and what it costs to overdraw it."""
        told = bank or NO_BANK
        if self.increment_ms:
            told += f", and {in_words(self.increment_ms)} more after every turn"
        told += f"; below zero, {counted(self.points, 'point')} for each begun {each(self.unit_ms)}"
        return told + (f", and {in_words(self.limit_ms)} below zero the time is over" if self.limit_ms else "")

    def budget(self, parts: Parts) -> int | None:
        """Return the time down to the limit; None without one."""
        return parts.bank_ms + self.limit_ms if self.limit_ms else None

    def settle(self, parts: Parts, spent: int, *, grants: bool = True) -> Parts:
        """Charge the turn, then grant the increment."""
        return parts.with_bank(parts.bank_ms - spent + (self.increment_ms if grants else 0))

    def charge(self, parts: Parts, spent: int) -> Standing:
        """Return the bank, which may be negative, and the points it costs: points * ceil(max(0, -B) / U)."""
        bank_ms = parts.bank_ms - spent
        return Standing(bank_ms, penalty_points=self.points * -(min(0, bank_ms) // self.unit_ms))

    def phases(self, parts: Parts) -> Iterator[Phase]:
        """Yield the bank, the time below zero, and the flag if there is a limit."""
        if parts.bank_ms > 0:
            yield Phase(0, PhaseKind.MAIN, parts.bank_ms, -1)
        below = max(0, parts.bank_ms)
        budget = self.budget(parts)
        if budget is None or budget > below:
            yield Phase(below, PhaseKind.PENALTY, min(0, parts.bank_ms), -1)
        if budget is not None:
            yield Phase(budget, PhaseKind.FLAG, -self.limit_ms, 0)

    def least_left(self, bank_ms: int) -> int | None:  # noqa: ARG002 - always the same
        """Return the last millisecond before the limit."""
        return 1 - self.limit_ms if self.limit_ms else None

    def least(self, parts: Parts, spent: int) -> int:  # noqa: ARG002 - always the same
        """Return the limit, or how far 28 days of penalty reach."""
        return -(self.limit_ms or MAX_PENALTY_MS)

    def flagged(self, parts: Parts) -> Parts:  # noqa: ARG002 - always the same
        """Return the bank at its limit, where it stays."""
        return Parts(-self.limit_ms)
