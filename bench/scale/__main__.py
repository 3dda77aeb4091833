"""Measures what each thing costs, holds a model of it to runs of several sizes, and plans a deployment with it.

python -m bench.scale [--quick] [--size N ...] [--loaded N] [--json FILE]
"""

import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.table import Table

from bench.load.load_pool import LoadPool
from bench.load.samples import summary
from bench.main import LOAD_PROCESSES
from bench.scale.million import EXPIRING, SMALL, Loaded, loaded
from bench.scale.model import ASSUMED, Costs, Demand, need, plan
from bench.scale.runs import FULL, QUICK, Check, Pace, checks, costs
from bench.sizes import FULL as FULL_SIZES
from bench.sizes import QUICK as QUICK_SIZES
from bench.testbed import Echo, Testbed
from testing.harness.processes.deployment import fresh_deployment

SIZES: Final = (1_000, 10_000, 100_000)
MILLION: Final = 1_000_000
WORLD: Final = Demand(MILLION, watchers=MILLION, switches=100_000.0, expiries=1_000.0)
"""What is planned for: everybody watches one session, and leaves ticks to the client's own clock."""
TICKING: Final = WORLD._replace(ticks=float(MILLION))
"""The same with a tick a second for everybody."""
MASTER_BYTES: Final = 8e9


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column == columns[0] else "right")
    return table


def costs_table(known: Costs) -> Table:
    """Return the costs as a table, and say which of them are assumed."""
    table = _table("what each thing costs", "", "")
    for name, value in known._asdict().items():
        said = f"{name}, assumed" if name in ASSUMED else name
        table.add_row(said, f"{value:,.3f}" if value < 1 else f"{value:,.0f}")
    return table


def checks_table(made: Sequence[Check]) -> Table:
    """Return what was measured beside what was predicted."""
    table = _table("runs, measured / predicted", "sessions", "server cores", "redis cores", "redis bytes a session")
    for one in made:
        size = one.demand.sessions
        table.add_row(
            f"{size:,}",
            f"{one.measured.server_cores:.3f} / {one.predicted.server_cores:.3f}",
            f"{one.measured.redis_cores:.3f} / {one.predicted.redis_cores:.3f}",
            f"{one.redis_bytes / size:,.0f} / {one.predicted.redis_bytes / size:,.0f}",
        )
    return table


def plans_table(known: Costs) -> Table:
    """Return what the planned deployments need."""
    columns = ("", "server cores", "servers", "redis cores", "masters", "GB a master", "server GB", "MB/s")
    table = _table("plans, at 60 % of every core", *columns)
    for name, demand in (("a million, watched", WORLD), ("a million, and ticks", TICKING)):
        needed = need(demand, known)
        made = plan(needed, MASTER_BYTES)
        table.add_row(
            name,
            f"{needed.server_cores:,.0f}",
            f"{made.servers:,}",
            f"{needed.redis_cores:,.0f}",
            f"{made.masters:,}",
            f"{made.master_bytes / 1e9:,.2f}",
            f"{needed.server_bytes / 1e9:,.0f}",
            f"{needed.network_bytes / 1e6:,.0f}",
        )
    return table


def loads_table(loads: Sequence[Loaded]) -> Table:
    """Return what stores of one Redis take, and how late they expire."""
    shares = tuple(loads[0].shares)
    columns = ("sessions", "GB", *(f"{share} B" for share in shares), "serves after s", "server MB", "p50 ms", "p99 ms")
    table = _table("loaded into one Redis", *columns)
    for one in loads:
        late = summary(one.late_s)
        times = (f"{late['p50'] * 1e3:.0f}", f"{late['p99'] * 1e3:.0f}")
        weights = [f"{one.shares[share]:,.0f}" for share in shares]
        table.add_row(
            f"{one.sessions:,}", f"{one.used_bytes / 1e9:.3f}", *weights, f"{one.serving_s:.1f}",
            f"{one.server_bytes / 1e6:,.0f}", *times,
        )  # fmt: skip
    return table


async def modelled(pace: Pace, sizes: Sequence[int], on_step: Callable[[str], None]) -> tuple[Costs, list[Check]]:
    """Measure the costs, and run the sizes."""
    async with fresh_deployment() as deployment:
        with LoadPool(LOAD_PROCESSES) as pool:
            echo = Echo()
            try:
                echo.await_ready()
                testbed = Testbed(deployment, pool, echo, QUICK_SIZES if pace is QUICK else FULL_SIZES)
                known = await costs(testbed, pace, on_step)
                return known, await checks(testbed, pace, sizes, known, on_step)
            finally:
                echo.stop()


async def loads(folder: Path, sizes: Sequence[int], expiring: int, on_step: Callable[[str], None]) -> list[Loaded]:
    """Load Redis servers, one after another."""
    return [await loaded(folder, size, expiring, on_step) for size in sizes]


def main(
    size: Annotated[list[int], typer.Option(help="Sessions of a run that the model is held to.")] = list(SIZES),  # noqa: B006 - typer copies it
    loaded_: Annotated[int, typer.Option("--loaded", help="Sessions to load into one Redis besides; 0 for none.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="A short look, by which nothing is measured.")] = False,
    json: Annotated[Path | None, typer.Option(help="Where everything goes as JSON, too.")] = None,
) -> None:
    """Measure, and print tables."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    console = Console(width=None if sys.stdout.isatty() else 120)
    progress = Console(stderr=True)

    def on_step(step: str) -> None:
        progress.print(step, style="dim", highlight=False)

    known, made = uvloop.run(modelled(QUICK if quick else FULL, size, on_step))
    found: dict[str, Any] = {"costs": known._asdict(), "checks": [one._asdict() for one in made]}
    for table in (costs_table(known), checks_table(made), plans_table(known)):
        console.print(table)
    if loaded_:
        with tempfile.TemporaryDirectory() as folder:
            stores = uvloop.run(loads(Path(folder), (SMALL, loaded_), 50 if quick else EXPIRING, on_step))
        console.print(loads_table(stores))
        found["loaded"] = [one._asdict() for one in stores]
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2))


if __name__ == "__main__":
    typer.run(main)
