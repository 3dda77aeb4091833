"""Connections that are reset while nobody uses them, on the event loop that servers run on."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import uvloop

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.devstack import RedisServer
from testing.harness.processes.tcp_proxy import TcpProxy

CONNECTIONS = 5
ECHO = [("ECHO", "here")]


def _on_uvloop(scenario: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(scenario)


async def _kept_and_reset(connections: RedisConnections, proxy: TcpProxy) -> None:
    """Fill the pool, and reset all it has kept; return once the event loop has noticed."""
    await asyncio.gather(*(connections.run(ECHO) for _ in range(CONNECTIONS)))
    kept = list(connections._idle)
    assert kept
    proxy.cut()
    until = time.monotonic() + 5
    while any(wire.is_open for wire in kept):
        assert time.monotonic() < until, "nobody noticed"
        await asyncio.sleep(0)


async def test_a_connection_reset_while_idle_is_replaced(redis_server: RedisServer) -> None:
    """Whoever asks next is answered, over a new connection."""

    async def ask() -> list[Any]:
        async with TcpProxy("127.0.0.1", redis_server.port) as proxy:
            connections = RedisConnections(f"redis://127.0.0.1:{proxy.port}/0")
            try:
                await _kept_and_reset(connections, proxy)
                return await connections.run(ECHO)
            finally:
                await connections.close()

    assert await asyncio.to_thread(_on_uvloop, ask()) == [b"here"]
