"""Canadian overtime: after the main time, a block of time for a number of turns, again and again."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from synckairos.domain.families.family import NO_BANK, Family, GainKind, Parts, Phase, PhaseKind, Standing
from synckairos.domain.families.words import counted, in_words


@dataclass(frozen=True, slots=True)
class Canadian(Family):
    """`turns` within `period_ms`; whoever makes them gets a whole block again."""

    name: ClassVar[str] = "canadian"
    has_time_beside_bank: ClassVar[bool] = True
    gain_kind: ClassVar[GainKind] = GainKind.REFILLED
    turns: int
    period_ms: int

    def describe(self, bank: str) -> str:
        """Return the main time and the block."""
        turns = counted(self.turns, "turn") if self.turns > 1 else "turn"
        return f"{bank or NO_BANK}, then {in_words(self.period_ms)} for every {turns}"

    def begin(self, bank_ms: int) -> Parts:
        """Return the main time with a whole block."""
        return Parts(bank_ms, block_ms=self.period_ms, block_turns=self.turns)

    def budget(self, parts: Parts) -> int:
        """Return the main time and what is left of the block."""
        return parts.bank_ms + parts.block_ms

    def settle(self, parts: Parts, spent: int, *, grants: bool = True) -> Parts:  # noqa: ARG002 - it only refills
        """Take the turn from the main time, or from the block, which the last of its turns refills."""
        if spent < parts.bank_ms:
            return parts.with_bank(parts.bank_ms - spent)
        if parts.block_turns == 1:
            return self.begin(0)
        return Parts(0, block_ms=self.budget(parts) - spent, block_turns=parts.block_turns - 1)

    def charge(self, parts: Parts, spent: int) -> Standing:
        """Return the main time, what is left of the block, and its turns."""
        block_ms = parts.block_ms - max(0, spent - parts.bank_ms)
        return Standing(
            max(0, parts.bank_ms - spent), period_remaining_ms=block_ms, period_turns_left=parts.block_turns
        )

    def phases(self, parts: Parts) -> Iterator[Phase]:
        """Yield the main time, the block, the flag."""
        if parts.bank_ms > 0:
            yield Phase(0, PhaseKind.MAIN, parts.bank_ms, -1)
        if parts.block_ms > 0:
            yield Phase(parts.bank_ms, PhaseKind.PERIOD, parts.block_ms, -1)
        yield Phase(self.budget(parts), PhaseKind.FLAG, 0, 0)

    def left(self, parts: Parts, spent: int) -> int:
        """Return what the main time, or else the block, has left."""
        return parts.bank_ms - spent if spent < parts.bank_ms else self.budget(parts) - spent

    def adjust(self, parts: Parts, spent: int, target: int) -> Parts:
        """Return the parts, of which the main time, or else the block, has `target` ms left."""
        if spent < parts.bank_ms or not parts.block_turns:
            return parts.with_bank(target + spent)
        return parts._replace(block_ms=target + spent - parts.bank_ms)
