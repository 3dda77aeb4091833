"""Time that stands still until a test lets it go on."""

from typing import Final

from synckairos.application.ports import Estimate

START_US: Final = 1_767_225_600_123_456
"""An arbitrary instant, not on a whole millisecond."""


class FakeClock:
    """The authority's clock, and the estimate of it, for a test that does not want to wait."""

    def __init__(self, now_us: int = START_US) -> None:
        self.us = now_us
        self.error_us: int | None = 321
        """By how much the estimate says that it may be wrong."""

    @property
    def is_set(self) -> bool:
        """It always is."""
        return True

    def now_us(self) -> int:
        """Return the time in microseconds since 1970."""
        return self.us

    def estimate(self) -> Estimate:
        """Return the time, and its stated error."""
        return Estimate(self.us, self.error_us)

    def spread_us(self) -> int:
        """Return 0: this clock is the only one."""
        return 0

    def until_s(self, instant_us: int) -> float:
        """Return in how many seconds an instant comes, 0 if it has come."""
        return max(0.0, (instant_us - self.us) / 1_000_000)

    @property
    def ms(self) -> int:
        """The time in ms since 1970."""
        return self.us // 1_000

    def advance(self, ms: int) -> None:
        """Let this much time pass; a step back if negative."""
        self.us += ms * 1_000
