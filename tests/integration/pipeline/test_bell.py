"""Doorbell messages in a real Redis: one a partition, few if no worker takes them, replaced if they are lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from redis import Redis

from synckairos.adapters.dramatiq.bell import CLAIM_MS, MAX_WAITING, PER_MESSAGE, RUNG_MS, DramatiqBell, Marks
from synckairos.adapters.dramatiq.broker import HEARTBEAT_TIMEOUT_MS, open_broker, queue_of
from synckairos.application.pipeline.status import BrokerUnavailable, QueueDepth
from synckairos.devstack import RedisServer
from tests.contract.decisions import new_id

DATABASE = 15
"""Of the broker: the test that flushes it must not harm others."""
TIMEOUT_S = 0.3


class Deployment:
    """A bell in a logical database of its own."""

    def __init__(self, redis: RedisServer) -> None:
        self.url = redis.url.removesuffix("/0") + f"/{DATABASE}"
        self.prefix = f"g{new_id()[:8]}"
        self.redis = Redis.from_url(self.url)
        self.broker = self.another_broker()
        self.bell = DramatiqBell(self.broker, self.prefix)

    def another_broker(self) -> RedisBroker:
        """Return the broker of another process."""
        return open_broker(self.url, timeout_s=TIMEOUT_S)

    def messages(self) -> list[list[int]]:
        """Return the partitions of the messages that wait, in order."""
        name = f"dramatiq:{queue_of(self.prefix)}"
        ids = self.redis.lrange(name, 0, -1)
        return [Message.decode(self.redis.hget(f"{name}.msgs", one)).args[0] for one in ids]

    def lose_messages(self) -> None:
        """Forget every message, as Dramatiq does when its Redis comes back older than it was."""
        name = f"dramatiq:{queue_of(self.prefix)}"
        self.redis.delete(name, f"{name}.msgs")

    def mark_ms(self, partition: int) -> int:
        """Return for how long a partition is not rung for again; -2 if it is not marked."""
        return int(self.redis.pttl(f"{self.prefix}:rung:{partition}"))

    def claim_ms(self, partition: int) -> int:
        """Return how long a claim has to live; -2 if there is none."""
        return int(self.redis.pttl(f"{self.prefix}:claimed:{partition}"))

    def expire_mark(self, partition: int) -> None:
        """Let the time of a mark be over."""
        self.redis.delete(f"{self.prefix}:rung:{partition}")


@pytest.fixture
async def deployment(redis_server: RedisServer) -> AsyncIterator[Deployment]:
    """A bell in a logical database of its own."""
    deployment = Deployment(redis_server)
    yield deployment
    await deployment.bell.close()
    deployment.redis.flushdb()
    deployment.redis.close()


async def test_a_partition_is_rung_for_once_however_often_one_rings(deployment: Deployment) -> None:
    """The first ring sends a message, those after it find the mark."""
    for _ in range(5):
        await deployment.bell.ring([3, 1, 2])
    await deployment.bell.ring([2, 4])

    assert deployment.messages() == [[3, 1, 2], [4]]
    assert 0 < deployment.mark_ms(3) <= RUNG_MS


async def test_processes_that_ring_together_send_one_message_a_partition(deployment: Deployment) -> None:
    """Eight of them at the same moment, and no message names more partitions than a worker should have at once."""
    bells = [DramatiqBell(deployment.another_broker(), deployment.prefix) for _ in range(8)]
    await asyncio.gather(*(bell.ring(range(64)) for bell in bells))
    for bell in bells:
        await bell.close()

    assert sorted(partition for message in deployment.messages() for partition in message) == list(range(64))
    assert max(map(len, deployment.messages())) <= PER_MESSAGE


async def test_deployments_with_other_prefixes_do_not_hear_each_other(deployment: Deployment) -> None:
    """They share neither marks, nor claims, nor queues."""
    other = DramatiqBell(deployment.another_broker(), f"{deployment.prefix}x")
    await deployment.bell.ring([1])
    await other.ring([1])
    async with deployment.bell.claimed([1]), other.claimed([1]) as claimed:
        assert claimed == [1]

    depth = await other.depth()
    await other.close()

    assert deployment.messages() == [[1]]
    assert depth == QueueDepth(1, 0, 0, 0)


async def test_after_a_flush_everything_can_be_rung_for_again(deployment: Deployment) -> None:
    """Marks and messages are lost together."""
    await deployment.bell.ring([1, 2])
    deployment.redis.flushdb()

    await deployment.bell.ring([1, 2])

    assert deployment.messages() == [[1, 2]]


async def test_a_lost_message_is_replaced_once_its_mark_is_over(deployment: Deployment) -> None:
    """Nobody has to find out that it is lost."""
    await deployment.bell.ring([1])
    deployment.lose_messages()
    await deployment.bell.ring([1])
    before = deployment.messages()
    deployment.expire_mark(1)

    await deployment.bell.ring([1])

    assert before == []
    assert deployment.messages() == [[1]]


async def test_messages_that_no_worker_takes_stay_few(deployment: Deployment) -> None:
    """However often marks expire meanwhile; and once some are taken, ringing goes on."""
    for _ in range(2 * MAX_WAITING):
        deployment.expire_mark(1)
        await deployment.bell.ring([1])
    most = (await deployment.bell.depth()).waiting
    assert next(deployment.broker.consume(queue_of(deployment.prefix), prefetch=1)) is not None
    deployment.expire_mark(1)
    await deployment.bell.ring([2])

    assert most == MAX_WAITING
    assert deployment.messages()[-1] == [2]


async def test_a_claim_keeps_others_out_and_ends_with_the_work(deployment: Deployment) -> None:
    """The second worker gets what is left, and everything can be claimed and rung for afterwards."""
    await deployment.bell.ring([1, 2, 3])
    async with deployment.bell.claimed([1, 2]) as first, deployment.bell.claimed([2, 3]) as second:
        held = [deployment.claim_ms(partition) for partition in (1, 2, 3)]

    assert (first, second) == ([1, 2], [3])
    assert all(0 < ms <= CLAIM_MS < HEARTBEAT_TIMEOUT_MS for ms in held)
    assert [deployment.claim_ms(partition) for partition in (1, 2, 3)] == [-2] * 3
    assert [deployment.mark_ms(partition) for partition in (1, 2, 3)] == [-2] * 3


async def test_work_that_fails_gives_up_its_claim_and_keeps_the_mark(deployment: Deployment) -> None:
    """Its message comes back, so nobody else need be told."""
    await deployment.bell.ring([1])
    with pytest.raises(ValueError, match="failed"):
        async with deployment.bell.claimed([1]):
            raise ValueError("failed")

    assert deployment.claim_ms(1) == -2
    assert deployment.mark_ms(1) > 0


async def test_claims_and_marks_live_as_long_as_the_work(deployment: Deployment) -> None:
    """A worker extends them; a mark that is gone is not made anew."""
    await deployment.bell.ring([1])
    marks = Marks(deployment.broker, deployment.prefix)
    marks.claim([1, 2])
    for kind in ("claimed", "rung"):
        deployment.redis.pexpire(f"{deployment.prefix}:{kind}:1", 500)

    marks.extend([1, 2])

    assert deployment.claim_ms(1) > 500
    assert deployment.mark_ms(1) > 500
    assert deployment.mark_ms(2) == -2


async def test_a_ring_that_fails_after_its_mark_takes_it_back(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message did not leave, so nobody would come."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(deployment.broker, "enqueue", fail)
        with pytest.raises(BrokerUnavailable):
            await deployment.bell.ring([1, 2])

    assert deployment.mark_ms(1) == deployment.mark_ms(2) == -2
    await deployment.bell.ring([1, 2])
    assert deployment.messages() == [[1, 2]]


@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_a_broker_that_is_away_is_told_and_used_again_when_it_is_back(server_directory: Path, how: str) -> None:
    """No answer is an error within its timeout; workers do without claims."""
    with RedisServer(server_directory / "redis") as redis:
        deployment = Deployment(redis)
        await deployment.bell.ring([1])
        redis.stop() if how == "stopped" else redis.pause()
        try:
            for ask in (deployment.bell.ring([2]), deployment.bell.depth()):
                with pytest.raises(BrokerUnavailable):
                    await ask
            async with deployment.bell.claimed([1, 2]) as claimed:
                assert claimed == [1, 2]
        finally:
            redis.start() if how == "stopped" else redis.resume()
        await deployment.bell.ring([2])
        await deployment.bell.close()
        deployment.redis.close()
