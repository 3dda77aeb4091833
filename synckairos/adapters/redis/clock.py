"""An estimate of Redis' clock between readings: this process's monotonic clock plus the best recent offset."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from synckairos.adapters.redis.offset_bounds import OffsetBounds
from synckairos.application.ports import Estimate

WINDOW_S: Final = 10.0
SAMPLE_S: Final = 0.05
"""Pause between kept samples that are no better than the best: they replace it when it is old."""
STEP_BACK_US: Final = 1_000_000

_log = structlog.get_logger(__name__)


class EstimatedClock:
    """Redis' time, estimated; for ticks, wake-ups, warnings and SyncTime, never for a decision.

    A reading is older than it looks by the way back of its reply, so the largest offset of the last seconds is the
    best one, and the estimate errs towards the past: no timer fires too early by more than the clocks' drift.
    How late it may be follows from the instants at which readings were asked for. Readings that contradict each other
    (a clock was set) begin everything anew.
    Nothing here ever goes behind the highest reading: while Redis' clock does, this one stands still.
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, on_step_back: Callable[[], None] = lambda: None
    ) -> None:
        self._monotonic = monotonic
        self._on_step_back = on_step_back
        self._samples: deque[tuple[float, int]] = deque(maxlen=256)
        self._bounds = OffsetBounds()
        self._offset_us: int | None = None
        self._latest_us = self._highest_us = 0

    @property
    def is_set(self) -> bool:
        """Whether there has been a reading."""
        return self._offset_us is not None

    @property
    def offset_us(self) -> int | None:
        """How far the estimate is ahead of this process's monotonic clock; None before the first reading."""
        return self._offset_us

    def spread_us(self) -> int:
        """Return how far apart the clocks of the store are (microseconds): one Redis has one clock."""
        return 0

    def read(self, reply: Sequence[bytes], sent_s: float | None = None, node: str = "") -> int:  # noqa: ARG002 - one Redis has one node
        """Take in a reply to TIME that has just arrived; return the time in microseconds since 1970.

        `sent_s` is an instant of the monotonic clock at which TIME had not been sent yet.
        """
        self.note(int(reply[0]) * 1_000_000 + int(reply[1]), sent_s)
        return self._highest_us

    def note(self, now_us: int, sent_s: float | None = None) -> None:
        """Take in a reading of Redis' TIME (microseconds since 1970) that has just arrived."""
        at = self._monotonic()
        at_us = int(at * 1_000_000)
        offset = now_us - at_us
        if self._latest_us - now_us > STEP_BACK_US:
            _log.warning("redis_clock_stepped_back", by_ms=(self._latest_us - now_us) // 1_000)
            self._on_step_back()
            self._bounds.forget()
            self._forget_samples()
        self._latest_us = now_us
        self._highest_us = max(self._highest_us, now_us)
        if not self._bounds.take(now_us, None if sent_s is None else int(sent_s * 1_000_000), at_us):
            self._forget_samples()
        improves = self._offset_us is None or offset > self._offset_us
        if not improves and self._samples and at - self._samples[-1][0] < SAMPLE_S:
            return
        self._samples.append((at, offset))
        while self._samples[0][0] < at - WINDOW_S:
            self._samples.popleft()
        self._offset_us = max(sample for _, sample in self._samples)

    def now_us(self) -> int:
        """Return the estimate in microseconds since 1970."""
        return max(self._estimate_us(), self._highest_us)

    def estimate(self) -> Estimate:
        """Return the estimate, and how far Redis' clock may be from it."""
        local_us = int(self._monotonic() * 1_000_000)
        now_us = max(local_us + (self._offset_us or 0), self._highest_us)
        return Estimate(now_us, self._bounds.farthest(now_us - local_us, local_us))

    def until_s(self, instant_us: int) -> float:
        """Return how many seconds it takes until this clock shows an instant, standstills included; 0 if it does."""
        if instant_us <= self._highest_us:
            return 0.0
        return max(0.0, (instant_us - self._estimate_us()) / 1_000_000)

    def _estimate_us(self) -> int:
        return int(self._monotonic() * 1_000_000) + (self._offset_us or 0)

    def _forget_samples(self) -> None:
        self._samples.clear()
        self._offset_us = None
