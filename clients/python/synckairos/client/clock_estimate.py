"""What a local clock tells of the server's: offsets from four timestamps, and a clock that shows them. No I/O.

All instants and durations here are microseconds: local ones of a clock that never steps, the server's since 1970.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

DRIFT_PPM: Final = 100
"""How far two clocks go apart, in microseconds a second; what a common clock is off, and correcting it, cost less."""
SERVER_ERROR_US: Final = 500
"""What a server's own estimate is taken to be wrong by where it does not say: an earlier version, on a calm machine."""
ROUNDING_US: Final = 3
"""What is lost here by cutting instants off to whole microseconds."""
SLEW: Final = 10
"""A correction takes so many times its size."""
STEP_US: Final = 1_000_000
"""A larger correction is not slewed: a clock behind steps forward, one ahead waits."""


class Sample(NamedTuple):
    """One exchange: sent and received by the local clock, and the server's two instants between, with their error."""

    sent: int
    server_received: int
    server_sent: int
    received: int
    server_error: int = SERVER_ERROR_US

    @property
    def round_trip(self) -> int:
        """The time on the way, there and back."""
        return (self.received - self.sent) - (self.server_sent - self.server_received)

    @property
    def offset(self) -> int:
        """What to add to the local clock to have the server's; wrong by at most half of the round trip."""
        return ((self.server_received - self.sent) + (self.server_sent - self.received)) // 2

    @property
    def error(self) -> int:
        """By how much the offset may be wrong: by what the way leaves open, and by what the server does not know."""
        return -(-self.round_trip // 2) + self.server_error


class Reading(NamedTuple):
    """The server's time, and by how much it may be wrong, in microseconds."""

    server_us: int
    uncertainty_us: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """The server's clock is the local one plus `offset`, to within `error` at the local instant `taken`."""

    offset: int
    error: int
    taken: int

    def error_at(self, local: int) -> int:
        """Return by how much it may be wrong at a local instant."""
        return self.error + max(0, local - self.taken) * DRIFT_PPM // 1_000_000

    def agrees_with(self, other: "Estimate", local: int) -> bool:
        """Whether both can be right."""
        return abs(self.offset - other.offset) <= self.error_at(local) + other.error_at(local)


def estimate_of(samples: Sequence[Sample]) -> Estimate:
    """Return what the sample with the least error says: that of the shortest round trip, if the server says nothing."""
    best = min(samples, key=lambda sample: sample.error)
    return Estimate(best.offset, best.error, best.received)


def server_error(stated: int) -> int:
    """Return what to reckon with, by what a server states (`SyncTimeResponse.server_error_us`)."""
    return stated + ROUNDING_US if stated > 0 else SERVER_ERROR_US


@dataclass(frozen=True, slots=True)
class ShownTime:
    """A clock that shows an estimate, and gets rid of what it was off before little by little: it never goes back.

    `gap` is by how much it was ahead of the estimate at the local instant `since`; it is lost within `SLEW` times as
    long, or by waiting where it is large.
    """

    estimate: Estimate
    since: int
    gap: int = 0

    def at(self, local: int) -> Reading:
        """Return what it shows at a local instant."""
        gap = self._gap_at(local)
        return Reading(local + self.estimate.offset + gap, self.estimate.error_at(local) + abs(gap))

    def corrected(self, found: Estimate, local: int) -> "ShownTime":
        """Return the clock after another estimate was found.

        An older one is kept while it is the better one; where both cannot be right, the server's clock has changed.
        """
        known = self.estimate
        is_better = found.error_at(local) <= known.error_at(local)
        if not is_better and known.agrees_with(found, local):
            return self
        gap = self.at(local).server_us - (local + found.offset)
        return ShownTime(found, local, 0 if gap < -STEP_US else gap)

    def _gap_at(self, local: int) -> int:
        passed = max(0, local - self.since)
        lost = passed if self.gap > STEP_US else passed // SLEW
        left = max(0, abs(self.gap) - lost)
        return left if self.gap > 0 else -left
