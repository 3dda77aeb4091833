"""Connections where Sentinels say what the primary is."""

import asyncio
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.application.errors import StoreUnavailable
from testing.harness.processes.sentinel_group import SentinelGroup
from testing.harness.waiting import eventually

AT_ONCE = 4
PORT = [("CONFIG", "GET", "port")]


async def test_no_connection_to_a_former_primary_is_used_again(server_directory: Path) -> None:
    """It was frozen, another one took its place, and for some seconds it still takes itself for the primary."""
    with SentinelGroup(server_directory) as group:
        connections, former = RedisConnections(group.url, exchange_timeout_s=0.5), group.primary()
        async with AsyncExitStack() as held:
            for _ in range(AT_ONCE):
                await held.enter_async_context(connections.lease([("PING",)]))
            async with connections.lease([("PING",)]), connections.lease([("PING",)]):
                pass
            former.pause()
            await asyncio.to_thread(group.await_another, former)
            with suppress(StoreUnavailable):  # unless the Sentinels have been asked first
                await connections.run([("PING",)])
            # The other one that was kept has not been tried: what does not answer may not be the primary any more.
            await connections.run([("PING",)])
            former.resume()

        async with AsyncExitStack() as held:
            told = [(await held.enter_async_context(connections.lease(PORT)))[1] for _ in range(AT_ONCE)]

        await connections.close()
        assert {int(port) for ((_, port),) in told} == {group.primary().port}


async def test_whoever_slept_through_a_failover_asks_the_sentinels_first(server_directory: Path) -> None:
    """A kept connection leads to a former primary that has woken as well, and takes itself for one."""
    with SentinelGroup(server_directory) as group:
        connections, former = RedisConnections(group.url), group.primary()
        await connections.run(PORT)
        former.pause()
        await eventually(lambda: not group.is_named(former), seconds=30)
        former.resume()

        ((_, port),) = await connections.run(PORT)

        await connections.close()
        assert int(port) == group.primary().port != former.port
