"""Ringing by Dramatiq: at most one message a partition is queued, however long nobody takes it.

Whoever rings sets a guard for the partition first, in the broker's database, so that messages and guards are lost
together if they are. The actor takes the guard away once the outbox is empty, and looks once more: a commit whose ring
was refused by the guard is never missed. A guard that nobody takes away (whoever rang died before the message left,
or the message is lost) expires, or is taken away once the outbox is seen to stand still.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import DramatiqError

from synckairos.adapters.dramatiq.broker import MAX_BACKOFF_MS, DoorbellQueue
from synckairos.application.pipeline_status import BrokerUnavailable, QueueDepth

PER_MESSAGE: Final = 16
GUARD_MS: Final = 60_000
"""How long a guard lives if nobody extends it; longer than an actor works without a sign of life."""
RETRY_GUARD_MS: Final = GUARD_MS + MAX_BACKOFF_MS

_T = TypeVar("_T")


class Guards:
    """The guards of partitions for which a message is queued; every method raises redis.RedisError."""

    def __init__(self, broker: RedisBroker, prefix: str) -> None:
        self._client = broker.client
        self._prefix = prefix

    def take(self, partitions: Sequence[int]) -> list[int]:
        """Set the guards that are free and return their partitions."""
        with self._client.pipeline(transaction=False) as pipe:
            for partition in partitions:
                pipe.set(self._key(partition), b"1", nx=True, px=GUARD_MS)
            return [partition for partition, is_set in zip(partitions, pipe.execute(), strict=True) if is_set]

    def extend(self, partitions: Sequence[int]) -> None:
        """Let the guards that are there live on."""
        with self._client.pipeline(transaction=False) as pipe:
            for partition in partitions:
                pipe.pexpire(self._key(partition), GUARD_MS)
            pipe.execute()

    def hold(self, partitions: Sequence[int]) -> None:
        """Set the guards, there or not, for a message that is queued again after a delay."""
        with self._client.pipeline(transaction=False) as pipe:
            for partition in partitions:
                pipe.set(self._key(partition), b"1", px=RETRY_GUARD_MS)
            pipe.execute()

    def drop(self, partitions: Sequence[int]) -> None:
        """Take guards away."""
        if partitions:
            self._client.delete(*map(self._key, partitions))

    def _key(self, partition: int) -> str:
        return f"{self._prefix}:rung:{partition}"


class DramatiqBell:
    """Sends messages to the workers, from a thread of its own: Dramatiq's client waits for every answer."""

    def __init__(self, broker: RedisBroker, prefix: str) -> None:
        self._broker = broker
        self._queue = DoorbellQueue(broker, prefix)
        self._guards = Guards(broker, prefix)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="doorbell")

    async def ring(self, partitions: Sequence[int]) -> None:
        """See to it that a message is queued for each of these partitions; raises BrokerUnavailable."""
        await self._call(lambda: self._ring(partitions))

    async def keep(self) -> None:
        """Extend the guards of messages that still wait; raises BrokerUnavailable."""
        await self._call(self._keep)

    async def free(self, partitions: Sequence[int]) -> None:
        """Take away the guards of those partitions that no message in the queue names; raises BrokerUnavailable."""
        await self._call(lambda: self._guards.drop(sorted(set(partitions) - self._queue.queued())))

    async def extend(self, partitions: Sequence[int]) -> None:
        """Let guards live on while a message is worked on; raises BrokerUnavailable."""
        await self._call(lambda: self._guards.extend(partitions))

    async def hold(self, partitions: Sequence[int]) -> None:
        """Set the guards for a message that will come back after a pause; raises BrokerUnavailable."""
        await self._call(lambda: self._guards.hold(partitions))

    async def drop(self, partitions: Sequence[int]) -> None:
        """Take guards away, so that new messages can be queued; raises BrokerUnavailable."""
        await self._call(lambda: self._guards.drop(partitions))

    async def depth(self) -> QueueDepth:
        """Return how many messages there are; raises BrokerUnavailable."""
        return await self._call(self._queue.depth)

    async def close(self) -> None:
        """Let go of the broker; what is being sent is given the time its timeout allows."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        self._broker.client.close()

    async def _call(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (redis.RedisError, DramatiqError, OSError) as error:
            raise BrokerUnavailable(f"the broker cannot be used: {type(error).__name__}") from error

    def _ring(self, partitions: Sequence[int]) -> None:
        taken = self._guards.take(partitions)
        for start in range(0, len(taken), PER_MESSAGE):
            try:
                self._queue.send(taken[start : start + PER_MESSAGE])
            except BaseException:
                self._give_up(taken[start:])
                raise

    def _give_up(self, partitions: Sequence[int]) -> None:
        try:
            self._guards.drop(partitions)
        except redis.RedisError:
            return  # they expire by themselves

    def _keep(self) -> None:
        partitions = sorted(self._queue.named())
        if partitions:
            self._guards.extend(partitions)
