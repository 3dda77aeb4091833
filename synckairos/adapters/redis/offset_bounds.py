"""Bounds of the offset between two clocks: every reading narrows them, time widens them. No I/O; microseconds."""

from typing import Final

DRIFT_PPM: Final = 100
"""How far two clocks go apart, in microseconds a second; clients of every language allow for as much."""
ROUNDING_US: Final = 4
"""What is lost by cutting instants, drift and the estimate itself off to whole microseconds."""


class OffsetBounds:
    """The bounds of what to add to a local clock, to be right by another one that was read over a slow way.

    A clock that showed `now` somewhere between the local instants `sent` and `received` is ahead by `now - received` at
    least, and by `now - sent` at most. All such pairs hold, so the tightest of each side count.
    """

    def __init__(self) -> None:
        # Both as of the local instant 0: what drift adds from there on is the same for every reading.
        self._least: int | None = None
        self._most: int | None = None

    def forget(self) -> None:
        """Know nothing any more."""
        self._least = self._most = None

    def take(self, now: int, sent: int | None, received: int) -> bool:
        """Take in a reading; False if it contradicts the ones before, which are forgotten then: a clock was set.

        Without the instant of sending there is no upper bound.
        """
        aged = _drift(received if sent is None else sent)
        least = now - received + aged
        most = None if sent is None else now - sent - aged
        if self._least is not None and least < self._least:
            least = self._least
        if self._most is not None and (most is None or most > self._most):
            most = self._most
        if most is not None and least - most > 2 * _drift(received) + ROUNDING_US:
            self.forget()
            self.take(now, sent, received)
            return False
        self._least, self._most = least, most
        return True

    def farthest(self, offset: int, at: int) -> int | None:
        """Return how far from the truth an offset may be at a local instant; None while a bound is missing."""
        if self._least is None or self._most is None:
            return None
        drift = _drift(at)
        return max(self._most + drift - offset, offset - self._least + drift) + ROUNDING_US


def _drift(passed: int) -> int:
    return passed * DRIFT_PPM // 1_000_000
