"""Measures SyncKairos side by side with baselines that nothing built like it can exceed.

python -m bench [--quick] [--only NAME ...] [--rounds N] [--json FILE] [--out DIR] [--check]

A quick check measures only the scenarios it has limits for, in more rounds, and what fell behind once more.
"""

import signal
import sys
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
import uvloop
from redis.asyncio import Redis
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import figures, report, thresholds
from bench.load.load_pool import LoadPool
from bench.pictures import draw
from bench.rounds import Rounds
from bench.scenarios import catalogue
from bench.scenarios.base import Scenario
from bench.sizes import CHECK, FULL, QUICK, Sizes
from bench.testbed import Echo, Testbed
from testing.harness.processes.deployment import fresh_deployment

LOAD_PROCESSES: Final = 3
"""Two that call or watch, and one that calls while they watch."""
AGAIN: Final = 2
"""How often a quick check measures again what fell behind; what is slower falls behind each time."""


def chosen_names(scenarios: Sequence[Scenario], only: Sequence[str]) -> list[str]:
    """Return the scenarios to measure, in the catalogue's order; raises typer.BadParameter for unknown names."""
    known = [scenario.name for scenario in scenarios]
    unknown = sorted(set(only) - set(known))
    if unknown:
        raise typer.BadParameter(f"there is no {', '.join(unknown)}; there are: {', '.join(known)}")
    if only:
        return [name for name in known if name in only]
    return [scenario.name for scenario in scenarios if not scenario.only_on_request]


def checked_names(scenarios: Sequence[Scenario], looked_at: Collection[str]) -> list[str]:
    """Return the scenarios of the figures that a check looks at, in the catalogue's order."""
    needed = {figure.scenario for figure in figures.FIGURES if figure.name in looked_at}
    return [scenario.name for scenario in scenarios if scenario.name in needed]


def _progress() -> Progress:
    name = TextColumn("{task.description:<16}")
    columns: tuple[Any, ...] = (name, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


async def run(sizes: Sizes, scenarios: Sequence[Scenario], names: Sequence[str]) -> report.Report:
    """Start everything, measure, stop everything."""
    chosen = [scenario for scenario in scenarios if scenario.name in names]
    total = sum(sizes.rounds if scenario.takes_turns else sizes.single_rounds for scenario in chosen)
    async with AsyncExitStack() as exits:
        progress = exits.enter_context(_progress())
        task = progress.add_task("starting", total=total)
        deployment = await exits.enter_async_context(fresh_deployment())
        echo = Echo()
        exits.callback(echo.stop)
        echo.await_ready()
        store = await _steady(deployment.redis.url)
        with LoadPool(LOAD_PROCESSES) as pool:
            testbed = Testbed(deployment, pool, echo, sizes)
            done = -1

            def on_step(name: str) -> None:
                nonlocal done
                done += 1
                progress.update(task, completed=done, description=name)

            outcomes = await Rounds(testbed, scenarios, on_step).run(names, sizes.rounds, sizes.single_rounds)
    found = figures.computed(outcomes, sizes.participants)
    return report.report_of(outcomes, found, report.this_machine(store), is_quick=sizes.is_quick)


async def _steady(redis_url: str) -> str:
    """Keep Redis from rewriting its log in the middle of a scenario; return the kind of store and its version."""
    async with Redis.from_url(redis_url) as redis:
        await redis.config_set("auto-aof-rewrite-percentage", 0)
        server = await redis.info("server")
    name = "valkey" if "valkey_version" in server else "redis"
    return f"{name} {server[f'{name}_version']}"


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Everything within a minute, on smaller sizes.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Only this scenario and its baselines; repeatable.")] = None,
    rounds: Annotated[int, typer.Option(help="Rounds of every scenario; 0: as many as the size has.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the results here, too.")] = None,
    out: Annotated[Path | None, typer.Option(help="Draw pictures into this directory.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Fail if a figure misses its bound by more than its room.")
    ] = False,
) -> None:
    """Measure; ends with 1 if there was any error."""
    is_quick_check = quick and check and not only
    sizes = CHECK if is_quick_check else QUICK if quick else FULL
    if rounds:
        sizes = sizes._replace(rounds=rounds, single_rounds=rounds)
    scenarios = catalogue(sizes)
    names = checked_names(scenarios, thresholds.QUICK) if is_quick_check else chosen_names(scenarios, only or [])
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that everything is stopped then, too
    result = uvloop.run(run(sizes, scenarios, names))
    report.show(result)
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        json.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2))
    if out is not None:
        draw(result, out)
    missed = complaints_of(result) if check else {}
    errors = report.errors_of(result)
    for _ in range(AGAIN if is_quick_check else 0):
        if missed and not errors:
            again = uvloop.run(run(sizes, scenarios, checked_names(scenarios, missed)))
            report.show(again)
            missed = {figure: text for figure, text in complaints_of(again).items() if figure in missed}
            errors = report.errors_of(again)
    sys.exit(1 if missed or errors else 0)


def complaints_of(result: report.Report) -> dict[str, str]:
    """Say what fell behind in a run, and return it by figure."""
    values = {name: figure.value for name, figure in result.figures.items()}
    found = thresholds.complaints(values, is_quick=result.is_quick)
    for text in found.values():
        sys.stderr.write(f"{text}\n")
    return found


if __name__ == "__main__":
    typer.run(main)
