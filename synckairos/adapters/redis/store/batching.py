"""What closes a batch: calls that arrive while an exchange is in flight leave together in the next one.

No call waits for a batch to fill while calls come alone, so a lone caller pays nothing. The busier a process is, the
more calls share a batch, and the less each of them costs. gRPC hands calls over one by one, each a fraction of a
millisecond after the one before: a batch that closed at once would hold the few that came during the last exchange.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

MOST: Final = 32
"""The most that a batch holds: changes of sessions, or sessions to read."""
GATHERING_S: Final = 0.002
"""How long a batch stays open at most while batches are shared."""
LULL_S: Final = 0.0001
"""It closes earlier when no call arrives for this time, multiplied by the callers of an average batch: batches that
grow wait longer for the next call, and so grow until all concurrent callers share one."""
LONGEST_LULL_S: Final = 0.0006
"""The most that comes to."""
SHARED: Final = 1.1
"""Calls wait for a batch to fill only while the average batch has more callers than this."""
SMOOTHING: Final = 0.1
"""Share of the latest batch in the average."""

ItemT = TypeVar("ItemT")


class _Line(Generic[ItemT]):
    """The items that wait in one group, and the size of its batches so far."""

    __slots__ = ("average", "busy", "callers", "expected", "latest", "offered_at", "waiting", "weight")

    def __init__(self) -> None:
        self.waiting: dict[ItemT, tuple[int, int]] = {}
        """Items with their callers and their weight, as they were when last offered."""
        self.callers = self.weight = 0
        """Of all that wait."""
        self.average = 1.0
        """Callers a batch."""
        self.latest: dict[ItemT, int] = {}
        """The items of the latest batch, with their callers."""
        self.expected = 0
        """Callers likely to arrive before the next batch closes, including those already here."""
        self.offered_at = 0.0
        self.busy: asyncio.Task[None] | asyncio.Handle | None = None

    def put(self, item: ItemT, callers: int, weight: int) -> None:
        """Let an item wait, where it stands if it does already."""
        before = self.waiting.get(item, (0, 0))
        self.waiting[item] = (callers, weight)
        self.callers += callers - before[0]
        self.weight += weight - before[1]

    def expect(self, most_callers: int) -> None:
        """Expect the callers of the latest batch again, and those that wait now, as far as items have room."""
        self.expected = sum(self.latest.values())
        for item, (callers, _) in self.waiting.items():
            before = self.latest.get(item, 0)
            self.expected += max(0, min(most_callers, before + callers) - before)
            if self.expected >= MOST:
                return

    def drop(self, item: ItemT) -> None:
        """Forget an item, if it waits."""
        callers, weight = self.waiting.pop(item, (0, 0))
        self.callers -= callers
        self.weight -= weight


class Gate(Generic[ItemT]):
    """Lets items through in batches, first come, first served, one batch of a group at a time.

    A group is what can go together at all. `callers` is the number of calls that would leave with an item in the next
    batch, at most `most_callers`; `weight` is the part of a batch that the item fills.
    """

    def __init__(self, run: Callable[[list[ItemT]], Coroutine[Any, Any, None]], most_callers: int = 1) -> None:
        """`run` carries out a batch; it deals with every error itself."""
        self._run = run
        self._most_callers = most_callers
        self._lines: dict[int, _Line[ItemT]] = {}

    def offer(self, item: ItemT, callers: int = 1, weight: int = 1, group: int = 0) -> None:
        """Let an item through with the next batch of its group."""
        line = self._lines.get(group)
        if line is None:
            line = self._lines[group] = _Line()
        line.put(item, callers, weight)
        line.offered_at = time.monotonic()
        if line.busy is None:
            self._open(line)

    def update(self, item: ItemT, callers: int, weight: int, group: int = 0) -> None:
        """Note new sizes of an item; nothing happens unless it waits."""
        line = self._lines.get(group)
        if line is None or item not in line.waiting:
            return
        before = line.callers
        line.put(item, callers, weight)
        if line.callers > before:
            line.offered_at = time.monotonic()

    def withdraw(self, item: ItemT, group: int = 0) -> None:
        """Take back an item that has not gone through yet; nothing happens if it has."""
        line = self._lines.get(group)
        if line is not None:
            line.drop(item)

    def _open(self, line: _Line[ItemT]) -> None:
        if line.average <= SHARED:
            self._close(line)
        else:
            line.offered_at = opened = time.monotonic()
            self._gather(line, min(LONGEST_LULL_S, LULL_S * line.average), opened + GATHERING_S)

    def _gather(self, line: _Line[ItemT], lull_s: float, until: float) -> None:
        """Keep a batch open; it turns with the event loop, whose timers are as coarse as a whole batch is long."""
        are_all_in = line.callers >= line.expected or line.weight >= MOST
        if are_all_in or time.monotonic() >= min(until, line.offered_at + lull_s):
            self._close(line)
        else:
            line.busy = asyncio.get_running_loop().call_soon(self._gather, line, lull_s, until)

    def _close(self, line: _Line[ItemT]) -> None:
        line.latest = batch = self._taken(line)
        if not batch:
            # Every item that it was opened for has been withdrawn.
            line.busy = None
            return
        line.average += SMOOTHING * (sum(batch.values()) - line.average)
        task = line.busy = asyncio.ensure_future(self._run(list(batch)))
        task.add_done_callback(lambda _: self._next(line))

    def _taken(self, line: _Line[ItemT]) -> dict[ItemT, int]:
        """Take as many items as fit, at least one, with their callers."""
        batch: dict[ItemT, int] = {}
        size = 0
        for item, (callers, weight) in line.waiting.items():
            if size + weight > MOST and batch:
                break
            batch[item] = callers
            size += weight
        for item in batch:
            line.drop(item)
        return batch

    def _next(self, line: _Line[ItemT]) -> None:
        line.busy = None
        # The callers of this batch, and those that arrived during its exchange, are likely to call again at once.
        line.expect(self._most_callers)
        if line.waiting:
            self._open(line)
