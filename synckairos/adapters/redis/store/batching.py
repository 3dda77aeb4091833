"""What closes a batch: calls that arrive while an exchange is in flight leave together in the next one.

The busier a process is, the more calls share a batch, and the less each of them costs. gRPC hands calls over one by
one, each a fraction of a millisecond after the one before: a batch that closed at once would hold the few that came
during the last exchange. So while many calls arrive in the time of an exchange, a batch stays open until those are in
that are likely to come; they close it themselves, and a timer closes it if they stay away. While calls come one by one,
none waits. Both times are measured, for a slow machine takes longer for everything. A prompt group is one whose items
are late already: its batches never stay open.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final, Generic, TypeVar

MOST: Final = 32
"""The most that a batch holds: changes of sessions, or sessions to read."""
GATHERING_S: Final = 0.002
"""How long a batch stays open at most."""
BUSY: Final = 2.0
"""Calls wait for a batch to fill only while at least this many arrive in the time that an exchange takes. With
one, the calls of a server at a quarter of its rate waited in vain for others."""
LONGEST_GAP_S: Final = 0.01
"""A longer time without a call counts as this much: after it the average is soon right again."""
SMOOTHING: Final = 0.1
"""Share of the latest gap, and of the latest exchange, in their averages."""

ItemT = TypeVar("ItemT")


class _Line(Generic[ItemT]):
    """The items that wait in one group, and how fast they came so far."""

    __slots__ = (
        "busy", "callers", "exchange_s", "expected", "gap_s", "is_prompt", "latest", "offered_at", "timer", "waiting",
        "weight",
    )  # fmt: skip

    def __init__(self, *, is_prompt: bool) -> None:
        self.is_prompt = is_prompt
        self.waiting: dict[ItemT, tuple[int, int]] = {}
        """Items with their callers and their weight, as they were when last offered."""
        self.callers = self.weight = 0
        """Of all that wait."""
        self.gap_s = LONGEST_GAP_S
        """From one call to the next, on average."""
        self.exchange_s = 0.0
        """How long a batch takes to be carried out, on average."""
        self.latest: dict[ItemT, int] = {}
        """The items of the latest batch, with their callers."""
        self.expected = 0
        """Callers likely to arrive before the next batch closes, including those already here."""
        self.offered_at = 0.0
        """When the last call came (monotonic seconds)."""
        self.timer: asyncio.TimerHandle | None = None
        """Closes the batch that is open."""
        self.busy: asyncio.Task[None] | asyncio.TimerHandle | None = None
        """The batch that is open or being carried out."""

    @property
    def is_complete(self) -> bool:
        """Whether all are in that are likely to come, or that a batch holds."""
        return self.callers >= self.expected or self.weight >= MOST

    def put(self, item: ItemT, callers: int, weight: int) -> None:
        """Let an item wait, where it stands if it does already."""
        before = self.waiting.get(item, (0, 0))
        self.waiting[item] = (callers, weight)
        self.callers += callers - before[0]
        self.weight += weight - before[1]
        if callers > before[0]:
            now = time.monotonic()
            self.gap_s += SMOOTHING * (min(now - self.offered_at, LONGEST_GAP_S) - self.gap_s)
            self.offered_at = now

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

    def __init__(
        self,
        run: Callable[[list[ItemT]], Coroutine[Any, Any, None]],
        most_callers: int = 1,
        prompt: Collection[int] = (),
    ) -> None:
        """`run` carries out a batch; it deals with every error itself. `prompt` are the groups that wait for nobody."""
        self._run = run
        self._most_callers = most_callers
        self._prompt = prompt
        self._lines: dict[int, _Line[ItemT]] = {}

    def offer(self, item: ItemT, callers: int = 1, weight: int = 1, group: int = 0) -> None:
        """Let an item through with the next batch of its group."""
        line = self._lines.get(group)
        if line is None:
            line = self._lines[group] = _Line(is_prompt=group in self._prompt)
        line.put(item, callers, weight)
        if line.busy is None:
            self._open(line)
        else:
            self._close_if_complete(line)

    def update(self, item: ItemT, callers: int, weight: int, group: int = 0) -> None:
        """Note new sizes of an item; nothing happens unless it waits."""
        line = self._lines.get(group)
        if line is None or item not in line.waiting:
            return
        line.put(item, callers, weight)
        self._close_if_complete(line)

    def withdraw(self, item: ItemT, group: int = 0) -> None:
        """Take back an item that has not gone through yet; nothing happens if it has."""
        line = self._lines.get(group)
        if line is not None:
            line.drop(item)

    def _open(self, line: _Line[ItemT]) -> None:
        if line.is_prompt or line.is_complete or line.exchange_s < BUSY * line.gap_s:
            self._close(line)
        else:
            line.timer = line.busy = asyncio.get_running_loop().call_later(GATHERING_S, self._close, line)

    def _close_if_complete(self, line: _Line[ItemT]) -> None:
        if line.timer is not None and line.is_complete:
            self._close(line)

    def _close(self, line: _Line[ItemT]) -> None:
        if line.timer is not None:
            line.timer.cancel()
            line.timer = None
        line.latest = batch = self._taken(line)
        if not batch:
            # Every item that it was opened for has been withdrawn.
            line.busy = None
            return
        closed = time.monotonic()
        task = line.busy = asyncio.ensure_future(self._run(list(batch)))
        task.add_done_callback(lambda _: self._next(line, closed))

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

    def _next(self, line: _Line[ItemT], closed: float) -> None:
        line.busy = None
        line.exchange_s += SMOOTHING * (time.monotonic() - closed - line.exchange_s)
        # The callers of this batch, and those that arrived during its exchange, are likely to call again at once.
        line.expect(self._most_callers)
        if line.waiting:
            self._open(line)
