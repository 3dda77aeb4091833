"""One run: callers and watchers at work while faults are carried out; it returns a history."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from itertools import groupby
from typing import Final, NamedTuple

from testing.harness.client import Stub, connect
from testing.harness.processes.deployment import seconds_until
from testing.robustness.deployment import BreakableDeployment
from testing.robustness.final_state import read_rows, read_stored
from testing.robustness.history import History, Run
from testing.robustness.load.clients import Caller, KnownSessions, Workload, end_all
from testing.robustness.load.senders import CallSender, CommandSender
from testing.robustness.load.slow_readers import NARROW, SlowReader
from testing.robustness.load.watchers import WatchContext, Watcher, WatchSettings
from testing.robustness.replicas.faults import injector_for
from testing.robustness.schedule import PlannedFault

DRAIN_S: Final = 60.0
RECONNECTS_SOON: Final = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)
"""The judge asks when servers are back, not when gRPC looks again."""
WATCHERS: Final = (
    WatchSettings(tick_ms=100, progress_ms=500),
    WatchSettings(tick_ms=200),
    WatchSettings(progress_ms=300),
    WatchSettings(),
    WatchSettings(stays_s=(0.3, 2.0), tick_ms=100, progress_ms=200),
    WatchSettings(sessions=8, tick_ms=500, progress_ms=1_000),
    WatchSettings(sessions=8, stays_s=(1.0, 5.0)),
    WatchSettings(sessions=16, stays_s=(5.0, 30.0), progress_ms=1_000),
)


class Plan(NamedTuple):
    """The clients of a run, its faults, and how long it takes."""

    seed: int
    seconds: float
    faults: Sequence[PlannedFault] = ()
    callers: int = 6
    on_streams: int = 2
    """How many of the callers share streams of commands."""
    workload: Workload = Workload()
    watchers: Sequence[WatchSettings] = WATCHERS
    slow_readers: int = 1
    bug: str = ""


OnProgress = Callable[[float, str], None]
"""Takes the seconds that have gone by, and a description of the present stage."""


async def record(
    deployment: BreakableDeployment,
    plan: Plan,
    drain: Callable[[], Awaitable[None]] | None = None,
    on_progress: OnProgress = lambda _s, _t: None,
) -> History:
    """Carry a plan out, let everything come to rest, and return the recording.

    `drain` carries events to PostgreSQL where no worker does.
    """
    recorder = Recorder(deployment, plan, on_progress)
    async with AsyncExitStack() as exits:
        await recorder.run(await recorder.connect(exits))
    if drain is not None:
        await drain()
    await recorder.read_stores()
    return recorder.history


class Clients(NamedTuple):
    """All clients of a run."""

    callers: list[Caller]
    watchers: list[Watcher]
    slow_readers: list[SlowReader]


class Recorder:
    """Carries one plan out; `history` grows with it."""

    def __init__(self, deployment: BreakableDeployment, plan: Plan, on_progress: OnProgress) -> None:
        self._deployment = deployment
        self._plan = plan
        self._on_progress = on_progress
        self._known = KnownSessions()
        servers = len(deployment.servers)
        run = Run(plan.seed, plan.seconds, servers, 16, time.monotonic(), bug=plan.bug)
        run.topology, run.durability = deployment.topology, deployment.durability
        self.history = History(run)

    async def connect(self, exits: AsyncExitStack) -> Clients:
        """Return the clients, whose connections end with the stack."""

        async def connected(*options: tuple[str, int]) -> list[Stub]:
            options = (*RECONNECTS_SOON, *options)
            return [await exits.enter_async_context(connect(one, *options)) for one in self._deployment.addresses]

        plan, stubs, narrow = self._plan, await connected(), await connected(*NARROW)
        calls, commands = CallSender(stubs), CommandSender(stubs)
        exits.push_async_callback(commands.close)
        senders = [commands if n < plan.on_streams else calls for n in range(plan.callers)]
        callers = [
            Caller(f"{plan.seed} caller {n}", sender, self._known, self.history, plan.workload)
            for n, sender in enumerate(senders)
        ]
        context = WatchContext(stubs, self._known, self.history, lambda: self._deployment.redis.latest_ms)
        watchers = [Watcher(n, f"{plan.seed} follower {n}", context, one) for n, one in enumerate(plan.watchers)]
        slow = [
            SlowReader(-n, f"{plan.seed} slow reader {n}", context._replace(stubs=narrow), callers[0])
            for n in range(1, plan.slow_readers + 1)
        ]
        return Clients(callers, watchers, slow)

    async def run(self, clients: Clients) -> None:
        """Let the clients work while faults are carried out, then end every session."""
        closing, run = asyncio.Event(), self.history.run
        async with asyncio.TaskGroup() as watching:
            for watcher in clients.watchers:
                watching.create_task(watcher.run(closing))
            over = asyncio.Event()
            async with asyncio.TaskGroup() as calling:
                for caller in clients.callers:
                    calling.create_task(caller.run(over))
                for reader in clients.slow_readers:
                    calling.create_task(reader.run_until(over))
                await self._break()
                over.set()
            run.stopped = time.monotonic()
            self._on_progress(self._plan.seconds, "coming to rest")
            await end_all(clients.callers, self._known)
            run.closed = time.monotonic()
            closing.set()

    async def _break(self) -> None:
        """Carry out the schedule; a fault that took longer than planned moves the next one, never its order."""
        for at_s, together in groupby(self._plan.faults, lambda planned: planned.at_s):
            await self._wait(at_s)
            faults = list(together)
            self._on_progress(time.monotonic() - self.history.run.began, ", ".join(one.kind for one in faults))
            carried = [injector_for(self._deployment).carry_out(planned) for planned in faults]
            # Of two at once the one that is over last comes last: with it begins the calm.
            self.history.faults += sorted(await asyncio.gather(*carried), key=lambda fault: fault.ended)
        await self._wait(self._plan.seconds)

    async def _wait(self, until_s: float) -> None:
        while (gone := time.monotonic() - self.history.run.began) < until_s:
            self._on_progress(gone, "calm")
            await asyncio.sleep(min(0.5, until_s - gone))

    async def read_stores(self) -> None:
        """Wait until PostgreSQL has all it can get, and read the stores."""
        history, deployment = self.history, self._deployment

        async def is_drained() -> bool:
            history.run.outbox = await deployment.outbox_length()
            return not history.run.outbox

        with contextlib.suppress(AssertionError):  # the judge has to see the rest
            await seconds_until(is_drained, DRAIN_S, "the outbox is empty")
        history.run.settled = time.monotonic()
        history.rows = await read_rows(deployment.database_url)
        history.stored = await read_stored(deployment.store_url, dict.fromkeys(self._known.created))
