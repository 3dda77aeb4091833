"""What a cluster has lost, some of it or everything, comes back from the trail; what it holds is left alone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection

import pytest

from synckairos.adapters.redis.identity import MARK, Origin
from synckairos.adapters.redis.keys import PARTITIONS, partition_of
from synckairos.adapters.redis.outbox import RedisOutbox
from synckairos.application.errors import ShardUnavailable
from synckairos.application.recovery import RecoveryOver
from synckairos.domain.model import Session
from testing.harness.fakes.fake_audit_trail import FakeAuditTrail
from testing.harness.processes.cluster_group import ClusterGroup
from tests.contract.decisions import new_id, running, switched
from tests.contract.store_process import StoreProcess
from tests.integration.recovery.recovered_store import Recoverer

SESSIONS = 40
EVERYTHING = range(PARTITIONS)


class LostCluster:
    """A server's process on a cluster, sessions that are written, and partitions to lose."""

    def __init__(self, group: ClusterGroup, process: StoreProcess) -> None:
        self._group = group
        self.process = process
        self.trail = FakeAuditTrail()
        self.sessions: list[Session] = []

    async def fill(self) -> None:
        """Start sessions, and write what waits into the trail."""
        self.sessions = [await running(self.process.store) for _ in range(SESSIONS)]
        outbox = RedisOutbox(self.process.connections, self.process.keys)
        entries = (await outbox.read(EVERYTHING, 10_000)).entries
        await self.trail.write([entry.record for entry in entries if entry.record is not None])
        await outbox.remove(entries)

    async def keys(self) -> set[str]:
        """Return all keys."""
        pattern = f"{self.process.keys.prefix}:*"
        found = [await asyncio.to_thread(self._group.ask, one, "KEYS", pattern) for one in self._group.servers]
        return {key for keys in found for key in keys}

    async def lose(self, partitions: Collection[int], *, with_name: bool) -> None:
        """Lose partitions, and the name of the whole store as well or not; the server notices."""
        keys = self.process.keys
        tags = tuple(keys.partitioned(partition, "") for partition in partitions)
        gone = [key for key in await self.keys() if key.startswith(tags) or (with_name and key == keys.meta)]
        await self.process.connections.run([("DEL", key) for key in gone])
        await self.process.guard._probe(may_init=False)

    def recoverer(self) -> Recoverer:
        """Return a process that recovers."""
        return Recoverer(self.process, self.trail)

    def of(self, partitions: Collection[int]) -> list[Session]:
        """Return the sessions of partitions."""
        return [session for session in self.sessions if partition_of(session.session_id) in partitions]

    async def versions(self, sessions: list[Session]) -> list[int | None]:
        """Return the versions that the server finds; None for sessions that it may not tell of."""
        found = await self.process.store.read([session.session_id for session in sessions])
        assert all(reading.session or reading.problem for reading in found), "a lost session looks like none"
        return [reading.session.version if reading.session else None for reading in found]


@pytest.fixture
async def cluster(redis_cluster: ClusterGroup) -> AsyncIterator[LostCluster]:
    """A cluster with sessions."""
    async with StoreProcess(redis_cluster.url, f"r{new_id()[:12]}") as process:
        cluster = LostCluster(redis_cluster, process)
        await cluster.fill()
        yield cluster


async def recovered(recoverer: Recoverer) -> int:
    """Recover everything; return how many sessions came back."""
    is_lost = await recoverer.guard.begin()
    tally = await recoverer.run(is_store_lost=is_lost).run()
    await recoverer.guard.finish()
    assert tally.failures == []
    return tally.recovered


@pytest.mark.parametrize("with_name", [False, True], ids=["the shard of sk:meta stays", "sk:meta is lost too"])
async def test_lost_partitions_come_back_while_the_others_are_used(cluster: LostCluster, with_name: bool) -> None:
    """What is not back yet is refused, not missing; in the end everything is there, and a second run adds nothing."""
    lost = range(20)
    theirs, others = cluster.of(lost), cluster.of(range(20, PARTITIONS))
    await cluster.lose(lost, with_name=with_name)
    recoverer = cluster.recoverer()

    is_everything = await recoverer.guard.begin()
    before = await cluster.versions(theirs)
    await switched(cluster.process.store, others[0].session_id, 1)
    tally = await recoverer.run(is_store_lost=is_everything).run()
    unheard_of = next(one for one in iter(new_id, "") if partition_of(one) in lost)
    (not_yet,) = await cluster.process.store.read([unheard_of])
    await recoverer.guard.finish()

    assert not is_everything
    assert before == [None] * len(theirs)
    assert isinstance(not_yet.problem, ShardUnavailable)
    assert (tally.recovered, tally.present) == (len(theirs), len(others))
    assert await cluster.versions(theirs) == [session.version + 1 for session in theirs]
    await cluster.process.guard._probe(may_init=False)
    await cluster.process.guard.confirm_all()
    assert await recovered(cluster.recoverer()) == 0


async def test_two_recoveries_of_everything_do_no_harm(cluster: LostCluster) -> None:
    """Each session comes back once, and the store and its partitions get one name."""
    await cluster.lose(EVERYTHING, with_name=True)
    assert not cluster.process.guard.is_ready

    async def run(recoverer: Recoverer) -> int:
        mass = recoverer.run(is_store_lost=await recoverer.guard.begin())
        with contextlib.suppress(RecoveryOver, ShardUnavailable):  # the other one has finished
            await mass.run()
            await recoverer.guard.finish()
        return mass.tally.recovered

    back = await asyncio.gather(run(cluster.recoverer()), run(cluster.recoverer()))

    assert sum(back) == SESSIONS
    await cluster.process.guard._probe(may_init=False)
    await cluster.process.guard.confirm_all()
    identity = await cluster.process.guard.identity()
    assert identity is not None
    assert identity.origin is Origin.RECOVER
    assert await cluster.versions(cluster.sessions) == [session.version + 1 for session in cluster.sessions]


async def test_a_dry_run_marks_nothing(cluster: LostCluster) -> None:
    """It counts what would come back, and leaves every key as it was."""
    await cluster.lose(range(20), with_name=False)
    before = await cluster.keys()
    recoverer = cluster.recoverer()

    await recoverer.guard.begin(is_dry=True)
    tally = await recoverer.run(is_store_lost=False, is_dry=True).run()

    assert tally.recovered == len(cluster.of(range(20)))
    assert await cluster.keys() == before


async def test_partitions_that_are_lost_again_get_no_name(cluster: LostCluster) -> None:
    """What was back in them is gone, so the recovery is not over; another one goes on from there."""
    await cluster.lose(EVERYTHING, with_name=True)
    recoverer = cluster.recoverer()
    await recoverer.guard.begin()
    await recoverer.run(is_store_lost=True).run()
    await cluster.lose([7], with_name=False)

    with pytest.raises(RecoveryOver, match="lost its data again"):
        await recoverer.guard.finish()

    assert MARK in await recoverer.guard._facts()
    assert await recovered(cluster.recoverer()) == len(cluster.of([7]))
    await cluster.process.guard._probe(may_init=False)
    assert await cluster.versions(cluster.sessions) == [session.version + 1 for session in cluster.sessions]
