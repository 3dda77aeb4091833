"""One run: callers and followers at work while faults are carried out; what comes of it is a history."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final, NamedTuple

from testing.harness.client import Stub, connect
from testing.harness.deployment import eventually
from testing.robustness.clients import Caller, Habits, Pool, end_all
from testing.robustness.deployment import BreakableDeployment
from testing.robustness.faults import Injector
from testing.robustness.final_state import read_rows, read_stored
from testing.robustness.history import History, Run
from testing.robustness.schedule import PlannedFault
from testing.robustness.slow_readers import NARROW, SlowReader
from testing.robustness.watchers import Follower, Manner, Place
from testing.robustness.ways import Calls, CommandStreams

DRAIN_S: Final = 60.0
RECONNECTS_SOON: Final = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)
"""What is judged is when servers are back, not when gRPC looks again."""
MANNERS: Final = (
    Manner(tick_ms=100, progress_ms=500),
    Manner(tick_ms=200),
    Manner(progress_ms=300),
    Manner(),
    Manner(stays_s=(0.3, 2.0), tick_ms=100, progress_ms=200),
    Manner(sessions=8, tick_ms=500, progress_ms=1_000),
    Manner(sessions=8, stays_s=(1.0, 5.0)),
    Manner(sessions=16, stays_s=(5.0, 30.0), progress_ms=1_000),
)


class Play(NamedTuple):
    """Who takes part in a run, and for how long."""

    seed: int
    seconds: float
    faults: Sequence[PlannedFault] = ()
    callers: int = 6
    commanders: int = 2
    """Of the callers, those who share streams of commands."""
    habits: Habits = Habits()
    manners: Sequence[Manner] = MANNERS
    slow_readers: int = 1
    bug: str = ""


OnProgress = Callable[[float, str], None]
"""Is told how many seconds have gone by, and what is going on."""


async def record(
    deployment: BreakableDeployment,
    play: Play,
    drain: Callable[[], Awaitable[None]] | None = None,
    on_progress: OnProgress = lambda _s, _t: None,
) -> History:
    """Play, let everything come to rest, and return what was recorded.

    `drain` carries events to PostgreSQL where no worker does.
    """
    run = Run(play.seed, play.seconds, len(deployment.servers), 16, time.monotonic(), bug=play.bug)
    history, pool = History(run), Pool()
    async with AsyncExitStack() as exits:
        cast = await _cast(exits, deployment, play, history, pool)
        await _perform(deployment, play, history, cast, pool, on_progress)
    await _settle(deployment, history, pool, drain)
    return history


async def _cast(
    exits: AsyncExitStack, deployment: BreakableDeployment, play: Play, history: History, pool: Pool
) -> tuple[list[Caller], list[Follower], list[SlowReader]]:
    async def connected(*options: tuple[str, int]) -> list[Stub]:
        options = (*RECONNECTS_SOON, *options)
        return [await exits.enter_async_context(connect(address, *options)) for address in deployment.addresses]

    stubs, narrow = await connected(), await connected(*NARROW)
    calls, commands = Calls(stubs), CommandStreams(stubs)
    exits.push_async_callback(commands.close)
    ways = [commands if n < play.commanders else calls for n in range(play.callers)]
    callers = [Caller(f"{play.seed} caller {n}", way, pool, history, play.habits) for n, way in enumerate(ways)]
    place = Place(stubs, pool, history, lambda: deployment.redis.latest_ms)
    followers = [Follower(n, f"{play.seed} follower {n}", place, how) for n, how in enumerate(play.manners)]
    slow = [
        SlowReader(-n, f"{play.seed} slow reader {n}", place._replace(stubs=narrow), callers[0])
        for n in range(1, play.slow_readers + 1)
    ]
    return callers, followers, slow


async def _perform(
    deployment: BreakableDeployment,
    play: Play,
    history: History,
    cast: tuple[list[Caller], list[Follower], list[SlowReader]],
    pool: Pool,
    on_progress: OnProgress,
) -> None:
    closing, (callers, followers, slow) = asyncio.Event(), cast
    async with asyncio.TaskGroup() as watching:
        for follower in followers:
            watching.create_task(follower.run(closing))
        over = asyncio.Event()
        async with asyncio.TaskGroup() as calling:
            for caller in callers:
                calling.create_task(caller.run(over))
            for reader in slow:
                calling.create_task(reader.run_until(over))
            await _break(deployment, play, history, on_progress)
            over.set()
        history.run.stopped = time.monotonic()
        on_progress(play.seconds, "coming to rest")
        await end_all(callers, pool)
        history.run.closed = time.monotonic()
        closing.set()


async def _break(deployment: BreakableDeployment, play: Play, history: History, on_progress: OnProgress) -> None:
    """Carry out the schedule; a fault that took longer than planned moves the next one, never its order."""
    injector, began = Injector(deployment), history.run.began
    for planned in play.faults:
        await _wait(began, planned.at_s, on_progress)
        on_progress(time.monotonic() - began, planned.kind)
        history.faults.append(await injector.carry_out(planned))
    await _wait(began, play.seconds, on_progress)


async def _wait(began: float, until_s: float, on_progress: OnProgress) -> None:
    while (gone := time.monotonic() - began) < until_s:
        on_progress(gone, "calm")
        await asyncio.sleep(min(0.5, until_s - gone))


async def _settle(
    deployment: BreakableDeployment, history: History, pool: Pool, drain: Callable[[], Awaitable[None]] | None
) -> None:
    """Wait until PostgreSQL has what it can get, and read what the stores hold."""
    if drain is not None:
        await drain()

    async def is_drained() -> bool:
        history.run.outbox = await deployment.outbox_length()
        return not history.run.outbox

    with contextlib.suppress(AssertionError):  # what still waits then is for the judge
        await eventually(is_drained, DRAIN_S, "the outbox is empty")
    history.run.settled = time.monotonic()
    history.rows = await read_rows(deployment.database_url)
    history.stored = await read_stored(deployment.redis.url, dict.fromkeys(pool.created))
