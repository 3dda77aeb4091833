"""The frames that wait to be written to one stream: a bounded queue of events, one slot for the newest tick."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from synckairos.application.streams import frames
from synckairos.application.streams.frames import Frame, FrameKind, GapReason

QUEUE_LIMIT: Final = 256
"""The most frames of one session that wait, but for moments; beyond that a gap and a snapshot wait instead."""
STREAM_BYTES: Final = 16 << 20
"""About how many bytes wait for one stream; beyond that a session's next frame becomes a gap and a snapshot."""
PROCESS_BYTES: Final = 128 << 20
"""The same for all streams of a process together; a frame that several streams share counts once."""
BATCH_BYTES: Final = 1 << 20
"""About how many bytes a stream takes at once to write them."""
_CHANGES_OF_HISTORY: Final = (GapReason.EPOCH_CHANGED, GapReason.FORKED)
"""The reasons that allow a step back in version, the more telling one first."""


class WaitingBytes:
    """The bytes of all frames that wait in a process."""

    def __init__(self, limit: int = PROCESS_BYTES) -> None:
        self.limit = limit
        self.bytes = 0

    @property
    def is_exceeded(self) -> bool:
        """Whether more wait than may."""
        return self.bytes > self.limit

    def hold(self, frame: Frame) -> None:
        """Count a frame that waits for one stream more."""
        if not frame.waiting:
            self.bytes += frame.size
        frame.waiting += 1

    def release(self, frame: Frame) -> None:
        """Count a frame that waits for one stream less."""
        frame.waiting -= 1
        if not frame.waiting:
            self.bytes -= frame.size


class Subscription:
    """One stream's outlet: events in order, ticks conflated, a progress mark when all is sent.

    Nothing here waits for a reader; a slow one overflows its own queue and nobody else's.
    """

    def __init__(
        self,
        tick_interval_ms: int = 0,
        progress_interval_ms: int = 0,
        limit: int = QUEUE_LIMIT,
        everywhere: WaitingBytes | None = None,
        on_dropped_tick: Callable[[], None] = lambda: None,
    ) -> None:
        """`everywhere` counts what waits for all streams of the process."""
        self._on_dropped_tick = on_dropped_tick
        self.tick_interval_ms = tick_interval_ms
        self.progress_interval_ms = progress_interval_ms
        self._limit = limit
        self._queue: deque[Frame] = deque()
        self._waiting: dict[str, int] = {}
        self._moments: dict[str, int] = {}
        self._bytes = 0
        self._everywhere = everywhere or WaitingBytes()
        self._ticks: dict[str, Frame] = {}
        self._progress: dict[str, Frame] = {}
        self.on_ready: Callable[[], None] = _nobody_writes
        """Called whenever something waits; whoever writes it sets this, and `close` forgets it."""

    @property
    def intervals(self) -> set[int]:
        """The intervals in ms of its ticks and progress marks."""
        return {self.tick_interval_ms, self.progress_interval_ms} - {0}

    def begin(self, replay: Iterable[Frame]) -> None:
        """Queue the missed events, of which the store retains a limited number; a snapshot if they are too large."""
        missed = list(replay)
        for frame in missed:
            self._queue.append(frame)
            self._hold(frame)
        session = missed[-1].session
        if session is not None and len(missed) > 1 and self._has_too_many_bytes:
            at = missed[-1].at
            self.put_gap(frames.gap(session, at, GapReason.SLOW_READER, 0), frames.snapshot(session, at))
        self.on_ready()

    def put(self, frame: Frame) -> bool:
        """Queue a frame that must arrive; return whether the session's frames gave way to a gap and a snapshot."""
        session = frame.session
        overflows = session is not None and self._is_full(frame.session_id)
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
        self._append(gap if reason is gap.reason else replace(gap, reason=reason, encoded=None, waiting=0))
        self._append(snapshot)

    def put_tick(self, frame: Frame) -> None:
        """Keep the newest tick of its session; it is written once the queue is empty."""
        if frame.session_id in self._ticks:
            self._on_dropped_tick()
        self._ticks[frame.session_id] = frame
        self.on_ready()

    def put_progress(self, frame: Frame) -> None:
        """Say how far the session was sent, once the queue is empty."""
        self._progress[frame.session_id] = frame
        self.on_ready()

    def close(self) -> None:
        """Forget what waits, and who writes: nobody will."""
        self.on_ready = _nobody_writes
        while self._queue:
            self._release(self._queue.popleft())

    def take(self) -> list[Frame]:
        """Return frames in the order to write them, about BATCH_BYTES of them; empty if none wait."""
        batch: list[Frame] = []
        room = BATCH_BYTES
        while self._queue and room > 0:
            frame = self._queue.popleft()
            self._release(frame)
            room -= frame.size
            batch.append(frame)
        if self._queue:
            for frame in batch:
                self._count(frame, -1)
            return batch
        self._waiting.clear()
        self._moments.clear()
        if self._ticks:
            batch += self._ticks.values()
            self._ticks.clear()
        if self._progress:
            batch += self._progress.values()
            self._progress.clear()
        return batch

    def _is_full(self, session_id: str) -> bool:
        """Whether a session may have no more frames that wait; two are no more than a gap and a snapshot.

        What clocks pass counts by its bytes alone: a manual clock may pass a thousand periods before anybody can read.
        """
        waiting = self._waiting.get(session_id, 0)
        if waiting >= self._limit:
            return True
        return waiting + self._moments.get(session_id, 0) > 2 and self._has_too_many_bytes

    @property
    def _has_too_many_bytes(self) -> bool:
        return self._bytes > STREAM_BYTES or self._everywhere.is_exceeded

    def _hold(self, frame: Frame) -> None:
        self._bytes += frame.size
        self._everywhere.hold(frame)

    def _release(self, frame: Frame) -> None:
        self._bytes -= frame.size
        self._everywhere.release(frame)

    def _append(self, frame: Frame) -> None:
        self._queue.append(frame)
        self._count(frame, 1)
        self._hold(frame)
        self.on_ready()

    def _count(self, frame: Frame, step: int) -> None:
        counts = self._moments if frame.is_moment else self._waiting
        counts[frame.session_id] = max(0, counts.get(frame.session_id, 0) + step)

    def _drop(self, session_id: str) -> None:
        queue, self._queue = self._queue, deque()
        for frame in queue:
            if frame.session_id == session_id:
                self._release(frame)
            else:
                self._queue.append(frame)
        self._waiting.pop(session_id, None)
        self._moments.pop(session_id, None)
        self._forget_beats(session_id)

    def _forget_beats(self, session_id: str) -> None:
        if self._ticks:
            self._ticks.pop(session_id, None)
        if self._progress:
            self._progress.pop(session_id, None)


def _nobody_writes() -> None:
    pass


def _is_gap_of(frame: Frame, session_id: str) -> bool:
    return frame.kind is FrameKind.GAP and frame.session_id == session_id
