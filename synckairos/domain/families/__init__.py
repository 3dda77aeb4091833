"""The clock families; a new one is a module beside these, a line here, and what CONTRIBUTING.md lists besides."""

from typing import Final

from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.canadian import Canadian
from synckairos.domain.families.delays import Bronstein, SimpleDelay
from synckairos.domain.families.family import Family
from synckairos.domain.families.fischer import Fischer
from synckairos.domain.families.hourglass import Hourglass
from synckairos.domain.families.penalty import Penalty
from synckairos.domain.families.per_turn import PerTurn

__all__ = [
    "ABSOLUTE",
    "FAMILIES",
    "Bronstein",
    "ByoYomi",
    "Canadian",
    "Family",
    "Fischer",
    "Hourglass",
    "Penalty",
    "PerTurn",
    "SimpleDelay",
]

ABSOLUTE: Final = Family()
"""The family of a stage that names none: only its bank."""

FAMILIES: Final[tuple[type[Family], ...]] = (
    Family,
    Fischer,
    SimpleDelay,
    Bronstein,
    ByoYomi,
    Canadian,
    PerTurn,
    Hourglass,
    Penalty,
)
"""Where a family stands here is its number in what is stored: add at the end."""
