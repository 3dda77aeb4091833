"""An hourglass: what a turn spends flows to the other holders, so that the sum never changes."""

from dataclasses import dataclass
from typing import ClassVar

from synckairos.domain.families.family import NO_BANK, Family


@dataclass(frozen=True, slots=True)
class Hourglass(Family):
    """The bank of an hourglass; the session passes on what a turn spends."""

    name: ClassVar[str] = "hourglass"

    def describe(self, bank: str) -> str:
        """Return the bank, and where it goes."""
        return f"{bank or NO_BANK}; what a turn takes flows to the others"


def shares(charge: int, receivers: int) -> list[int]:
    """Divide what a turn spent among its receivers in rotation order: the first get the odd milliseconds."""
    each, odd = divmod(charge, receivers) if receivers else (0, 0)
    return [each + (place < odd) for place in range(receivers)]
