"""The runs: costs measured on a small store, then larger ones under a load of everything, beside the model."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle, islice
from typing import Final, NamedTuple

from redis.asyncio import Redis

from bench.load import usage
from bench.load.jobs import CallsJob
from bench.scale.model import Costs, Demand, Need, need
from bench.scenarios.calls import SWITCH, switches
from bench.scenarios.stores import Weight, used
from bench.scenarios.streams import WATCHING, watch
from bench.seeding import EVENT_WINDOW, Seed, seed
from bench.testbed import Testbed

TICK_MS: Final = 1_000
RETAINED: Final = 2
"""Events of each session that is written here: created and started."""
CALLERS: Final = 32
CONNECTIONS: Final = 4
SHORTEST_MS: Final = 1_000
"""The shortest bank there is: while it lasts, nothing expires, and `warm_s` is longer."""
SPARE_S: Final = 0.2
"""From the end of the reading to that of the load."""


class Pace(NamedTuple):
    """How much is asked for, and for how long; rates a second."""

    warm_s: float
    run_s: float
    sessions: int
    """Of the store on which costs are measured."""
    switches: float
    expiries: float
    watchers: int

    @property
    def seconds(self) -> float:
        """How long the load lasts."""
        return self.warm_s + self.run_s + SPARE_S


FULL: Final = Pace(2.0, 9.0, 1_000, 600.0, 100.0, 1_000)
"""A server that is more than half full, as planned ones are."""
QUICK: Final = Pace(1.5, 1.0, 200, 50.0, 20.0, 50)


class Used(NamedTuple):
    """Cores that a server and its Redis used, and by how many bytes the server's memory grew meanwhile."""

    server_cores: float
    redis_cores: float
    grown_bytes: float


class Check(NamedTuple):
    """A run, and what the model says of it; `redis_bytes` is what its sessions take."""

    demand: Demand
    measured: Used
    redis_bytes: float
    predicted: Need


async def costs(testbed: Testbed, pace: Pace, on_step: Callable[[str], None]) -> Costs:
    """Measure what each thing costs, each beside a run without it."""
    idle = Demand(pace.sessions)
    switching = idle._replace(switches=pace.switches)
    watched = switching._replace(watchers=pace.watchers)
    ticking = idle._replace(watchers=pace.watchers, ticks=pace.watchers * 1_000 / TICK_MS)
    expiring = idle._replace(expiries=pace.expiries)
    bed = Bed(testbed, pace)
    found: dict[Demand, Used] = {}
    young_bytes = 0.0
    for demand in (idle, switching, watched, ticking, expiring):
        on_step(", ".join(f"{name} {value:g}" for name, value in demand._asdict().items() if value))
        found[demand], young_bytes = await bed.under(demand)
    weight = (await Weight("weight", "").measure(testbed)).extra
    session_bytes, full_bytes = weight["bytes_per_session"], EVENT_WINDOW * weight["bytes_per_event"]
    event_bytes = (session_bytes + full_bytes - young_bytes / pace.sessions) / (EVENT_WINDOW - RETAINED)

    def us(more: Demand, less: Demand, part: str, times: float) -> float:
        """Return what one thing costs a process: the difference of two runs, shared out."""
        return float(getattr(found[more], part) - getattr(found[less], part)) / times * 1e6

    return Costs(
        idle_server_cores=found[idle].server_cores,
        idle_redis_cores=found[idle].redis_cores,
        switch_server_us=us(switching, idle, "server_cores", switching.switches),
        switch_redis_us=us(switching, idle, "redis_cores", switching.switches),
        event_us=us(watched, switching, "server_cores", watched.events),
        tick_us=us(ticking, idle, "server_cores", ticking.ticks),
        expiry_server_us=us(expiring, idle, "server_cores", expiring.expiries),
        expiry_redis_us=us(expiring, idle, "redis_cores", expiring.expiries),
        session_bytes=session_bytes,
        stream_bytes=full_bytes - EVENT_WINDOW * event_bytes,
        event_bytes=event_bytes,
        watcher_bytes=(found[watched].grown_bytes - found[switching].grown_bytes) / watched.watchers,
    )


