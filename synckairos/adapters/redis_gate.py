"""What closes a batch: who comes while an exchange is under way goes together with the next one.

Nobody waits for a batch to fill while nothing is under way, so that a lone caller pays nothing; the busier a process
is, the more go together, and the less each of them costs.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

MOST: Final = 32
"""How much a batch holds at most: sessions, mostly."""
GATHERING_TURNS: Final = 2
"""For how many turns of the event loop a batch stays open when the one before it was shared."""

ItemT = TypeVar("ItemT")


class Gate(Generic[ItemT]):
    """Lets items through in batches, first come, first served, one batch of a group at a time.

    `group_of` says which items can go together at all; `weight_of` how much of a batch an item fills.
    """

    def __init__(
        self,
        run: Callable[[list[ItemT]], Awaitable[None]],
        group_of: Callable[[ItemT], int] = lambda _: 0,
        weight_of: Callable[[ItemT], int] = lambda _: 1,
    ) -> None:
        """`run` carries out a batch; it deals with every error itself."""
        self._run = run
        self._group_of = group_of
        self._weight_of = weight_of
        self._waiting: dict[int, dict[ItemT, None]] = {}
        self._is_shared: dict[int, bool] = {}
        self._busy: dict[int, asyncio.Task[None] | asyncio.Handle] = {}

    def offer(self, item: ItemT) -> None:
        """Let an item through with the next batch of its group."""
        group = self._group_of(item)
        self._waiting.setdefault(group, {})[item] = None
        if group not in self._busy:
            self._open(group)

    def withdraw(self, item: ItemT) -> None:
        """Take back an item that has not gone through yet; nothing happens if it has."""
        self._waiting.get(self._group_of(item), {}).pop(item, None)

    def _open(self, group: int) -> None:
        turns = GATHERING_TURNS if self._is_shared.get(group) else 0
        if turns:
            self._gather(group, turns)
        else:
            self._close(group)

    def _gather(self, group: int, turns: int) -> None:
        if turns == 0 or len(self._waiting[group]) >= MOST:
            self._close(group)
            return
        self._busy[group] = asyncio.get_running_loop().call_soon(self._gather, group, turns - 1)

    def _close(self, group: int) -> None:
        batch = self._taken(self._waiting[group])
        if not batch:
            # Those it was opened for have withdrawn.
            self._busy.pop(group, None)
            return
        self._is_shared[group] = len(batch) > 1
        task = asyncio.ensure_future(self._carry_out(batch))
        self._busy[group] = task
        task.add_done_callback(lambda _: self._next(group))

    def _taken(self, waiting: dict[ItemT, None]) -> list[ItemT]:
        batch: list[ItemT] = []
        room = MOST
        for item in waiting:
            room -= self._weight_of(item)
            if room < 0 and batch:
                break
            batch.append(item)
        for item in batch:
            del waiting[item]
        return batch

    async def _carry_out(self, batch: list[ItemT]) -> None:
        await self._run(batch)

    def _next(self, group: int) -> None:
        del self._busy[group]
        if self._waiting[group]:
            self._open(group)
        else:
            del self._waiting[group]
