"""The results of a run, as tables for people and as JSON for programs."""

import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from bench.load import samples
from bench.load.load_pool import BUSY, Measurement, percentiles_ms
from bench.rounds import Outcome
from bench.thresholds import THRESHOLDS, Threshold
from synckairos.domain import timing

PAGE: Final = 120
"""Columns where there is no terminal."""
LAYOUT: Final = 1
"""Of the JSON."""


class Summary(msgspec.Struct, kw_only=True):
    """All rounds of a scenario: medians, but of `max` and the errors, which are of all rounds together; times in ms."""

    text: str
    size: int
    rounds: int
    rate: float
    p50: float
    p90: float
    p99: float
    max: float
    server_s: float
    """CPU seconds of the servers for 1 000 calls (of fan-outs: events delivered)."""
    redis_s: float
    load: float
    """Share of a core that the busiest load process used."""
    errors: dict[str, int]
    extra: dict[str, float]
    histogram: dict[int, int]
    """Latencies of all rounds by bucket; see samples.histogram."""


class FigureValue(msgspec.Struct):
    """A figure, its bound and its aim."""

    text: str
    value: float
    bound: float | None = None
    is_most: bool = False
    aim: float | None = None
    is_met: bool | None = None


class Report(msgspec.Struct, kw_only=True):
    """A whole run."""

    layout: int = LAYOUT
    at: str
    is_quick: bool
    machine: dict[str, str | int]
    scenarios: dict[str, Summary]
    figures: dict[str, FigureValue]


def summed_up(outcome: Outcome) -> Summary:
    """Put a scenario's rounds together."""
    rounds = [one.measured for one in outcome.rounds]
    latencies = [percentiles_ms(one.latencies) for one in rounds]
    errors: Counter[str] = Counter()
    for one in rounds:
        errors.update(one.errors)
    return Summary(
        text=outcome.scenario.text,
        size=outcome.scenario.size,
        rounds=len(rounds),
        rate=samples.median(one.rate for one in rounds),
        p50=samples.median(one["p50"] for one in latencies),
        p90=samples.median(one["p90"] for one in latencies),
        p99=samples.median(one["p99"] for one in latencies),
        max=max(one["max"] for one in latencies),
        server_s=samples.median(one.cpu_per_call("server") * 1_000 for one in rounds),
        redis_s=samples.median(one.cpu_per_call("redis") * 1_000 for one in rounds),
        load=max((one.cpu_s.get("load", 0.0) / one.seconds for one in rounds if one.seconds), default=0.0),
        errors=dict(errors),
        extra=_medians(rounds),
        histogram=samples.added(samples.histogram(one.latencies) for one in rounds),
    )


def _medians(rounds: list[Measurement]) -> dict[str, float]:
    return {name: samples.median(one.extra[name] for one in rounds) for name in rounds[0].extra}


def report_of(
    outcomes: Mapping[str, Outcome],
    figures: Mapping[str, tuple[str, float]],
    machine: dict[str, str | int],
    *,
    is_quick: bool,
) -> Report:
    """Return the report of a run."""
    thresholds = {one.figure: one for one in THRESHOLDS}
    return Report(
        at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        is_quick=is_quick,
        machine=machine,
        scenarios={name: summed_up(outcome) for name, outcome in outcomes.items()},
        figures={name: _figure(text, value, thresholds.get(name)) for name, (text, value) in figures.items()},
    )


def _figure(text: str, value: float, threshold: Threshold | None) -> FigureValue:
    if threshold is None:
        return FigureValue(text, value)
    return FigureValue(text, value, threshold.bound, threshold.is_most, threshold.aim, is_met=threshold.is_kept(value))


def this_machine(store: str) -> dict[str, str | int]:
    """Describe the machine as far as figures depend on it, without identifying it."""
    return {
        "cores": os.cpu_count() or 0,
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "grpcio": version("grpcio"),
        "store": store,
        "modules": "interpreted" if (timing.__file__ or "").endswith(".py") else "compiled",
    }


def errors_of(report: Report) -> dict[str, dict[str, int]]:
    """Return the errors by scenario; none of an honest run."""
    return {name: one.errors for name, one in report.scenarios.items() if one.errors}


def show(report: Report, console: Console | None = None) -> None:
    """Print the tables."""
    console = console or Console(file=sys.stdout, width=None if sys.stdout.isatty() else PAGE)
    console.print(f"SyncKairos' hot modules: {report.machine.get('modules', 'interpreted')}")
    console.print(_scenarios(report))
    if report.figures:
        console.print(_figures(report))
    for name, one in report.scenarios.items():
        if one.extra:
            told = ", ".join(f"{key} {value:,.2f}" for key, value in one.extra.items())
            console.print(f"{name}: {told}", highlight=False)
    busy = [name for name, one in report.scenarios.items() if one.load > BUSY]
    if busy:
        console.print(f"[yellow]the load may have been the bottleneck of: {', '.join(busy)}[/]")
    for name, errors in errors_of(report).items():
        for text, count in errors.items():
            console.print(f"[red]{name}: {count} x {text}[/]", highlight=False)


def _scenarios(report: Report) -> Table:
    table = Table(title="times in ms, CPU in seconds for 1 000 calls, load in cores", title_justify="left")
    table.add_column("scenario")
    for name in ("rate/s", "p50", "p90", "p99", "max", "server", "redis", "load", "errors"):
        table.add_column(name, justify="right")
    for name, one in report.scenarios.items():
        if not one.rate and not one.errors:
            continue  # it made no calls
        times = (f"{value:.2f}" if one.max else "" for value in (one.p50, one.p90, one.p99, one.max))
        cpu = (f"{value:.3f}" if value else "" for value in (one.server_s, one.redis_s))
        load = f"{one.load:.2f}" if one.load else ""
        table.add_row(name, f"{one.rate:,.0f}", *times, *cpu, load, str(sum(one.errors.values())))
    return table


def _figures(report: Report) -> Table:
    table = Table(title="figures, and what they have to be", title_justify="left")
    table.add_column("figure")
    for name in ("value", "bound", "aim", ""):
        table.add_column(name, justify="right")
    for figure in report.figures.values():
        bound = "" if figure.bound is None else f"{'<=' if figure.is_most else '>='} {figure.bound:g}"
        aim = "" if figure.aim is None else f"{figure.aim:g}"
        met = {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[figure.is_met]
        table.add_row(figure.text, f"{figure.value:,.2f}", bound, aim, met)
    return table
