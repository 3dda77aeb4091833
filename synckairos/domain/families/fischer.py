"""An increment after every turn, or before it; the bank may have a cap."""

from dataclasses import dataclass
from typing import ClassVar

from synckairos.domain.families.family import Family, Parts
from synckairos.domain.families.words import in_words


@dataclass(frozen=True, slots=True)
class Fischer(Family):
    """`increment_ms` for a turn, never lifting the bank above `cap_ms`, which itself takes nothing away; 0: no cap.

    `before_turn`: the increment of the holder's next turn is granted, and one at creation.
    """

    name: ClassVar[str] = "fischer"
    increment_ms: int = 0
    cap_ms: int = 0
    before_turn: bool = False

    def describe(self, bank: str) -> str:
        """Return the bank and the increment."""
        told = Family.describe(self, bank)
        if self.increment_ms:
            when = "before" if self.before_turn else "after"
            told += f", and {in_words(self.increment_ms)} more {when} every turn"
        return told + (f", up to {in_words(self.cap_ms)} on the clock" if self.increment_ms and self.cap_ms else "")

    def settle(self, parts: Parts, spent: int, *, grants: bool = True) -> Parts:
        """Charge the turn, then grant the increment; one that is granted before a turn is for `granted`."""
        left = parts.bank_ms - spent
        if grants and not self.before_turn:
            left = incremented(left, self.increment_ms, self.cap_ms)
        return parts.with_bank(left)

    def granted(self, parts: Parts) -> Parts:
        """Return the parts with one increment."""
        return parts.with_bank(incremented(parts.bank_ms, self.increment_ms, self.cap_ms))


def incremented(bank_ms: int, increment_ms: int, cap_ms: int) -> int:
    """Return a bank with one increment: r + min(I, max(0, C - r)); without a cap (0): r + I."""
    return bank_ms + (min(increment_ms, max(0, cap_ms - bank_ms)) if cap_ms else increment_ms)
