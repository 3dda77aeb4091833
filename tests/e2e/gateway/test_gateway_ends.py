"""How calls over HTTP end before their time: by deadline, by the caller, and by the end of the port itself."""

import asyncio
import re
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest

from synckairos.devstack import RedisServer
from testing.harness.client import connect, new_id, running_session
from testing.harness.http_calls import Exchange, call_json, exchange, watched_json
from testing.harness.processes.child_process import ChildProcess
from testing.harness.processes.gateway_process import is_healthy
from testing.harness.waiting import eventually
from tests.e2e.gateway.conftest import Ports, started

GET = "SessionService/GetSession"
CONNECTIONS = 40
MARGIN_S = 5.0
"""For a machine that does other things as well."""


@pytest.fixture
def own_ports(own_redis: RedisServer, tmp_path: Path) -> Iterator[Ports]:
    """Ports of a test that freezes its Redis or stops its servers."""
    with ExitStack() as stack:
        settings = {"gateway_connections": str(CONNECTIONS), "redis_timeout_s": "20", "drain_grace_s": "5"}
        yield started(stack, own_redis.url, tmp_path, **settings)


def metric(ports: Ports, name: str) -> float:
    """Return a metric's value, 0 if it is not there."""
    with urllib.request.urlopen(f"http://{ports.metrics}/metrics") as page:
        found = re.search(rf"^{re.escape(name)} (\S+)$", page.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def cancelled(ports: Ports) -> float:
    """Return how many GetSession were cancelled."""
    return metric(ports, f'synckairos_call_seconds_count{{code="CANCELLED",method="/synckairos.v1.{GET}",reason=""}}')


async def test_a_call_ends_by_its_deadline_and_its_handler_with_it(own_redis: RedisServer, own_ports: Ports) -> None:
    """The store does not answer: the caller hears of it when it wanted to, and nobody works on for it."""
    own_redis.pause()
    for number, address in enumerate((own_ports.in_process, own_ports.by_itself), start=1):
        began = time.monotonic()
        answer = await call_json(address, GET, {"sessionId": new_id()}, connect_timeout_ms="500")
        took = time.monotonic() - began

        assert (answer.status, answer.json()["code"]) == (504, "deadline_exceeded")
        assert 0.45 < took < 0.5 + MARGIN_S
        await eventually(lambda number=number: cancelled(own_ports) == number)  # type: ignore[misc]


async def test_a_caller_that_hangs_up_cancels_its_call(own_redis: RedisServer, own_ports: Ports) -> None:
    """Of a unary call and of a stream."""
    addresses = (own_ports.in_process, own_ports.by_itself)
    async with connect(own_ports.grpc) as stub:
        session_id = (await running_session(stub)).session_id
    for address in addresses:
        async with watched_json(address, {"sessionId": session_id}) as watch:
            await watch.json_frame()
            assert metric(own_ports, "synckairos_watchers") == 1
        await eventually(lambda: metric(own_ports, "synckairos_watchers") == 0)

    own_redis.pause()
    body = f'{{"sessionId": "{session_id}"}}'.encode()
    for address in addresses:
        before = cancelled(own_ports)
        async with exchange(address, f"/synckairos.v1.{GET}", body, content_type="application/json") as call:
            with pytest.raises(TimeoutError):
                await call.whole(seconds=0.5)
        await eventually(lambda before=before: cancelled(own_ports) == before + 1)  # type: ignore[misc]


async def opened(stack: AsyncExitStack, address: str, session_id: str) -> Exchange:
    """Return a stream that has begun."""
    watch = await stack.enter_async_context(watched_json(address, {"sessionId": session_id, "tickIntervalMs": 1_000}))
    await watch.json_frame()
    return watch


async def test_a_port_that_is_told_to_stop_ends_its_streams_itself(own_ports: Ports) -> None:
    """SIGTERM to the gateway, then to the server: streams hear why, and both are gone long before their grace is over.

    The gateway ends its streams with UNAVAILABLE, the server as it ends those of gRPC.
    """
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(connect(own_ports.grpc))
        session_id = (await running_session(stub)).session_id
        of_gateway = [await opened(stack, own_ports.by_itself, session_id) for _ in range(10)]
        of_server = [await opened(stack, own_ports.in_process, session_id) for _ in range(10)]

        gateway_ends = await stopped(own_ports.gateway, of_gateway)
        server_ends = await stopped(own_ports.server, of_server)

    errors = [frames[-1]["end_of_stream"]["error"] for frames in gateway_ends]
    assert {error["code"] for error in errors} == {"unavailable"}
    assert {error["details"][0]["debug"]["reason"] for error in errors} == {"DRAINING"}
    assert {frames[-2]["end"]["reason"] for frames in server_ends} == {"END_REASON_DRAINING"}
    assert all(frames[-1] == {"end_of_stream": {}} for frames in server_ends)


async def stopped(process: ChildProcess, streams: list[Exchange]) -> list[list[dict[str, Any]]]:
    """Stop a process and return what its streams said from then on; fail if it is not gone soon, and in order."""
    began = time.monotonic()
    stopping = asyncio.create_task(asyncio.to_thread(process.stop))
    rest = await asyncio.gather(*(stream.rest_json() for stream in streams))
    assert await stopping == 0
    assert time.monotonic() - began < MARGIN_S
    assert "Traceback" not in process.tail()
    return rest


async def test_a_gateway_outlives_its_backend(own_ports: Ports) -> None:
    """Its streams and calls end with UNAVAILABLE and its health tells; it finds the server that comes back."""
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(connect(own_ports.grpc))
        session_id = (await running_session(stub)).session_id
        watch = await opened(stack, own_ports.by_itself, session_id)

        own_ports.server.kill()
        ending = (await watch.rest_json())[-1]["end_of_stream"]["error"]
        answer = await call_json(own_ports.by_itself, GET, {"sessionId": session_id})
        was_healthy = is_healthy(own_ports.by_itself)
        await asyncio.to_thread(own_ports.server.start)
        await eventually(lambda: is_healthy(own_ports.by_itself))
        again = await call_json(own_ports.by_itself, GET, {"sessionId": session_id})

    assert (ending["code"], answer.status, was_healthy) == ("unavailable", 503, False)
    assert again.status == 200


async def test_a_crowd_at_the_http_port_keeps_nobody_from_the_grpc_port(own_ports: Ports) -> None:
    """More connections than are allowed are closed at once; when the crowd goes, the next one is served."""
    async with connect(own_ports.grpc) as stub:
        async with AsyncExitStack() as stack:
            crowd = [
                await stack.enter_async_context(exchange(own_ports.in_process, "/", method="GET", content_length="9"))
                for _ in range(2 * CONNECTIONS)
            ]
            refused = await asyncio.gather(*(one.is_cut_off(seconds=1.0) for one in crowd))
            session = await running_session(stub)
        await eventually(lambda: is_healthy(own_ports.in_process))
    assert sum(refused) >= CONNECTIONS
    assert session.version == 2
