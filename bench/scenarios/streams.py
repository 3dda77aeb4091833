"""Watchers: one session told to many, many told of one each, all coming at once, and from server to server."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar, Final

from google.protobuf.struct_pb2 import Struct

from bench.load import usage
from bench.load.http2 import DEFAULT_WINDOW, Connection, Kind
from bench.load.jobs import CallsJob, Result, WatchJob
from bench.load.load_pool import Measurement, Watch, arrivals
from bench.scenarios.base import Scenario
from bench.scenarios.calls import SWITCH
from bench.seeding import Seed, seed
from bench.sizes import Sizes
from bench.testbed import SERVICE, Testbed
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import connect, running_session, two_players

WATCH: Final = SERVICE + "WatchSession"
WATCHING: Final = 2
"""Load processes that watch; the next one calls."""
STREAMS: Final = 50
"""Of each connection."""
EVENT: Final = bytes(542)
"""A message as large as the frame of a switch of two participants."""
FILLING: Final = 800
"""Changes that only the stalled reader is sent: more than its window, its queue and the server's hands take."""


async def watch(testbed: Testbed, address: str, ids: Sequence[str], *, tick_ms: int = 0) -> Watch:
    """Open a stream for every id (which may repeat), over a few connections of some load processes."""
    requests = [
        pb.WatchSessionRequest(session_id=session_id, tick_interval_ms=tick_ms).SerializeToString()
        for session_id in ids
    ]
    return await opened(testbed, address, WATCH, requests, keeps_times=not tick_ms)


