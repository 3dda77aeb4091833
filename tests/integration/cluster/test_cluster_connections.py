"""Exchanges find the node that has their keys, whatever the cluster is about to do."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from synckairos.adapters.redis.cluster.connections import ClusterConnections
from synckairos.adapters.redis.connections.replies import checked
from synckairos.application.errors import StoreUnavailable
from synckairos.devstack import RedisServer
from testing.harness.processes.cluster_group import ClusterGroup
from testing.harness.waiting import eventually
from tests.contract.decisions import new_id

if TYPE_CHECKING:
    from synckairos.adapters.redis.cluster.answers import Answer
    from synckairos.adapters.redis.connections.wire import RedisCommand

PATIENCE_S = 0.5


@pytest.fixture
async def connections(redis_cluster: ClusterGroup) -> AsyncIterator[ClusterConnections]:
    """Connections to the cluster of all tests."""
    connections = ClusterConnections(redis_cluster.url)
    yield connections
    await connections.close()


@pytest.fixture
def tag() -> str:
    """A hash tag of this test's own."""
    return f"{{{new_id()}}}"


@asynccontextmanager
async def opened(cluster: ClusterGroup) -> AsyncIterator[ClusterConnections]:
    """Connections that do not wait for long."""
    connections = ClusterConnections(cluster.url, connect_timeout_s=PATIENCE_S, exchange_timeout_s=PATIENCE_S)
    try:
        yield connections
    finally:
        await connections.close()


def other_master(cluster: ClusterGroup, key: str) -> RedisServer:
    """Return a master that does not have a key."""
    return next(master for master in cluster.masters() if master is not cluster.master_of(key))


async def test_each_command_goes_to_the_node_of_its_key(connections: ClusterConnections) -> None:
    """Replies come in the order of the commands, transactions in one piece, and each with the clock of its node."""
    keys = [new_id() for _ in range(20)]
    await connections.run([("SET", key, place) for place, key in enumerate(keys)])

    replies = await connections.run(
        [command for key in keys for command in (("MULTI",), ("INCR", key), ("EXEC",), ("GET", key))]
    )

    assert replies[2::4] == [[place + 1] for place in range(20)]
    assert replies[3::4] == [b"%d" % (place + 1) for place in range(20)]
    answers = await connections.answers([("GET", key) for key in keys])
    assert {answer.instant.node for answer in answers if answer.instant} == connections.nodes()
    assert len(connections.nodes()) == 3


async def test_a_slot_that_has_moved_is_found(
    connections: ClusterConnections, redis_cluster: ClusterGroup, tag: str
) -> None:
    """Nothing was applied where it was: what is asked again is asked once."""
    await connections.run([("SET", tag, 1)])
    await asyncio.to_thread(redis_cluster.move, tag, other_master(redis_cluster, tag))

    (value,) = await connections.run([("INCR", tag)])

    assert value == 2


async def test_a_transaction_begun_before_a_slot_moves_is_not_applied(
    connections: ClusterConnections, redis_cluster: ClusterGroup, tag: str
) -> None:
    """Its commands are refused, and it begins anew where the slot is."""
    async with connections.lease([("WATCH", tag), ("GET", tag)]) as (lease, _):
        await asyncio.to_thread(redis_cluster.move, tag, other_master(redis_cluster, tag))
        *_, result = await lease.exchange([("MULTI",), ("SET", tag, "late"), ("EXEC",)])
        assert isinstance(result, Exception)

    async with connections.lease([("WATCH", tag), ("GET", tag)]) as (lease, replies):
        assert checked(replies) == [b"OK", None]
        *_, result = await lease.ask([("MULTI",), ("SET", tag, "new"), ("EXEC",)])
        assert result == [b"OK"]


async def test_values_are_read_while_their_slot_moves(
    connections: ClusterConnections, redis_cluster: ClusterGroup, tag: str
) -> None:
    """Those that have moved and those that have not, and a key that is nowhere is at neither."""
    keys = [f"{tag}{place}" for place in range(8)]
    await connections.run([("SET", key, key) for key in keys])
    loop = asyncio.get_running_loop()
    found: list[list[object]] = []

    def read() -> None:
        commands = [("GET", key) for key in (*keys, f"{tag}none")]
        found.append(asyncio.run_coroutine_threadsafe(connections.run(commands), loop).result())

    await asyncio.to_thread(redis_cluster.move, keys[0], other_master(redis_cluster, tag), read)

    assert found == [[*[key.encode() for key in keys], None]]


async def test_a_block_is_not_read_where_a_part_of_it_is_missing(redis_cluster: ClusterGroup, tag: str) -> None:
    """While its slot moves it is waited for, in vain if that takes too long."""
    keys = [f"{tag}{place}" for place in range(8)]
    block: list[RedisCommand] = [("MULTI",), *(("GET", key) for key in keys), ("EXEC",)]
    loop = asyncio.get_running_loop()
    async with opened(redis_cluster) as connections:
        await connections.run([("SET", key, key) for key in keys])
        amid: list[Answer] = []

        def read() -> None:
            amid.extend(asyncio.run_coroutine_threadsafe(connections.answers(block), loop).result())

        await asyncio.to_thread(redis_cluster.move, keys[0], other_master(redis_cluster, tag), read)

        assert [type(answer.problem) for answer in amid] == [StoreUnavailable]
        assert (await connections.run(block))[-1] == [key.encode() for key in keys]


