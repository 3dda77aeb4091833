"""Holds the instructions of a call to those that were recorded: what a machine's other work hardly changes.

    python -m bench.cost.recorded [--write]

One server runs under `valgrind --tool=callgrind` (apt install valgrind), and is called by one caller: GetSession,
SwitchCycle, switches of 32 sessions in one message of ExecuteCommands (each command counts), and switches of a session
that 32 watch (each frame counts, with its share of the switch). They are compared where Python, grpcio and the C
library are those of the record: each of them has instructions of its own. A figure is too high only if it is so twice.
"""

import platform
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from bench.cost.kinds import Kinds
from bench.cost.servers import CountedServer
from bench.cost.variants import Prepared
from synckairos.devstack import RedisServer
from synckairos.domain import clocks

RECORD: Final = Path(__file__).with_name("instructions.json")
GROWTH: Final = 0.03
"""By how much of it a figure may grow."""
IDLE_S: Final = 2.0
RUNS: Final = 3
"""Of which the highest is recorded: what else a machine does adds up to 3 %."""

app = typer.Typer(add_completion=False)


def surroundings() -> str:
    """Return what the instructions of a call depend on besides our code."""
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    parts = (
        f"{platform.python_implementation()} {platform.python_version()}",
        "optimised" if optimised else "not optimised",
        platform.python_compiler(),
        f"grpcio {version('grpcio')}",
        " ".join(platform.libc_ver()),
        platform.machine(),
        "interpreted" if str(clocks.__file__).endswith(".py") else "compiled",
    )
    return ", ".join(parts)


def measured(redis_url: str, folder: Path) -> dict[str, float]:
    """Return the thousands of instructions of each kind of call."""
    with CountedServer(redis_url, folder, Prepared()) as server, server.channel() as channel, Kinds(channel) as kinds:
        kinds.warm_up()
        server.begin()
        kinds.warm_up(few=True)
        server.spent()
        time.sleep(IDLE_S)
        idle = server.spent() / IDLE_S

        def spent(make: Callable[[], int]) -> float:
            started = time.monotonic()
            units = make()
            return (server.spent() - idle * (time.monotonic() - started)) / units / 1_000

        return {name: spent(make) for name, make in kinds.of.items()}


def _measured() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder) / "redis") as redis:
        return measured(redis.url, Path(folder))


def objections(found: Mapping[str, float], recorded: Mapping[str, float]) -> list[str]:
    """Return what has grown by more than it may, in thousands of instructions."""
    return [
        f"{name} takes {found[name]:.1f} thousand instructions, more than {before:.1f} recorded and {GROWTH:.0%}"
        for name, before in recorded.items()
        if found[name] > before * (1 + GROWTH)
    ]


def read_record() -> dict[str, dict[str, float]]:
    """Return what was recorded, by surroundings."""
    if not RECORD.exists():
        return {}
    return msgspec.json.decode(RECORD.read_bytes(), type=dict[str, dict[str, float]])


def _write(found: Mapping[str, float]) -> None:
    record = read_record() | {surroundings(): {name: round(figure, 1) for name, figure in found.items()}}
    RECORD.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


@app.command()
def main(
    write: Annotated[bool, typer.Option("--write", help="Record what is measured, for these surroundings.")] = False,
) -> None:
    """Measure and compare; ends with 1 if a call takes more than 3 % more instructions than recorded."""
    here, record = surroundings(), read_record()
    if shutil.which("valgrind") is None:
        typer.echo("instructions are not compared: there is no valgrind (apt install valgrind)", err=True)
        return
    if here not in record and not write:
        typer.echo(f"instructions are not compared: none are recorded for {here}", err=True)
        return
    if write:
        runs = [_measured() for _ in range(RUNS)]
        figures = {name: max(run[name] for run in runs) for name in runs[0]}
        _show(figures, record.get(here, {}))
        _write(figures)
        return
    found = _measured()
    if objections(found, record[here]):
        # A run may be unlucky, but no run takes less than it has to.
        again = _measured()
        found = {name: min(figure, again[name]) for name, figure in found.items()}
    _show(found, record[here])
    complaints = objections(found, record[here])
    for complaint in complaints:
        typer.echo(complaint, err=True)
    sys.exit(1 if complaints else 0)


def _show(found: Mapping[str, float], recorded: Mapping[str, float]) -> None:
    for name, figure in found.items():
        beside = f", {figure / recorded[name] - 1:+.1%} of those recorded" if name in recorded else ""
        typer.echo(f"{name}: {figure:.1f} thousand instructions{beside}")


if __name__ == "__main__":
    app()
