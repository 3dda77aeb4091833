"""Doorbell messages in a real Redis: at most one a partition, none missed, gone together with their guards."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from redis import Redis

from synckairos.adapters.dramatiq.bell import GUARD_MS, PER_MESSAGE, DramatiqBell
from synckairos.adapters.dramatiq.broker import STALE_MS, DoorbellQueue, open_broker, queue_of
from synckairos.application.pipeline_status import BrokerUnavailable, QueueDepth
from synckairos.devstack import RedisServer
from tests.contract.decisions import new_id

DATABASE = 15
"""Of the broker: the test that flushes it must not harm others."""
TIMEOUT_S = 0.3


class World:
    """A bell in a logical database of its own."""

    def __init__(self, redis: RedisServer) -> None:
        self.url = redis.url.removesuffix("/0") + f"/{DATABASE}"
        self.prefix = f"g{new_id()[:8]}"
        self.redis = Redis.from_url(self.url)
        self.broker = self.another_broker()
        self.queue = DoorbellQueue(self.broker, self.prefix)
        self.bell = DramatiqBell(self.broker, self.prefix)

    def another_broker(self) -> RedisBroker:
        """Be another process."""
        return open_broker(self.url, timeout_s=TIMEOUT_S)

    def messages(self) -> list[list[int]]:
        """Return the partitions of the messages that wait, in order."""
        name = f"dramatiq:{queue_of(self.prefix)}"
        ids = self.redis.lrange(name, 0, -1)
        return [Message.decode(self.redis.hget(f"{name}.msgs", one)).args[0] for one in ids]

    def guard_ms(self, partition: int) -> int:
        """Return how long a guard has to live; -2 if there is none."""
        return int(self.redis.pttl(f"{self.prefix}:rung:{partition}"))

    def age_guard(self, partition: int) -> None:
        """Let a guard be about to expire."""
        self.redis.pexpire(f"{self.prefix}:rung:{partition}", 5_000)


@pytest.fixture
async def world(redis_server: RedisServer) -> AsyncIterator[World]:
    """A bell in a logical database of its own."""
    world = World(redis_server)
    yield world
    await world.bell.close()
    world.redis.flushdb()
    world.redis.close()


async def test_a_partition_is_rung_for_once_however_often_one_rings(world: World) -> None:
    """The first ring sends a message, those after it find the guard."""
    for _ in range(5):
        await world.bell.ring([3, 1, 2])
    await world.bell.ring([2, 4])

    assert world.messages() == [[3, 1, 2], [4]]
    assert 0 < world.guard_ms(3) <= GUARD_MS


async def test_processes_that_ring_together_send_one_message_a_partition(world: World) -> None:
    """Eight of them, at the same moment."""
    bells = [DramatiqBell(world.another_broker(), world.prefix) for _ in range(8)]
    await asyncio.gather(*(bell.ring(range(64)) for bell in bells))
    for bell in bells:
        await bell.close()

    rung = [partition for message in world.messages() for partition in message]
    assert sorted(rung) == list(range(64))


async def test_a_message_names_no_more_than_it_should(world: World) -> None:
    """64 partitions are four messages."""
    await world.bell.ring(range(64))

    assert [len(message) for message in world.messages()] == [PER_MESSAGE] * 4


async def test_deployments_with_other_prefixes_do_not_hear_each_other(world: World) -> None:
    """Neither guards nor queues are shared."""
    other = DramatiqBell(world.another_broker(), f"{world.prefix}x")
    await world.bell.ring([1])
    await other.ring([1])

    depth = await other.depth()
    await other.close()

    assert world.messages() == [[1]]
    assert depth == QueueDepth(1, 0, 0, 0)


async def test_after_a_flush_everything_can_be_rung_for_again(world: World) -> None:
    """Guards and messages are lost together."""
    await world.bell.ring([1, 2])
    world.redis.flushdb()

    await world.bell.ring([1, 2])

    assert world.messages() == [[1, 2]]


async def test_dropped_guards_let_the_next_ring_through(world: World) -> None:
    """That is what the actor does when it is done."""
    await world.bell.ring([1, 2])
    await world.bell.drop([1])
    await world.bell.drop([])

    await world.bell.ring([1, 2])

    assert world.messages() == [[1, 2], [1]]


async def test_guards_of_waiting_messages_live_on(world: World) -> None:
    """However long no worker takes them; those without a message are left to expire."""
    await world.bell.ring([1, 2])
    await world.bell.hold([9])
    for partition in (1, 2, 9):
        world.age_guard(partition)

    await world.bell.keep()

    assert world.guard_ms(1) > 5_000
    assert world.guard_ms(2) > 5_000
    assert world.guard_ms(9) <= 5_000


async def test_guards_that_are_gone_are_not_made_anew_by_keeping(world: World) -> None:
    """The actor has just taken them away: the next ring must get through."""
    await world.bell.ring([1])
    await world.bell.drop([1])

    await world.bell.keep()

    assert world.guard_ms(1) == -2


async def test_messages_that_a_worker_has_or_that_wait_for_a_retry_count(world: World) -> None:
    """Fetched but not acknowledged, and delayed."""
    await world.bell.ring([1])
    await world.bell.ring([2])
    await world.bell.ring([3])
    consumer = world.broker.consume(queue_of(world.prefix), prefetch=1)
    fetched = next(consumer)
    assert fetched is not None
    world.broker.enqueue(fetched._message, delay=60_000)
    for partition in (1, 2, 3):
        world.age_guard(partition)

    await world.bell.keep()

    assert await world.bell.depth() == QueueDepth(waiting=2, active=1, delayed=1, dead=0)
    assert all(world.guard_ms(partition) > 5_000 for partition in (1, 2, 3))


async def test_a_message_that_its_worker_has_lost_sight_of_does_not_block_its_partitions(world: World) -> None:
    """It is in nobody's queue and was due long ago: its guard is left to expire."""
    await world.bell.ring([1])
    name = f"dramatiq:{queue_of(world.prefix)}"
    ((message_id, encoded),) = world.redis.hgetall(f"{name}.msgs").items()
    old = Message.decode(encoded)
    old = Message(**{**old.asdict(), "message_timestamp": old.message_timestamp - STALE_MS - 1_000})
    world.redis.hset(f"{name}.msgs", message_id, old.encode())
    world.redis.delete(name)
    world.age_guard(1)

    await world.bell.keep()

    assert world.guard_ms(1) <= 5_000


