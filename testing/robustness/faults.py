"""Carries faults out on a deployment, and says when each began and when the part concerned answered again."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from typing import Final

from redis.asyncio import Redis

from testing.harness.processes.deployment import seconds_until
from testing.robustness.deployment import SERVING_S, BreakableDeployment
from testing.robustness.history import Fault
from testing.robustness.schedule import FaultKind, PlannedFault
from testing.robustness.unreadable import UnreadableSession

STOP_S: Final = 15.0
"""A server that is asked to stop has ended by then: its delay and its grace, and some time for closing."""

CarryOut = Callable[[PlannedFault], Awaitable[None]]


class Injector:
    """Breaks a part of a deployment, and makes it whole again."""

    def __init__(self, deployment: BreakableDeployment) -> None:
        self._parts = deployment
        self._began_ms = 0
        self._cut: tuple[float | None, int] = None, 0
        self._exit_code: int | None = None
        self._wrong_answers = 0
        self._partitions: list[int] = []
        self._means: Final[dict[FaultKind, CarryOut]] = {
            FaultKind.SERVER_KILLED: self._kill_server,
            FaultKind.SERVER_STOPPED: self._stop_server,
            FaultKind.SERVER_FROZEN: self._freeze_server,
            FaultKind.WORKER_KILLED: self._kill_worker,
            FaultKind.WORKER_FROZEN: self._freeze_worker,
            FaultKind.REDIS_KILLED: self._kill_redis,
            FaultKind.REDIS_FROZEN: self._freeze_redis,
            FaultKind.POWER_LOST: self._lose_power,
            FaultKind.DISK_SLOW: self._slow_disk,
            FaultKind.DISK_SLOW_KILLED: self._kill_on_slow_disk,
            FaultKind.SESSION_UNREADABLE: self._spoil_session,
            FaultKind.CONNECTIONS_CUT: self._cut_connections,
            FaultKind.NETWORK_SLOW: self._slow_down,
            FaultKind.NETWORK_SILENT: self._silence,
            FaultKind.CLOCK_FORWARD: self._step_clock,
            FaultKind.CLOCK_BACK: self._step_clock,
            FaultKind.POSTGRES_STOPPED: self._stop_postgres,
        }

    async def carry_out(self, planned: PlannedFault) -> Fault:
        """Carry one fault out, from its beginning to its end."""
        self._cut, self._exit_code, self._wrong_answers, self._partitions = (None, 0), None, 0, []
        began = time.monotonic()
        self._began_ms = self._parts.redis.now_ms
        await self._means[planned.kind](planned)
        cut_at, bytes_cut = self._cut
        return Fault(
            kind=planned.kind,
            target=planned.target,
            planned_s=planned.at_s,
            began=began,
            ended=time.monotonic(),
            began_ms=self._began_ms,
            ended_ms=self._parts.redis.now_ms,
            amount_ms=planned.amount_ms,
            cut_at=cut_at,
            bytes_cut=bytes_cut,
            exit_code=self._exit_code,
            wrong_answers=self._wrong_answers,
            partitions=self._partitions,
        )

    async def _kill_server(self, planned: PlannedFault) -> None:
        server = self._parts.servers[planned.target]
        server.kill()
        server.spawn()
        await asyncio.to_thread(server.await_answer, "SERVING", SERVING_S)

    async def _stop_server(self, planned: PlannedFault) -> None:
        server = self._parts.servers[planned.target]
        try:
            self._exit_code = await asyncio.to_thread(server.stop, STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            self._exit_code = -signal.SIGKILL
        server.spawn()
        await asyncio.to_thread(server.await_answer, "SERVING", SERVING_S)

    async def _freeze_server(self, planned: PlannedFault) -> None:
        server = self._parts.servers[planned.target]
        server.pause()
        await asyncio.sleep(planned.for_s)
        server.resume()

    async def _kill_worker(self, _: PlannedFault) -> None:
        for worker in self._parts.workers:
            await asyncio.to_thread(worker.kill)
            worker.spawn()

    async def _freeze_worker(self, planned: PlannedFault) -> None:
        for worker in self._parts.workers:
            worker.pause()
        await asyncio.sleep(planned.for_s)
        for worker in self._parts.workers:
            worker.resume()

    async def _kill_redis(self, _: PlannedFault) -> None:
        # Only while the disk keeps up does the end of the process lose nothing.
        await seconds_until(self._has_written, STOP_S, "Redis has written its log")
        await asyncio.to_thread(self._parts.redis.kill)
        await asyncio.to_thread(self._parts.redis.start)

    async def _freeze_redis(self, planned: PlannedFault) -> None:
        self._parts.redis.pause()
        await asyncio.sleep(planned.for_s)
        self._parts.redis.resume()

    async def _lose_power(self, planned: PlannedFault) -> None:
        file, cut_at = self._parts.redis.append_only_file, time.monotonic()
        await seconds_until(self._has_written, STOP_S, "Redis has written its log")
        kept = file.stat().st_size
        await asyncio.sleep(planned.for_s)
        await asyncio.to_thread(self._parts.redis.kill)
        self._began_ms = self._parts.redis.now_ms
        size = file.stat().st_size
        os.truncate(file, kept)
        self._cut = cut_at, size - kept
        await asyncio.to_thread(self._parts.redis.start)

    async def _slow_disk(self, planned: PlannedFault) -> None:
        self._parts.redis.slow_disk(planned.amount_ms)
        await asyncio.sleep(planned.for_s)
        self._parts.redis.slow_disk(0)
        await seconds_until(self._has_written, STOP_S, "Redis has written its log")

    async def _kill_on_slow_disk(self, planned: PlannedFault) -> None:
        """Two faults at once: what the log has held back since it last held everything is lost."""
        cut_at = time.monotonic()
        await seconds_until(self._has_written, STOP_S, "Redis has written its log")
        self._parts.redis.slow_disk(planned.amount_ms)
        await asyncio.sleep(planned.for_s)
        await asyncio.to_thread(self._parts.redis.kill)
        self._began_ms = self._parts.redis.now_ms
        self._cut = cut_at, 0
        self._parts.redis.slow_disk(0)
        await asyncio.to_thread(self._parts.redis.start)

    async def _spoil_session(self, planned: PlannedFault) -> None:
        session = UnreadableSession(self._parts.redis.url)
        await session.put()
        try:
            self._wrong_answers = await session.call(self._parts.addresses, planned.for_s)
        finally:
            await session.remove()

    async def _has_written(self) -> bool:
        """Whether Redis' log holds all it has answered: on a slow disk, Redis postpones writing by up to 2 s."""
        async with Redis.from_url(self._parts.redis.url) as client:
            return bool((await client.info("persistence"))["aof_buffer_length"] == 0)

    async def _cut_connections(self, planned: PlannedFault) -> None:
        self._parts.proxies[planned.target].cut()

    async def _slow_down(self, planned: PlannedFault) -> None:
        proxy = self._parts.proxies[planned.target]
        proxy.delay(planned.amount_ms / 1_000)
        await asyncio.sleep(planned.for_s)
        proxy.delay(0)

    async def _silence(self, planned: PlannedFault) -> None:
        proxy = self._parts.proxies[planned.target]
        proxy.blackhole = True
        await asyncio.sleep(planned.for_s)
        proxy.cut()  # bytes are missing
        proxy.blackhole = False

    async def _step_clock(self, planned: PlannedFault) -> None:
        is_forward = planned.kind is FaultKind.CLOCK_FORWARD
        self._parts.redis.step(planned.amount_ms if is_forward else -planned.amount_ms)

    async def _stop_postgres(self, planned: PlannedFault) -> None:
        await asyncio.to_thread(self._parts.postgres.stop)
        await asyncio.sleep(planned.for_s)
        await asyncio.to_thread(self._parts.postgres.start)
