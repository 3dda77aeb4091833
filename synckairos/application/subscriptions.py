"""The frames that wait to be written to one stream: a bounded queue of events, one slot for the newest tick."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from synckairos.application import frames
from synckairos.application.frames import Frame, FrameKind, GapReason

QUEUE_LIMIT: Final = 256
"""The most frames of one session that wait; beyond that the reader gets a gap and a snapshot instead."""
_CHANGES_OF_HISTORY: Final = (GapReason.EPOCH_CHANGED, GapReason.FORKED)
"""The reasons that allow a step back in version, the more telling one first."""


class Subscription:
    """One stream's outlet: events in order, ticks conflated, a progress mark when all is sent.

    Nothing here waits for a reader; a slow one overflows its own queue and nobody else's.
    """

    def __init__(self, tick_interval_ms: int = 0, progress_interval_ms: int = 0, limit: int = QUEUE_LIMIT) -> None:
        self.tick_interval_ms = tick_interval_ms
        self.progress_interval_ms = progress_interval_ms
        self._limit = limit
        self._queue: deque[Frame] = deque()
        self._waiting: dict[str, int] = {}
        self._ticks: dict[str, Frame] = {}
        self._progress: dict[str, Frame] = {}
        self._ready = asyncio.Event()

    @property
    def intervals(self) -> set[int]:
        """The intervals in ms of its ticks and progress marks."""
        return {self.tick_interval_ms, self.progress_interval_ms} - {0}

    def begin(self, replay: Iterable[Frame]) -> None:
        """Queue the missed events; no limit applies, for the store retains a limited number."""
        self._queue.extend(replay)
        self._ready.set()

    def put(self, frame: Frame) -> bool:
        """Queue a frame that must arrive; return whether the session's frames gave way to a gap and a snapshot."""
        session = frame.session
        overflows = session is not None and self._waiting.get(frame.session_id, 0) >= self._limit
        if session is not None and overflows:
            overflow = frames.gap(session, frame.at, GapReason.SLOW_READER, 0)
            self.put_gap(overflow, frames.snapshot(session, frame.at))
            if frame.kind is not FrameKind.END:
                return True
        # An unwritten tick or progress mark is older than this frame, and would step back in time behind it.
        self._forget_beats(frame.session_id)
        self._append(frame)
        return overflows

    def put_gap(self, gap: Frame, snapshot: Frame) -> None:
        """Replace all waiting frames of the session by a gap and its snapshot, whatever the limit.

        A change of history that the reader has not been told of yet stays the reason: the snapshot may step back.
        """
        told = [gap.reason, *(frame.reason for frame in self._queue if _is_gap_of(frame, gap.session_id))]
        reason = next((change for change in _CHANGES_OF_HISTORY if change in told), gap.reason)
        self._drop(gap.session_id)
        # Other subscribers share the frame, so it is not altered.
        self._append(gap if reason is gap.reason else replace(gap, reason=reason, encoded=None))
        self._append(snapshot)

    def put_tick(self, frame: Frame) -> None:
        """Keep the newest tick of its session; it is written once the queue is empty."""
        self._ticks[frame.session_id] = frame
        self._ready.set()

    def put_progress(self, frame: Frame) -> None:
        """Say how far the session was sent, once the queue is empty."""
        self._progress[frame.session_id] = frame
        self._ready.set()

    async def next(self) -> list[Frame]:
        """Wait for frames and return them in the order to write them."""
        while not (self._queue or self._ticks or self._progress):
            self._ready.clear()
            await self._ready.wait()
        return self._take()

    def _take(self) -> list[Frame]:
        batch = list(self._queue)
        self._queue.clear()
        self._waiting.clear()
        if self._ticks:
            batch += self._ticks.values()
            self._ticks.clear()
        if self._progress:
            batch += self._progress.values()
            self._progress.clear()
        return batch

    def _append(self, frame: Frame) -> None:
        self._queue.append(frame)
        self._waiting[frame.session_id] = self._waiting.get(frame.session_id, 0) + 1
        self._ready.set()

    def _drop(self, session_id: str) -> None:
        self._queue = deque(frame for frame in self._queue if frame.session_id != session_id)
        self._waiting.pop(session_id, None)
        self._forget_beats(session_id)

    def _forget_beats(self, session_id: str) -> None:
        if self._ticks:
            self._ticks.pop(session_id, None)
        if self._progress:
            self._progress.pop(session_id, None)


def _is_gap_of(frame: Frame, session_id: str) -> bool:
    return frame.kind is FrameKind.GAP and frame.session_id == session_id