async def test_a_transaction_never_takes_what_has_not_moved_for_missing(
    connections: ClusterConnections, redis_cluster: ClusterGroup, tag: str
) -> None:
    """While one of its keys is here and another one nowhere, it waits; then it finds both."""
    key = f"{tag}here"
    await connections.run([("SET", key, "here"), ("SET", f"{tag}too", "here")])
    loop = asyncio.get_running_loop()
    begun: list[asyncio.Task[list[object]]] = []

    async def look() -> list[object]:
        async with connections.lease([("WATCH", key), ("GET", key), ("GET", f"{tag}nowhere")]) as (_, replies):
            return checked(replies)

    def begin() -> None:
        loop.call_soon_threadsafe(lambda: begun.append(asyncio.ensure_future(look())))

    await asyncio.to_thread(redis_cluster.move, tag, other_master(redis_cluster, tag), begin)

    assert await begun[0] == [b"OK", b"here", None]


async def test_a_transaction_writes_nothing_where_its_slot_is_only_about_to_be(
    connections: ClusterConnections, redis_cluster: ClusterGroup, tag: str
) -> None:
    """What it watches is nowhere, but what it writes may not have moved yet: a second copy would stop the move."""
    keys = [f"{tag}{place}" for place in range(8)]
    await connections.run([("SET", key, "old") for key in keys])
    loop = asyncio.get_running_loop()
    begun: list[asyncio.Task[list[object]]] = []

    async def write() -> list[object]:
        async with connections.lease([("WATCH", f"{tag}nowhere"), ("GET", f"{tag}nowhere")]) as (lease, _):
            return await lease.exchange([("MULTI",), ("SET", keys[-1], "new"), ("EXEC",)])

    def begin() -> None:
        loop.call_soon_threadsafe(lambda: begun.append(asyncio.ensure_future(write())))

    await asyncio.to_thread(redis_cluster.move, tag, other_master(redis_cluster, tag), begin)

    assert (await begun[0])[-1] == [b"OK"]
    assert await connections.run([("GET", keys[-1])]) == [b"new"]


async def test_a_replica_is_found_when_it_has_taken_over(server_directory: Path, tag: str) -> None:
    """Until then its keys are refused, and those of others are served."""
    async with AsyncExitStack() as stack:
        group = stack.enter_context(ClusterGroup(server_directory))
        connections = await stack.enter_async_context(opened(group))
        await connections.run([("SET", tag, 1)])
        former = group.master_of(tag)
        assert group.ask(former, "WAIT", 1, 5_000) == 1
        others = [key for key in (new_id() for _ in range(50)) if group.master_of(key) is not former]
        former.kill()

        looks = [("GET", tag), *[("GET", key) for key in others]]
        began = time.monotonic()
        assert isinstance((await connections.each(looks))[0], StoreUnavailable)
        assert time.monotonic() - began < PATIENCE_S, "who only looks waits for nobody"
        mine, *theirs = await connections.answers(looks)

        assert isinstance(mine.problem, StoreUnavailable)
        assert [answer.problem for answer in theirs] == [None] * len(others)
        changed = asyncio.Event()
        connections.topology.on_change(changed.set)
        async with asyncio.timeout(30.0):
            await changed.wait()  # though nobody asks any more
        assert await connections.run([("GET", tag)]) == [b"1"]


async def test_a_silent_node_holds_up_one_exchange_at_a_time(server_directory: Path, tag: str) -> None:
    """All others are told soon that it is away: they take places that sessions of other nodes need."""
    async with AsyncExitStack() as stack:
        group = stack.enter_context(ClusterGroup(server_directory, replicas=0))
        connections = await stack.enter_async_context(opened(group))
        await connections.run([("SET", tag, 1)])
        silent = group.master_of(tag)
        other = next(key for key in (new_id() for _ in range(50)) if group.master_of(key) is not silent)
        silent.pause()
        try:
            began = time.monotonic()
            away, there = await connections.each([("GET", tag), ("GET", other)])
            looked_s = time.monotonic() - began
            await connections.answers([("GET", tag)])
            began = time.monotonic()
            refused = await asyncio.gather(*(connections.answers([("GET", tag)]) for _ in range(10)))
            refused_s = time.monotonic() - began
        finally:
            silent.resume()

        assert isinstance(away, StoreUnavailable)
        assert there is None
        assert looked_s < PATIENCE_S, "who only looks waits for no whole exchange"
        assert all(isinstance(one.problem, StoreUnavailable) for (one,) in refused)
        assert refused_s < 3 * PATIENCE_S, "ten exchanges, one after the other, would take five seconds"

        async def is_back() -> bool:
            return (await connections.answers([("GET", tag)]))[0].replies == [b"1"]

        await eventually(is_back, 30.0)