async def test_a_message_that_has_waited_long_is_not_lost_sight_of(world: World) -> None:
    """No worker for an hour: it is still in the queue."""
    await world.bell.ring([1])
    name = f"dramatiq:{queue_of(world.prefix)}"
    ((message_id, encoded),) = world.redis.hgetall(f"{name}.msgs").items()
    old = Message.decode(encoded)
    old = Message(**{**old.asdict(), "message_timestamp": old.message_timestamp - 3_600_000})
    world.redis.hset(f"{name}.msgs", message_id, old.encode())
    world.age_guard(1)

    await world.bell.keep()

    assert world.guard_ms(1) > 5_000


async def test_a_partition_that_stands_still_is_freed_unless_its_message_is_queued(world: World) -> None:
    """A message that waits, or waits for its retry, will be worked on; one that a worker has had may be forgotten."""
    for partition in (1, 2, 3):
        await world.bell.ring([partition])
    consumer = world.broker.consume(queue_of(world.prefix), prefetch=2)
    forgotten, failed = next(consumer), next(consumer)
    assert forgotten is not None
    assert failed is not None
    world.broker.enqueue(failed._message, delay=60_000)
    consumer.ack(failed)

    await world.bell.free([1, 2, 3])
    await world.bell.ring([1, 2, 3])

    assert world.messages() == [[3], [1]]


async def test_a_ring_that_fails_after_its_guard_gives_it_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message did not leave, so nobody would come."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(world.broker, "enqueue", fail)
        with pytest.raises(BrokerUnavailable):
            await world.bell.ring([1, 2])

    assert world.guard_ms(1) == world.guard_ms(2) == -2
    await world.bell.ring([1, 2])
    assert world.messages() == [[1, 2]]


@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_a_broker_that_is_away_is_told_and_used_again_when_it_is_back(server_directory: Path, how: str) -> None:
    """No answer is an error within its timeout, for everything that is asked."""
    with RedisServer(server_directory / "redis") as redis:
        world = World(redis)
        await world.bell.ring([1])
        redis.stop() if how == "stopped" else redis.pause()
        try:
            for ask in (world.bell.ring([2]), world.bell.keep(), world.bell.depth(), world.bell.drop([1])):
                with pytest.raises(BrokerUnavailable):
                    await ask
        finally:
            redis.start() if how == "stopped" else redis.resume()
        await world.bell.ring([2])
        await world.bell.close()
        world.redis.close()
