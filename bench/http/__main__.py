"""Measures what calls and streams over HTTP cost the server, beside the same ones over gRPC.

    python -m bench.http [--rounds 5] [--seconds 2]

All ways take turns. CPU time is that of the server, and of the gateway where one stands before it, without what they
use when nobody calls; p50 is a lone caller's. Then callers of gRPC call at a steady rate, alone and beside callers of
JSON at half of what the HTTP port in the server's process can do.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc
import typer
import uvloop

from bench.http.callers import (
    GRPC_WEB,
    JSON,
    JSON_STREAM,
    OPTIONS,
    PROTO,
    PROTO_STREAM,
    SERVICE,
    Call,
    Form,
    called_at_rate,
    called_for,
    grpc_calls,
    http_calls,
    http_connection,
    http_request,
)
from bench.load.samples import median, percentile
from bench.load.usage import cpu_s
from synckairos.devstack import RedisServer
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import connect, running_session
from testing.harness.processes.gateway_process import GatewayProcess
from testing.harness.processes.server_process import ServerProcess, free_port

CALLERS: Final = 4
SESSIONS: Final = 64
WATCHERS: Final = 200
TICK_MS: Final = 100
WARM_S: Final = 0.3
SLICES: Final = 4
"""Of a round of calls, each way in turn in each."""
BASES: Final = {"gRPC": 9, "gRPC, not lean": 13}
"""What CPU times are compared with, and the width of the column."""
GRPC_RATE: Final = 100.0
"""Calls of gRPC a second while JSON is called beside them."""

Prepare = Callable[[AsyncExitStack, int], Awaitable[list[Call]]]
Watch = Callable[[AsyncExitStack, "Count"], Awaitable[None]]


class Stack(NamedTuple):
    """The processes that are measured."""

    server: ServerProcess
    not_lean: ServerProcess
    """As the server, with grpc.aio's own loop: what a gRPC call costs without the lean way."""
    gateway: GatewayProcess
    http: str
    ids: list[str]

    def cpu_s(self) -> float:
        """Return the CPU seconds of all; those that are not called use next to none."""
        return sum(cpu_s(process.pid) for process in (self.server, self.not_lean, self.gateway))


class Count:
    """Counts messages."""

    def __init__(self) -> None:
        self.messages = 0


def call_ways(stack: Stack) -> dict[str, Prepare]:
    """Return the ways of a unary call, by name."""

    def http(address: str, form: Form) -> Prepare:
        return lambda exits, callers: http_calls(exits, address, stack.ids, form, callers)

    return {
        "gRPC": lambda exits, callers: grpc_calls(exits, stack.server.address, stack.ids, callers),
        "gRPC, not lean": lambda exits, callers: grpc_calls(exits, stack.not_lean.address, stack.ids, callers),
        "in process, proto": http(stack.http, PROTO),
        "in process, gRPC-Web": http(stack.http, GRPC_WEB),
        "in process, JSON": http(stack.http, JSON),
        "a hop, proto": http(stack.gateway.address, PROTO),
        "a hop, JSON": http(stack.gateway.address, JSON),
    }


def watch_ways(stack: Stack) -> dict[str, Watch]:
    """Return the ways of a stream, by name; each opens one and counts its messages in a task."""
    fields: dict[str, object] = {"sessionId": stack.ids[0], "tickIntervalMs": TICK_MS}

    async def over_grpc(exits: AsyncExitStack, count: Count) -> None:
        channel = await exits.enter_async_context(grpc.aio.insecure_channel(stack.server.address, options=OPTIONS))
        request = pb.WatchSessionRequest(session_id=stack.ids[0], tick_interval_ms=TICK_MS).SerializeToString()
        watch: Any = channel.unary_stream(f"{SERVICE}WatchSession")
        call = watch(request)
        await call.read()

        async def read() -> None:
            while await call.read() is not grpc.aio.EOF:
                count.messages += 1

        exits.callback(asyncio.create_task(read()).cancel)

    def http(address: str, form: Form) -> Watch:
        async def watch(exits: AsyncExitStack, count: Count) -> None:
            connection = await exits.enter_async_context(http_connection(address))
            envelopes = connection.envelopes(http_request(address, "WatchSession", fields, form))
            await anext(envelopes)

            async def read() -> None:
                async for _ in envelopes:
                    count.messages += 1

            exits.callback(asyncio.create_task(read()).cancel)

        return watch

    return {
        "gRPC": over_grpc,
        "in process, proto": http(stack.http, PROTO_STREAM),
        "in process, JSON": http(stack.http, JSON_STREAM),
        "a hop, proto": http(stack.gateway.address, PROTO_STREAM),
        "a hop, JSON": http(stack.gateway.address, JSON_STREAM),
    }


class Meter:
    """Reads the CPU time of the processes beyond what they use by themselves."""

    def __init__(self, stack: Stack, idle: float) -> None:
        self._stack, self._idle = stack, idle
        self._began, self._before = time.monotonic(), stack.cpu_s()

    def us_each(self, count: int) -> float:
        """Return the CPU time since the beginning for each of so many."""
        own = self._idle * (time.monotonic() - self._began)
        return (self._stack.cpu_s() - self._before - own) / count * 1e6


async def idle_share(stack: Stack, seconds: float) -> float:
    """Return what the processes use when nobody calls, in CPU seconds a second."""
    before, began = stack.cpu_s(), time.monotonic()
    await asyncio.sleep(seconds)
    return (stack.cpu_s() - before) / (time.monotonic() - began)