async def opened(testbed: Testbed, address: str, path: str, requests: list[bytes], *, keeps_times: bool) -> Watch:
    """Open a stream for every request, over a few connections of some load processes."""
    processes = min(WATCHING, len(requests))
    jobs = [
        WatchJob(
            addresses=[address],
            connections=max(1, len(requests) // processes // STREAMS),
            path=path,
            requests=requests[place::processes],
            keeps_times=keeps_times,
        )
        for place in range(processes)
    ]
    return await testbed.pool.watch(jobs)


def switching(address: str, session_id: str, *, rate: float, changes: int) -> CallsJob:
    """Return the job of one caller that switches a session at a fixed rate, `changes` times after a warm-up."""
    request = pb.SwitchCycleRequest(session_id=session_id).SerializeToString()
    return steadily(address, SWITCH, request, rate=rate, changes=changes)


def steadily(address: str, path: str, request: bytes, *, rate: float, changes: int) -> CallsJob:
    """Return the job of one caller that makes a call at a fixed rate, `changes` times after a warm-up."""
    return CallsJob(
        addresses=[address],
        connections=1,
        paths=[path],
        lanes=[[(0, request)]],
        warm_s=2 / rate,
        run_s=changes / rate,
        rate=rate,
        keeps_order=True,
    )


def heard(measured: Measurement, results: Sequence[Result], watchers: int) -> list[list[float]]:
    """Return how long after each call its watchers were told, in seconds; a missing event becomes an error."""
    times = arrivals(results)
    measured.errors.update(_errors(results))
    missing = sum(watchers - len(one) for one in times) + watchers * max(0, len(measured.sent) - len(times))
    if missing:
        measured.errors["events that never arrived"] += missing
        return []
    last = times[len(times) - len(measured.sent) :]
    return [[at - sent for at in one] for one, sent in zip(last, measured.sent, strict=True)]


def told(measured: Measurement, results: Sequence[Result], watchers: int) -> list[float]:
    """Return how long after each call its last watcher was told, in seconds."""
    return [each[-1] for each in heard(measured, results, watchers)]


@dataclass
class FanOut(Scenario):
    """One session, many watchers: the time until the last one knows, and the CPU time of an event delivered."""

    takes_turns: ClassVar[bool] = False
    changes: int = 0
    rate: float = 10.0

    async def measure(self, testbed: Testbed) -> Measurement:
        """Open the streams, change the session at a fixed rate, wait for all to be told."""
        (session_id,) = await seed(testbed.redis_url, self.name, Seed(1))
        with testbed.own_server(self.name) as server:
            watching = await watch(testbed, server.address, [session_id] * self.size)
            job = switching(server.address, session_id, rate=self.rate, changes=self.changes)
            measured = await self._told(testbed, watching, job, testbed.pids([server]))
        await testbed.forget(self.name)
        return measured

    async def _told(
        self, testbed: Testbed, watching: Watch, job: CallsJob, pids: Mapping[str, Sequence[int]]
    ) -> Measurement:
        measured = await testbed.pool.without(WATCHING).measure([job], pids)
        await asyncio.sleep(testbed.sizes.settle_s)
        results = await watching.stop()
        call = measured.latencies
        measured.latencies = told(measured, results, self.size)
        measured.calls *= self.size
        measured.extra = {
            "us_per_event": measured.cpu_per_call("server") * 1e6,
            "call_p50_ms": sorted(call)[len(call) // 2] * 1_000 if call else 0.0,
        }
        return measured


@dataclass
class EchoFanOut(FanOut):
    """As many watchers of the server that only echoes: what gRPC itself takes to tell them."""

    only_on_request: bool = True

    async def measure(self, testbed: Testbed) -> Measurement:
        """Open the streams, let a message of an event's size be told at a fixed rate, wait for all to be told."""
        address = testbed.echo.address
        watching = await opened(testbed, address, "/bench.Echo/Watch", [b""] * self.size, keeps_times=True)
        job = steadily(address, "/bench.Echo/Tell", EVENT, rate=self.rate, changes=self.changes)
        return await self._told(testbed, watching, job, {"server": [testbed.echo.pid]})


@dataclass
class Propagation(Scenario):
    """A change made at one server, told by another."""

    takes_turns: ClassVar[bool] = False
    rate: float = 50.0

    async def measure(self, testbed: Testbed) -> Measurement:
        """Watch a session at the second server and change it at the first."""
        first, second = testbed.server(0), testbed.server(1)
        (session_id,) = await testbed.sessions(1)
        watching = await watch(testbed, second.address, [session_id])
        job = switching(first.address, session_id, rate=self.rate, changes=testbed.sizes.fan_outs * 4)
        measured = await testbed.pool.without(1).measure([job], testbed.pids([first, second]))
        await asyncio.sleep(testbed.sizes.settle_s)
        measured.latencies = told(measured, await watching.stop(), 1)
        return measured


async def observed(pids: Mapping[str, Sequence[int]], seconds: float) -> tuple[dict[str, float], float]:
    """Return the CPU seconds that processes use in a while, and how long it was."""

    def read() -> dict[str, float]:
        return {part: sum(usage.cpu_s(pid) for pid in members) for part, members in pids.items()}

    before, began = read(), time.monotonic()
    await asyncio.sleep(seconds)
    after = read()
    return {part: after[part] - before[part] for part in pids}, time.monotonic() - began


@dataclass
class Ticking(Scenario):
    """Many sessions, one watcher each, a tick a second."""

    takes_turns: ClassVar[bool] = False

    async def measure(self, testbed: Testbed) -> Measurement:
        """Watch for a while and count."""
        sizes = testbed.sizes
        ids = await seed(testbed.redis_url, self.name, Seed(sizes.ticking))
        with testbed.own_server(self.name) as server:
            watching = await watch(testbed, server.address, ids, tick_ms=1_000)
            cpu, seconds = await observed(testbed.pids([server]), sizes.ticking_s)
            results = await watching.stop()
        await testbed.forget(self.name)
        messages = sum(result.messages for result in results)
        errors = _errors(results)
        if messages < (sizes.ticking_s - 1) * sizes.ticking:
            errors["too few ticks"] += 1
        return Measurement(
            calls=messages, seconds=seconds, errors=errors, cpu_s=cpu, extra={"core": cpu["server"] / seconds}
        )


@dataclass
class Storm(Scenario):
    """Many watchers connecting at once, as after a rolling restart."""

    takes_turns: ClassVar[bool] = False
    per_session: int = 10

    async def measure(self, testbed: Testbed) -> Measurement:
        """Open all streams in one moment; weigh the server before and after."""
        ids = await seed(testbed.redis_url, self.name, Seed(self.size // self.per_session))
        with testbed.own_server(self.name) as server:
            before, cpu = usage.resident_bytes(server.pid), usage.cpu_s(server.pid)
            watching = await watch(testbed, server.address, ids * self.per_session)
            cpu = usage.cpu_s(server.pid) - cpu
            held = usage.resident_bytes(server.pid) - before
            results = await watching.stop()
        await testbed.forget(self.name)
        return Measurement(
            calls=len(watching.waits),
            seconds=max(watching.waits, default=0.0),
            latencies=watching.waits,
            errors=_errors(results),
            cpu_s={"server": cpu},
            extra={"bytes_per_watcher": held / self.size},
        )


def _errors(results: Sequence[Result]) -> Counter[str]:
    errors: Counter[str] = Counter()
    for result in results:
        errors.update(result.errors)
    return errors


@dataclass
class Readers(Scenario):
    """Readers of one session, told of changes of 1.5 KB; one of them takes nothing, if asked for."""

    takes_turns: ClassVar[bool] = False
    only_on_request: bool = True
    is_one_stalled: bool = False
    rate: float = 20.0
    changes: int = 100

    async def measure(self, testbed: Testbed) -> Measurement:
        """Time every message to the others; the server puts up with the stalled reader for the whole round."""
        others = self.size - self.is_one_stalled
        with testbed.own_server(self.name, stream_stall_s="60") as server, ExitStack() as exits:
            session_id = await _large_session(server.address)
            stalled = _Stalled(server.address)
            exits.callback(stalled.close)
            if self.is_one_stalled:
                await stalled.open(session_id)
            watching = await watch(testbed, server.address, [session_id] * others)
            job = switching(server.address, session_id, rate=self.rate, changes=self.changes)
            measured = await testbed.pool.without(WATCHING).measure([job], testbed.pids([server]))
            await asyncio.sleep(testbed.sizes.settle_s)
            memory = usage.resident_bytes(server.pid)
            messages = heard(measured, await watching.stop(), others)
        await testbed.forget(self.name)
        measured.latencies = [seconds for each in messages for seconds in each]
        measured.calls = len(measured.latencies)
        if stalled.taken > DEFAULT_WINDOW:
            measured.errors["the reader that should be stalled took more than its window"] += 1
        measured.extra = {"server_mb": memory / 1e6, "taken_by_stalled_bytes": stalled.taken}
        return measured


async def _large_session(address: str) -> str:
    """Start a session whose events are large enough to fill a window soon."""
    metadata = Struct()
    metadata["text"] = "x" * 1_000
    async with connect(address) as stub:
        return (await running_session(stub, two_players(bank_ms=86_400_000, metadata=metadata))).session_id


class _Stalled:
    """A reader that takes what its window holds, and then nothing more: its connection goes on answering pings."""

    def __init__(self, address: str) -> None:
        self.taken = 0
        """Bytes of messages."""
        self._address = address
        self._connection = Connection(address, DEFAULT_WINDOW)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._connection, self._receive)

    def _receive(self) -> None:
        self.taken += sum(len(one.payload) for one in self._connection.receive() if one.kind is Kind.DATA)
        self._connection.flush()

    async def open(self, session_id: str) -> None:
        """Open a stream, and fill it."""
        self._connection.open(WATCH, pb.WatchSessionRequest(session_id=session_id).SerializeToString())
        self._connection.flush()
        async with connect(self._address) as stub:
            for _ in range(FILLING):
                await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id))

    def close(self) -> None:
        """Go away."""
        self._loop.remove_reader(self._connection)
        self._connection.close()


def streams(sizes: Sizes) -> list[Scenario]:
    """Return all of them."""
    some, many, changes = sizes.watchers, sizes.many_watchers, sizes.fan_outs
    few = max(2, changes // 5)
    return [
        FanOut("fan_out", f"1 session, {some:,} watchers", ("echo_fan_out",), size=some, changes=changes),
        EchoFanOut("echo_fan_out", f"a message to {some:,} bare streams", size=some, changes=changes),
        FanOut("fan_out_many", f"1 session, {many:,} watchers", size=many, changes=few, rate=5_000 / many),
        Propagation("propagation", "changed at one server, watched at another", size=1),
        Ticking("ticking", "a watcher each, 1 s ticks"),
        Storm("storm", f"{many:,} watchers connecting at once", size=many),
        Readers("readers", f"{sizes.readers:,} readers of one session, every message", size=sizes.readers),
        Readers(
            "readers_stalled", "the same, one of them stalled", ("readers",), size=sizes.readers, is_one_stalled=True
        ),
    ]
