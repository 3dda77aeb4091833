"""The parts of a clock, and what every clock family can say about them.

A family is a pure value: its parameters, and five answers about the parts of one holder's clock. `spent` is the time
of the running turn in ms. A turn that spends its whole budget is flagged and gains nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final, NamedTuple

NO_BANK: Final = "no main time"


class Parts(NamedTuple):
    """A clock at the beginning of a turn, in ms; `extra_ms` is what an adjustment added to the next period."""

    bank_ms: int
    periods: int = 0
    extra_ms: int = 0
    block_ms: int = 0
    block_turns: int = 0

    def with_bank(self, bank_ms: int) -> "Parts":
        """Return the parts with another bank; a third of what `_replace` takes."""
        return Parts(bank_ms, self.periods, self.extra_ms, self.block_ms, self.block_turns)


class PhaseKind(IntEnum):
    """What a running clock does; the numbers are the contract's."""

    FREE = 1
    DELAY = 2
    MAIN = 3
    PERIOD = 4
    RESERVE = 5
    PENALTY = 6
    OVERTIME = 7
    FLAG = 8


class Phase(NamedTuple):
    """From `spent_ms` of the turn on, the clock shows `display_ms` and changes it by `rate` ms each ms."""

    spent_ms: int
    kind: PhaseKind
    display_ms: int
    rate: int
    periods_left: int = 0


class Standing(NamedTuple):
    """How the parts stand in the middle of a turn, in ms; None where the family has no such part."""

    bank_ms: int
    periods_left: int | None = None
    period_remaining_ms: int | None = None
    period_turns_left: int | None = None
    delay_remaining_ms: int | None = None
    penalty_points: int | None = None


class GainKind(IntEnum):
    """Why a holder has more time than it had less what it spent; the numbers are those of the contract's ledger."""

    GRANT = 3
    DELAY_SPARED = 4
    REFILLED = 5


@dataclass(frozen=True, slots=True)
class Family:
    """How one kind of clock spends and gains time; as it stands here: one bank, spent to the millisecond."""

    name: ClassVar[str] = "absolute"
    has_time_beside_bank: ClassVar[bool] = False
    """Whether a turn that leaves nothing of the bank may end before the flag."""
    has_time_again: ClassVar[bool] = False
    """Whether a turn in overtime is followed by one with time of its own."""
    gain_kind: ClassVar[GainKind] = GainKind.GRANT
    """Why a completed turn gained time, where that is always the same."""

    @property
    def before_bank_ms(self) -> int:
        """How long a turn runs before it touches the bank."""
        return 0

    def describe(self, bank: str) -> str:
        """Return in words how a stage is spent that begins with this bank; the empty string stands for none."""
        return bank or NO_BANK

    def begin(self, bank_ms: int) -> Parts:
        """Return the parts with which a stage of this family begins."""
        return Parts(bank_ms)

    def budget(self, parts: Parts) -> int | None:
        """Return what a turn may spend before the flag, in ms; None if there is no flag."""
        return parts.bank_ms

    def settle(self, parts: Parts, spent: int, *, grants: bool = True) -> Parts:  # noqa: ARG002 - absolute: none
        """Return the parts after a completed turn of `spent` ms; `grants` False withholds what a turn earns."""
        return parts.with_bank(parts.bank_ms - spent)

    def charge(self, parts: Parts, spent: int) -> Standing:
        """Return how the parts stand after `spent` ms of a turn that is not completed."""
        return Standing(parts.bank_ms - spent)

    def phases(self, parts: Parts) -> Iterator[Phase]:
        """Yield the phases of a whole turn up to its flag, in order."""
        if parts.bank_ms > 0:
            yield Phase(0, PhaseKind.MAIN, parts.bank_ms, -1)
        yield Phase(parts.bank_ms, PhaseKind.FLAG, 0, 0)

    def least_left(self, bank_ms: int) -> int | None:
        """Return the least bank that completed turns leave, where they begin with at least `bank_ms`; None: any."""
        return 0 if self.has_time_beside_bank else min(bank_ms, 1)

    def flagged(self, parts: Parts) -> Parts:  # noqa: ARG002 - a family may keep something
        """Return what a clock that ran out goes on with in overtime."""
        return Parts(0)

    def gain(self, parts: Parts, spent: int) -> GainKind:  # noqa: ARG002 - a family may look at both
        """Return why a completed turn of `spent` ms gained time."""
        return self.gain_kind

    def left(self, parts: Parts, spent: int) -> int:
        """Return what the part that an adjustment changes has left after `spent` ms."""
        return parts.bank_ms - spent

    def least(self, parts: Parts, spent: int) -> int:  # noqa: ARG002 - a family may look at both
        """Return the least that part may be left with, in ms; the clock flags there, unless it is a period's 1 ms."""
        return 0

    def adjust(self, parts: Parts, spent: int, target: int) -> Parts:
        """Return the parts, of which the one that an adjustment changes has `target` ms left after `spent` ms."""
        return parts.with_bank(target + spent)