async def checks(
    testbed: Testbed, pace: Pace, sizes: Iterable[int], known: Costs, on_step: Callable[[str], None]
) -> list[Check]:
    """Run stores of several sizes, with fewer switches than were calibrated, and everything else at the same time."""
    bed, made = Bed(testbed, pace), []
    ticks = pace.watchers * 1_000 / TICK_MS
    for size in sizes:
        on_step(f"{size:,} sessions")
        demand = Demand(size, pace.watchers, 2 / 3 * pace.switches, ticks, pace.expiries / 2, RETAINED)
        measured, redis_bytes = await bed.under(demand)
        made.append(Check(demand, measured, redis_bytes, need(demand, known)))
    return made


class Bed:
    """Where demands are met: each by a server of its own, on a part of one Redis."""

    PREFIX: Final = "scale"

    def __init__(self, testbed: Testbed, pace: Pace) -> None:
        self._testbed = testbed
        self._pace = pace

    async def under(self, demand: Demand) -> tuple[Used, float]:
        """Return what is used under a demand, and what its sessions take in Redis; raises RuntimeError if not met."""
        testbed, pace = self._testbed, self._pace
        ids, redis_bytes = await self._sessions(demand.sessions)
        with testbed.own_server(self.PREFIX) as server:
            resident = usage.resident_bytes(server.pid)
            watched = list(islice(cycle(ids), demand.watchers))
            tick_ms = TICK_MS if demand.ticks else 0
            watching = await watch(testbed, server.address, watched, tick_ms=tick_ms) if watched else None
            await self._expiring(demand.expiries)
            calling = asyncio.create_task(self._switching(server.address, ids, demand.switches))
            await asyncio.sleep(pace.warm_s)
            server_cores, redis_cores = await cores(pace.run_s, server.pid, testbed.deployment.redis.pid)
            grown = usage.resident_bytes(server.pid) - resident
            errors = await calling
            for result in await watching.stop() if watching is not None else ():
                errors.update(result.errors)
        await testbed.forget(self.PREFIX)
        if errors:
            raise RuntimeError(f"{demand} cannot be had of this machine: {dict(errors)}")
        return Used(server_cores, redis_cores, grown), redis_bytes

    async def _sessions(self, count: int) -> tuple[list[str], float]:
        async with Redis.from_url(self._testbed.redis_url) as redis:
            before = await used(redis)
            ids = await seed(self._testbed.redis_url, self.PREFIX, Seed(count))
            return ids, await used(redis) - before

    async def _switching(self, address: str, ids: Sequence[str], rate: float) -> Counter[str]:
        """Switch sessions at a rate while the run lasts; return the errors."""
        if not rate:
            return Counter()
        job = CallsJob(
            addresses=[address],
            connections=CONNECTIONS,
            paths=[SWITCH],
            lanes=switches(ids, CALLERS),
            warm_s=0.0,
            run_s=self._pace.seconds,
            rate=rate,
        )
        return await self._testbed.pool.without(WATCHING).carry_out([job])

    async def _expiring(self, rate: float) -> None:
        """Write sessions that run out one after another while the run lasts."""

        def bank_ms(place: int) -> int:
            return SHORTEST_MS + int(place / rate * 1_000)

        if rate:
            await seed(self._testbed.redis_url, self.PREFIX, Seed(int(rate * self._pace.seconds), bank_ms=bank_ms))


async def cores(seconds: float, *pids: int) -> list[float]:
    """Return the cores that processes are busy with, on average over a while."""
    before, began = [usage.cpu_s(pid) for pid in pids], time.monotonic()
    await asyncio.sleep(seconds)
    after, taken = [usage.cpu_s(pid) for pid in pids], time.monotonic() - began
    return [(late - early) / taken for early, late in zip(before, after, strict=True)]
