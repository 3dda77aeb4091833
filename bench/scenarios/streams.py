"""Watchers: one session told to many, many told of one each, all coming at once, and from server to server."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from bench import usage
from bench.crew import Measurement, Watch, arrivals
from bench.jobs import CallsJob, Result, WatchJob
from bench.scenarios.base import Scenario
from bench.scenarios.calls import SWITCH
from bench.seeding import Seed, seed
from bench.world import SERVICE, World
from synckairos.v1 import session_service_pb2 as pb

WATCH: Final = SERVICE + "WatchSession"
WATCHING: Final = 2
"""Load processes that watch; the next one calls."""
STREAMS: Final = 50
"""Of each connection."""


async def watch(world: World, address: str, ids: Sequence[str], *, tick_ms: int = 0) -> Watch:
    """Open a stream for every id (which may repeat), over a few connections of some load processes."""
    requests = [
        pb.WatchSessionRequest(session_id=session_id, tick_interval_ms=tick_ms).SerializeToString()
        for session_id in ids
    ]
    processes = min(WATCHING, len(requests))
    jobs = [
        WatchJob(
            addresses=[address],
            connections=max(1, len(requests) // processes // STREAMS),
            path=WATCH,
            requests=requests[place::processes],
            keeps_times=not tick_ms,
        )
        for place in range(processes)
    ]
    return await world.crew.watch(jobs)


def switching(address: str, session_id: str, *, rate: float, changes: int) -> CallsJob:
    """Return the job of one caller that switches a session at a fixed rate, so many times after a warm-up."""
    request = pb.SwitchCycleRequest(session_id=session_id).SerializeToString()
    return CallsJob(
        addresses=[address],
        connections=1,
        paths=[SWITCH],
        lanes=[[(0, request)]],
        warm_s=2 / rate,
        run_s=changes / rate,
        rate=rate,
        keeps_order=True,
    )


def told(measured: Measurement, results: Sequence[Result], watchers: int) -> list[float]:
    """Return how long after each call its last watcher was told, in seconds; what is missing becomes an error."""
    times = arrivals(results)
    measured.errors.update(_errors(results))
    missing = sum(watchers - len(one) for one in times) + watchers * max(0, len(measured.sent) - len(times))
    if missing:
        measured.errors["events that never arrived"] += missing
        return []
    last = times[len(times) - len(measured.sent) :]
    return [one[-1] - sent for one, sent in zip(last, measured.sent, strict=True)]


@dataclass
class FanOut(Scenario):
    """One session, many watchers: how long until the last one knows, and what an event delivered costs."""

    takes_turns: ClassVar[bool] = False
    changes: int = 0
    rate: float = 10.0

    async def measure(self, world: World) -> Measurement:
        """Open the streams, change the session at a fixed rate, wait for all to be told."""
        (session_id,) = await seed(world.redis_url, self.name, Seed(1))
        with world.own_server(self.name) as server:
            watching = await watch(world, server.address, [session_id] * self.size)
            job = switching(server.address, session_id, rate=self.rate, changes=self.changes)
            measured = await world.crew.without(WATCHING).measure([job], world.pids([server]))
            await asyncio.sleep(world.sizes.settle_s)
            results = await watching.stop()
        call = measured.latencies
        measured.latencies = told(measured, results, self.size)
        measured.calls *= self.size
        measured.extra = {
            "us_per_event": measured.cpu_per_call("server") * 1e6,
            "call_p50_ms": sorted(call)[len(call) // 2] * 1_000 if call else 0.0,
        }
        await world.forget(self.name)
        return measured


@dataclass
class Propagation(Scenario):
    """A change made at one server, told by another."""

    takes_turns: ClassVar[bool] = False
    rate: float = 50.0

    async def measure(self, world: World) -> Measurement:
        """Watch at the second server what is changed at the first."""
        first, second = world.server(0), world.server(1)
        (session_id,) = await world.sessions(1)
        watching = await watch(world, second.address, [session_id])
        job = switching(first.address, session_id, rate=self.rate, changes=world.sizes.fan_outs * 4)
        measured = await world.crew.without(1).measure([job], world.pids([first, second]))
        await asyncio.sleep(world.sizes.settle_s)
        measured.latencies = told(measured, await watching.stop(), 1)
        return measured


async def observed(pids: Mapping[str, Sequence[int]], seconds: float) -> tuple[dict[str, float], float]:
    """Return the CPU seconds that processes use in a while, and how long it was."""

    def read() -> dict[str, float]:
        return {who: sum(usage.cpu_s(pid) for pid in members) for who, members in pids.items()}

    before, began = read(), time.monotonic()
    await asyncio.sleep(seconds)
    after = read()
    return {who: after[who] - before[who] for who in pids}, time.monotonic() - began


@dataclass
class Ticking(Scenario):
    """Many sessions, one watcher each, a tick a second."""

    takes_turns: ClassVar[bool] = False

    async def measure(self, world: World) -> Measurement:
        """Watch for a while and count."""
        sizes = world.sizes
        ids = await seed(world.redis_url, self.name, Seed(sizes.ticking))
        with world.own_server(self.name) as server:
            watching = await watch(world, server.address, ids, tick_ms=1_000)
            cpu, seconds = await observed(world.pids([server]), sizes.ticking_s)
            results = await watching.stop()
        await world.forget(self.name)
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

    async def measure(self, world: World) -> Measurement:
        """Open all streams in one moment; weigh the server before and after."""
        ids = await seed(world.redis_url, self.name, Seed(self.size // self.per_session))
        with world.own_server(self.name) as server:
            before, cpu = usage.resident_bytes(server.pid), usage.cpu_s(server.pid)
            watching = await watch(world, server.address, ids * self.per_session)
            cpu = usage.cpu_s(server.pid) - cpu
            held = usage.resident_bytes(server.pid) - before
            results = await watching.stop()
        await world.forget(self.name)
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


def streams(some: int, many: int, changes: int) -> list[Scenario]:
    """Return all of them."""
    few = max(2, changes // 5)
    return [
        FanOut("fan_out", f"1 session, {some:,} watchers", size=some, changes=changes),
        FanOut("fan_out_many", f"1 session, {many:,} watchers", size=many, changes=few, rate=5_000 / many),
        Propagation("propagation", "changed at one server, watched at another", size=1),
        Ticking("ticking", "a watcher each, 1 s ticks"),
        Storm("storm", f"{many:,} watchers connecting at once", size=many),
    ]
