"""What closes a batch: who comes while an exchange is under way goes together with the next one.

Nobody waits for a batch to fill while calls come alone, so that a lone caller pays nothing; the busier a process is,
the more go together, and the less each of them costs. gRPC hands calls over one by one, each a fraction of a
millisecond after the one before: a batch that closed at once would hold the few that came during the last exchange.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

MOST: Final = 32
"""How much a batch holds at most: changes of sessions, or sessions to read."""
GATHERING_S: Final = 0.002
"""How long a batch stays open at most while batches are shared."""
LULL_S: Final = 0.0001
"""It closes before that when nobody has come for this time, as often as the average batch has items: batches that grow
wait longer for the next caller, which lets them grow until all are in that call at once."""
LONGEST_LULL_S: Final = 0.0006
"""The most that comes to."""
SHARED: Final = 1.1
"""Batches are shared as long as they hold more items than this on average."""
SMOOTHING: Final = 0.1
"""Share of the latest batch in the average."""

ItemT = TypeVar("ItemT")


class Gate(Generic[ItemT]):
    """Lets items through in batches, first come, first served, one batch of a group at a time.

    `group_of` says which items can go together at all; `weight_of` how much of a batch an item fills.
    """

    def __init__(
        self,
        run: Callable[[list[ItemT]], Coroutine[Any, Any, None]],
        group_of: Callable[[ItemT], int] = lambda _: 0,
        weight_of: Callable[[ItemT], int] = lambda _: 1,
    ) -> None:
        """`run` carries out a batch; it deals with every error itself."""
        self._run = run
        self._group_of = group_of
        self._weight_of = weight_of
        self._waiting: dict[int, dict[ItemT, int]] = {}
        self._average: dict[int, float] = {}
        self._expected: dict[int, int] = {}
        self._offered_at: dict[int, float] = {}
        self._busy: dict[int, asyncio.Task[None] | asyncio.Handle] = {}

    def offer(self, item: ItemT) -> None:
        """Let an item through with the next batch of its group."""
        group = self._group_of(item)
        self._waiting.setdefault(group, {})[item] = self._weight_of(item)
        self._offered_at[group] = time.monotonic()
        if group not in self._busy:
            self._open(group)

    def withdraw(self, item: ItemT) -> None:
        """Take back an item that has not gone through yet; nothing happens if it has."""
        self._waiting.get(self._group_of(item), {}).pop(item, None)

    def _open(self, group: int) -> None:
        average = self._average.get(group, 1.0)
        if average <= SHARED:
            self._close(group)
        else:
            self._offered_at[group] = opened = time.monotonic()
            self._gather(group, min(LONGEST_LULL_S, LULL_S * average), opened + GATHERING_S)

    def _gather(self, group: int, lull_s: float, until: float) -> None:
        """Keep a batch open; it turns with the event loop, whose timers are as coarse as a whole batch is long."""
        waiting = self._waiting[group]
        are_all_in = len(waiting) >= self._expected.get(group, 0) or sum(waiting.values()) >= MOST
        if are_all_in or time.monotonic() >= min(until, self._offered_at[group] + lull_s):
            self._close(group)
        else:
            self._busy[group] = asyncio.get_running_loop().call_soon(self._gather, group, lull_s, until)

    def _close(self, group: int) -> None:
        batch = self._taken(self._waiting[group])
        if not batch:
            # Those it was opened for have withdrawn.
            self._busy.pop(group, None)
            return
        average = self._average.get(group, 1.0)
        self._average[group] = average + SMOOTHING * (len(batch) - average)
        # Whoever is in this batch, and whoever comes during its exchange, is likely to call again at once.
        self._expected[group] = len(batch)
        task = asyncio.ensure_future(self._run(batch))
        self._busy[group] = task
        task.add_done_callback(lambda _: self._next(group))

    def _taken(self, waiting: dict[ItemT, int]) -> list[ItemT]:
        """Take as many as fit, one at least; what an item weighs may have changed since it was offered."""
        batch: list[ItemT] = []
        size = 0
        for item in waiting:
            weight = self._weight_of(item)
            if size + weight > MOST and batch:
                break
            batch.append(item)
            size += weight
        for item in batch:
            del waiting[item]
        return batch

    def _next(self, group: int) -> None:
        del self._busy[group]
        self._expected[group] += len(self._waiting[group])
        if self._waiting[group]:
            self._open(group)
        else:
            del self._waiting[group]
