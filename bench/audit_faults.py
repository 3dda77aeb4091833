"""Breaks one part after another under load and counts what the audit trail lost or doubled: it must be nothing.

python -m bench.audit_faults [--mutations 20000] [--outage 60] [scenario …]
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Final, NamedTuple

import typer
from redis.asyncio import Redis
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.audit_verdict import EVENTS, Verdict, judge
from bench.load import Ledger, Load
from bench.power_loss import Rollback, watched_power_loss
from testing.harness.deployment import Deployment, eventually, fresh_deployment

DRAIN_S: Final = 180.0


class Outcome(NamedTuple):
    """What one scenario came to."""

    name: str
    verdict: Verdict
    ledger: Ledger
    seconds: float
    drained_after_s: float
    rollback: Rollback | None = None

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost or doubled that need not be."""
        if self.rollback is None:
            return self.verdict.is_clean
        has_forks = self.verdict.forks > 0 and self.verdict.unflagged == 0
        return self.rollback.is_bounded and has_forks and self.verdict.holes == 0


class Run(NamedTuple):
    """A scenario under way."""

    stack: Deployment
    load: Load
    outage_s: float


async def server_killed(run: Run) -> None:
    """One of two servers dies without warning, comes back, and the other one dies."""
    for part, victim in ((0.25, 0), (0.6, 1)):
        await run.load.reached(part)
        server = run.stack.servers[victim]
        server.kill()
        server.spawn()
        await asyncio.to_thread(server.await_answer, "SERVING")


async def worker_killed(run: Run) -> None:
    """The worker dies three times while it has work in hand."""
    for part in (0.2, 0.45, 0.7):
        await run.load.reached(part)
        await eventually(_has_work(run.stack), 30, "the outbox has entries")
        worker = run.stack.workers[0]
        worker.kill()
        worker.spawn()


def _has_work(stack: Deployment) -> Callable[[], Awaitable[bool]]:
    async def has_work() -> bool:
        return await stack.outbox_length() > 0

    return has_work


async def postgres_stopped(run: Run) -> None:
    """PostgreSQL is away for a minute."""
    await run.load.reached(0.25)
    await asyncio.to_thread(run.stack.postgres.stop)
    await asyncio.sleep(run.outage_s)
    await asyncio.to_thread(run.stack.postgres.start)


async def broker_flushed(run: Run) -> None:
    """Everything Dramatiq had is gone, five times."""
    async with Redis.from_url(run.stack.broker_url) as broker:
        for part in (0.15, 0.3, 0.45, 0.6, 0.75):
            await run.load.reached(part)
            await broker.flushdb()


async def redis_killed(run: Run) -> None:
    """Redis dies without warning and comes back with its append-only file."""
    for part in (0.3, 0.6):
        await run.load.reached(part)
        run.stack.redis.kill()
        await asyncio.to_thread(run.stack.redis.start)


SCENARIOS: Final[dict[str, Callable[[Run], Awaitable[None]]]] = {
    "server-killed": server_killed,
    "worker-killed": worker_killed,
    "postgres-stopped": postgres_stopped,
    "broker-flushed": broker_flushed,
    "redis-killed": redis_killed,
}
POWER_LOSS: Final = "power-loss"


async def play(name: str, mutations: int, outage_s: float, on_progress: Callable[[int], None]) -> Outcome:
    """Play one scenario on a deployment of its own: two servers, one worker."""
    async with fresh_deployment() as stack:
        for _ in range(2):
            stack.start_server()
        stack.start_worker()
        started = time.monotonic()
        load = Load(stack.addresses, mutations, on_progress=on_progress)
        rollback = None
        async with load.running():
            if name == POWER_LOSS:
                rollback = await watched_power_loss(stack, load)
            else:
                await SCENARIOS[name](Run(stack, load, outage_s))
        drained = await eventually(stack.is_drained, DRAIN_S, "the outbox is empty")
        verdict, lost = judge(await stack.query(EVENTS), load.ledger)
        if rollback is not None:
            rollback = rollback.with_lost(load.ledger, lost)
        return Outcome(name, verdict, load.ledger, time.monotonic() - started, drained, rollback)


def table_of(outcomes: list[Outcome]) -> Table:
    """Return what the scenarios came to."""
    table = Table("scenario", *Verdict._fields, "seconds", "drained after", "refused meanwhile", "verdict")
    for one in outcomes:
        refused = ", ".join(f"{reason} {count}" for reason, count in one.ledger.other.most_common(3))
        table.add_row(
            one.name,
            *(f"{value:,}" for value in one.verdict),
            f"{one.seconds:.0f}",
            f"{one.drained_after_s:.1f} s",
            refused,
            "good" if one.is_good else "BAD",
        )
    return table


def _show(progress: Progress, task: TaskID, done: int) -> None:
    progress.update(task, completed=done)


def main(
    scenarios: Annotated[list[str] | None, typer.Argument(help="Which; all if none is named.")] = None,
    mutations: Annotated[int, typer.Option(help="Mutations answered OK in each scenario.")] = 20_000,
    outage: Annotated[float, typer.Option(help="Seconds PostgreSQL is away.")] = 60.0,
) -> None:
    """Play the fault scenarios and print what became of every change somebody was told about."""
    names = scenarios or [*SCENARIOS, POWER_LOSS]
    unknown = set(names) - {*SCENARIOS, POWER_LOSS}
    if unknown:
        raise typer.BadParameter(f"no such scenario: {', '.join(sorted(unknown))}")
    outcomes = []
    columns: tuple[Any, ...] = (
        TextColumn("{task.description:18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for name in names:
            show = partial(_show, progress, progress.add_task(name, total=mutations))
            outcomes.append(asyncio.run(play(name, mutations, outage, show)))
    console = Console(width=200)
    console.print(table_of(outcomes))
    for outcome in outcomes:
        if outcome.rollback is not None:
            console.print(outcome.rollback.text)
    sys.exit(0 if all(outcome.is_good for outcome in outcomes) else 1)


if __name__ == "__main__":
    typer.run(main)