async def cost_of_messages(stack: Stack, watch: Watch, seconds: float, idle: float) -> float:
    """Return the CPU time of a message of a stream, in us, with many watchers of one session."""
    count = Count()
    async with AsyncExitStack() as exits:
        await asyncio.gather(*(watch(exits, count) for _ in range(WATCHERS)))
        await asyncio.sleep(WARM_S)
        meter, counted = Meter(stack, idle), count.messages
        await asyncio.sleep(seconds)
        return meter.us_each(count.messages - counted)


async def beside_json(stack: Stack, address: str | None, rate: float, seconds: float) -> list[float]:
    """Return how long calls of gRPC took while JSON was called at an address at this rate, or not at all."""
    background = None
    if address is not None:
        command = [sys.executable, "-m", "bench.http.background", address, str(rate), str(seconds + 4), *stack.ids]
        background = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        await asyncio.sleep(3.0)  # until it calls
    async with AsyncExitStack() as exits:
        calls = await grpc_calls(exits, stack.server.address, stack.ids, CALLERS)
        took = await called_at_rate(calls, GRPC_RATE, seconds)
    if background is not None:
        await background.communicate()
    return took


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _calls(stack: Stack, rounds: int, seconds: float) -> float:
    """Print what calls cost, and return how many of JSON the server's own port can do in a second.

    The slices of a round are short, and one connection serves all of them: what the machine does besides changes within
    seconds, and hits neighbours alike.
    """
    rows: dict[str, list[tuple[float, float, float]]] = {}
    async with AsyncExitStack() as exits:
        ways = {name: await prepare(exits, CALLERS) for name, prepare in call_ways(stack).items()}
        for calls in ways.values():
            await called_for(calls, WARM_S)
        for _ in range(rounds * SLICES):
            idle = await idle_share(stack, seconds / SLICES)
            for name, calls in ways.items():
                meter = Meter(stack, idle)
                took = await called_for(calls, seconds / SLICES)
                cpu = meter.us_each(len(took))
                lone = await called_for(calls[:1], seconds / SLICES / 2)
                figures = (cpu, percentile(sorted(lone), 0.5) * 1e3, len(took) / seconds * SLICES)
                rows.setdefault(name, []).append(figures)
    middle = {name: tuple(median(column) for column in zip(*row, strict=True)) for name, row in rows.items()}
    _say(f"{'GetSession':<22}{'CPU us':>8}{'of gRPC':>9}{'of not lean':>13}{'p50 ms':>8}{'calls/s':>9}")
    for name, (cpu, p50, per_second) in middle.items():
        ratios = "".join(f"{_ratio(rows[name], rows[base]):>{width}.2f}" for base, width in BASES.items())
        _say(f"{name:<22}{cpu:>8.0f}{ratios}{p50:>8.2f}{per_second:>9.0f}")
    return middle["in process, JSON"][2]


def _ratio(one: Sequence[Sequence[float]], base: Sequence[Sequence[float]]) -> float:
    """Return the middle of what the CPU time was of the base's in the same round."""
    return median(own[0] / other[0] for own, other in zip(one, base, strict=True))


async def _messages(stack: Stack, rounds: int, seconds: float) -> None:
    ways = watch_ways(stack)
    rows: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        idle = await idle_share(stack, seconds)
        for name, watch in ways.items():
            rows[name].append(await cost_of_messages(stack, watch, seconds, idle))
    _say(f"\n{'a tick of a stream':<22}{'CPU us':>8}{'of gRPC':>9}")
    for name, row in rows.items():
        ratio = median(own / base for own, base in zip(row, rows["gRPC"], strict=True))
        _say(f"{name:<22}{median(row):>8.0f}{ratio:>9.2f}")


async def _neighbours(stack: Stack, most: float, rounds: int, seconds: float) -> None:
    rate = most / 2
    ways = {"alone": None, "JSON in process": stack.http, "JSON by a gateway": stack.gateway.address}
    rows: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, address in ways.items():
            rows[name] += await beside_json(stack, address, rate, seconds)
    _say(f"\n{f'gRPC beside {rate:.0f} JSON/s':<30}{'p50 ms':>8}{'p90 ms':>8}{'p99 ms':>8}")
    for name, took in rows.items():
        figures = "".join(f"{percentile(sorted(took), share) * 1e3:>8.2f}" for share in (0.5, 0.9, 0.99))
        _say(f"{name:<30}{figures}")


async def measure(rounds: int, seconds: float) -> None:
    """Start everything, measure, and print."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as exits:
        redis = exits.enter_context(RedisServer(Path(folder) / "redis"))
        http = f"127.0.0.1:{free_port()}"
        server = exits.enter_context(ServerProcess(redis.url, Path(folder) / "server.log", http_listen=http))
        server.await_answer("SERVING")
        not_lean = exits.enter_context(ServerProcess(redis.url, Path(folder) / "not_lean.log", grpc_lean="0"))
        gateway = exits.enter_context(GatewayProcess(server.address, Path(folder) / "gateway.log"))
        async with connect(server.address) as stub:
            ids = [(await running_session(stub)).session_id for _ in range(SESSIONS)]
        stack = Stack(server, not_lean, gateway, http, ids)
        began = time.monotonic()
        most = await _calls(stack, rounds, seconds)
        await _messages(stack, rounds, seconds)
        await _neighbours(stack, most, rounds, seconds * 2)
        _say(f"\n{time.monotonic() - began:.0f} s, the middle of {rounds} rounds")


def main(rounds: int = 5, seconds: float = 2.0) -> None:
    """Measure."""
    uvloop.run(measure(rounds, seconds))


if __name__ == "__main__":
    typer.run(main)
