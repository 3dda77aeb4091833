"""An increment after every turn, or before it; the bank may have a cap."""

from dataclasses import dataclass
from typing import ClassVar

from synckairos.domain.families.parts import Family, Parts
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
        rest = parts._replace(bank_ms=parts.bank_ms - spent)
        return self.granted(rest) if grants and not self.before_turn else rest

    def granted(self, parts: Parts) -> Parts:
        """Return the parts with one increment: bank = r + min(I, max(0, C - r))."""
        grant = self.increment_ms
        if self.cap_ms:
            grant = min(grant, max(0, self.cap_ms - parts.bank_ms))
        return parts._replace(bank_ms=parts.bank_ms + grant)
