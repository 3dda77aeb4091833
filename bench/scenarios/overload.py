"""More calls than a server can answer: by callers who wait for answers, and by some who do not."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.load import samples, usage
from bench.load.load_pool import Measurement
from bench.scenarios.base import CALLERS, PROCESSES, Scenario
from bench.scenarios.base import Calls as BaseCalls
from bench.scenarios.calls import SWITCH, switches
from bench.testbed import PREFIX, Testbed
from synckairos.settings import Settings
from testing.harness.processes.server_process import ServerProcess

FLOODS: Final = {"x2": 2, "x3": 3, "x3_again": 3}
"""The rates of those who do not wait, in rates of a full server; the last one shows whether memory is given back."""
QUEUE_TARGET_MS: Final[float] = Settings.model_fields["queue_target_ms"].default
ASK_S: Final = 0.05
"""Between two questions after the server's health."""
LOOK_S: Final = 1.0
"""For which the rate is looked at after too many calls."""
RECOVERED_S: Final = 5.0
"""After too many calls, until the rate has to be what it was."""


@dataclass
class Overload(Scenario):
    """SwitchCycle by three times the callers that fill a server, then at two and three times its rate."""

    takes_turns: ClassVar[bool] = False
    only_on_request: bool = True

    async def measure(self, testbed: Testbed) -> Measurement:
        """Measure one caller, a full server, three times its callers, and calls at fixed rates."""
        # The others' servers take on all calls: they are measured with more callers than this one would let in.
        with testbed.own_server(PREFIX, queue_target_ms=f"{QUEUE_TARGET_MS:g}") as server:
            return await self._measure(testbed, server)

    async def _measure(self, testbed: Testbed, server: ServerProcess) -> Measurement:
        alone = await self._called(testbed, server, callers=1)
        full = await self._called(testbed, server, callers=CALLERS)
        crowd = await self._called(testbed, server, callers=3 * CALLERS)
        crowd.extra = {
            "alone_p99_ms": _p99_ms(alone),
            "full_p99_ms": _p99_ms(full),
            "full_rate": full.rate,
            "crowd_p99_ms": _p99_ms(crowd),
            "crowd_rate": crowd.rate,
            "crowd_refused": crowd.refused,
        }
        for name, times in FLOODS.items():
            told = await self._flooded(testbed, server, full, times)
            crowd.extra |= {f"{name}_{what}": value for what, value in told.items()}
        return crowd

    async def _flooded(
        self, testbed: Testbed, server: ServerProcess, full: Measurement, times: int
    ) -> dict[str, float]:
        """Return what came of calls at a multiple of the server's rate, and of those after them."""
        before = usage.resident_bytes(server.pid)
        async with _health(server.address) as waits:
            flood = await self._called(testbed, server, callers=3 * CALLERS, rate=times * full.rate)
        held = usage.resident_bytes(server.pid)
        ended = time.monotonic()
        after = await self._called(testbed, server, callers=CALLERS, run_s=LOOK_S)
        while after.rate < 0.9 * full.rate and time.monotonic() + LOOK_S - ended < RECOVERED_S:
            after = await self._called(testbed, server, callers=CALLERS, run_s=LOOK_S)
        return {
            "served": flood.rate,
            "refused": flood.refused / (flood.seconds + testbed.sizes.warm_s),
            "p99_ms": _p99_ms(flood),
            "failed": float(flood.errors.total()),
            "health_p99_ms": samples.percentile(sorted(waits), 0.99) * 1_000,
            "grown_mb": (held - before) / 1e6,
            "kept_mb": (usage.resident_bytes(server.pid) - before) / 1e6,
            "after_rate": after.rate,
            "after_s": time.monotonic() - ended,
        }

    async def _called(
        self, testbed: Testbed, server: ServerProcess, *, callers: int, rate: float = 0.0, run_s: float = 0.0
    ) -> Measurement:
        calls = _Refusable("overload", "", callers=callers, paths=(SWITCH,), processes=PROCESSES)
        jobs = calls.jobs(
            testbed, [server.address], switches(await testbed.sessions(testbed.sizes.sessions), callers), rate
        )
        for job in jobs:
            job.takes_pauses = True
            job.run_s = run_s or job.run_s
        await testbed.empty_outbox()
        return await testbed.pool.measure(jobs, testbed.pids([server]))


@dataclass
class _Refusable(BaseCalls):
    """The jobs of callers, without a measurement of their own."""

    async def lanes(self, testbed: Testbed) -> list[list[tuple[int, bytes]]]:
        """Return nothing: the lanes are given to the jobs."""
        del testbed
        return []


def _p99_ms(measured: Measurement) -> float:
    return samples.percentile(sorted(measured.latencies), 0.99) * 1_000


@asynccontextmanager
async def _health(address: str) -> AsyncIterator[list[float]]:
    """Ask for a server's health while the body runs; yield a list that takes how long the answers took (seconds)."""
    waits: list[float] = []

    async def ask(stub: health_pb2_grpc.HealthStub) -> None:
        while True:
            asked = time.monotonic()
            await stub.Check(health_pb2.HealthCheckRequest())
            waits.append(time.monotonic() - asked)
            await asyncio.sleep(ASK_S)

    async with grpc.aio.insecure_channel(address) as channel:
        asking = asyncio.create_task(ask(health_pb2_grpc.HealthStub(channel)))
        try:
            yield waits
        finally:
            asking.cancel()


def overload() -> list[Scenario]:
    """Return them all."""
    return [Overload("overload", "SwitchCycle, three times as much as there can be")]
