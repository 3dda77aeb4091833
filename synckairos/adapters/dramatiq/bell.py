"""Ringing by Dramatiq at a limited rate, and the claims of workers; the broker's database holds both.

A partition is marked when a message leaves for it, and gets no second one until a worker has emptied its outbox. The
mark expires after RUNG_MS, for the message may be lost. A message that waits for longer may therefore be doubled, up
to MAX_WAITING messages. That does no harm: a worker claims the partitions it drains and leaves out claimed ones.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import DramatiqError

from synckairos.adapters.dramatiq.broker import HEARTBEAT_TIMEOUT_MS, DoorbellQueue
from synckairos.application.pipeline.status import BrokerUnavailable, QueueDepth

PER_MESSAGE: Final = 16
MAX_WAITING: Final = 64
"""The most messages that may wait, one for each partition: nothing is rung for beyond them."""
RUNG_MS: Final = 15_000
"""How long a partition is not rung for again unless a worker drains it: the price of a lost message."""
CLAIM_MS: Final = HEARTBEAT_TIMEOUT_MS * 2 // 3
"""How long a claim outlives its worker: it is over before other workers are given its messages."""
EXTEND_S: Final = 3.0
"""Pause between two extensions of a claim; several times in its life."""

_T = TypeVar("_T")


class Marks:
    """The marks of partitions that were rung for, and the claims of workers; every method raises redis.RedisError."""

    def __init__(self, broker: RedisBroker, prefix: str) -> None:
        self._client = broker.client
        self._prefix = prefix

    def ring(self, partitions: Sequence[int]) -> list[int]:
        """Mark partitions as rung for and return those that were not."""
        return self._take(partitions, self._rung, RUNG_MS)

    def postpone(self, partitions: Sequence[int], delay_ms: int) -> None:
        """Mark partitions for a message that comes after a delay."""
        with self._client.pipeline(transaction=False) as pipe:
            for partition in partitions:
                pipe.set(self._rung(partition), b"1", px=delay_ms + RUNG_MS)
            pipe.execute()

    def claim(self, partitions: Sequence[int]) -> list[int]:
        """Claim partitions and return those that no other worker has claimed."""
        return self._take(partitions, self._claimed, CLAIM_MS)

    def extend(self, partitions: Sequence[int]) -> None:
        """Extend the claims and marks that are there, for work that goes on."""
        with self._client.pipeline(transaction=False) as pipe:
            for partition in partitions:
                pipe.pexpire(self._claimed(partition), CLAIM_MS)
                pipe.pexpire(self._rung(partition), RUNG_MS)
            pipe.execute()

    def release(self, partitions: Sequence[int]) -> None:
        """Take claims away."""
        if partitions:
            self._client.delete(*map(self._claimed, partitions))

    def clear(self, partitions: Sequence[int]) -> None:
        """Let partitions be rung for again."""
        if partitions:
            self._client.delete(*map(self._rung, partitions))

    def _take(self, partitions: Sequence[int], key: Callable[[int], str], life_ms: int) -> list[int]:
        with self._client.pipeline(transaction=False) as pipe:
            for partition in partitions:
                pipe.set(key(partition), b"1", nx=True, px=life_ms)
            return [partition for partition, is_set in zip(partitions, pipe.execute(), strict=True) if is_set]

    def _rung(self, partition: int) -> str:
        return f"{self._prefix}:rung:{partition}"

    def _claimed(self, partition: int) -> str:
        return f"{self._prefix}:claimed:{partition}"


class DramatiqBell:
    """Sends messages to the workers, from a thread of its own: Dramatiq's client waits for every answer."""

    def __init__(self, broker: RedisBroker, prefix: str) -> None:
        self._broker = broker
        self._queue = DoorbellQueue(broker, prefix)
        self._marks = Marks(broker, prefix)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="doorbell")

    async def ring(self, partitions: Sequence[int]) -> None:
        """Queue messages for those of these partitions that were not rung for lately; raises BrokerUnavailable."""
        await self._call(lambda: self._ring(partitions))

    @contextlib.asynccontextmanager
    async def claimed(self, partitions: Sequence[int]) -> AsyncIterator[list[int]]:
        """Claim those of the partitions that no other worker has; all of them while the broker is away.

        Once the body is done they can be rung for again; after an error in it their message comes back.
        """
        mine = list(partitions)
        with contextlib.suppress(BrokerUnavailable):
            mine = await self._call(lambda: self._marks.claim(partitions))
        extending = asyncio.create_task(self._extend(mine))
        try:
            yield mine
            with contextlib.suppress(BrokerUnavailable):
                await self._call(lambda: self._marks.clear(mine))
        finally:
            extending.cancel()
            await asyncio.gather(extending, return_exceptions=True)
            with contextlib.suppress(BrokerUnavailable):
                await self._call(lambda: self._marks.release(mine))

    async def depth(self) -> QueueDepth:
        """Return how many messages there are; raises BrokerUnavailable."""
        return await self._call(self._queue.depth)

    async def close(self) -> None:
        """Close the connections, once the last message has left or its timeout is over."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        self._broker.client.close()

    async def _extend(self, partitions: Sequence[int]) -> None:
        while True:
            with contextlib.suppress(BrokerUnavailable):
                await self._call(lambda: self._marks.extend(partitions))
            await asyncio.sleep(EXTEND_S)

    async def _call(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (redis.RedisError, DramatiqError, OSError) as error:
            raise BrokerUnavailable(f"the broker cannot be used: {type(error).__name__}") from error

    def _ring(self, partitions: Sequence[int]) -> None:
        if self._queue.depth().waiting >= MAX_WAITING:
            return
        unmarked = self._marks.ring(partitions)
        for start in range(0, len(unmarked), PER_MESSAGE):
            try:
                self._queue.send(unmarked[start : start + PER_MESSAGE])
            except BaseException:
                with contextlib.suppress(redis.RedisError):  # then the marks expire by themselves
                    self._marks.clear(unmarked[start:])
                raise
