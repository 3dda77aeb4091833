"""Plays the records of a folder through a real server, and compares every clock after every turn.

python -m testing.reality FOLDER [--moves 100000] [--out DIR]
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from synckairos.devstack import RedisServer
from testing.harness.client import connect
from testing.harness.processes.server_process import ServerProcess
from testing.reality.auctions import Sale, sales_of
from testing.reality.plans import Plan, plan_of
from testing.reality.playing import Played, play_all
from testing.reality.readers import read_folder
from testing.reality.records import Auction, Game, LeftOut
from testing.reality.report import Report, as_json, draw, show

HOW_TO_GET: Final = "docs/reality.md says how to get public records; then: make reality DATA=folder"


def works_of(folder: Path) -> tuple[list[Plan | Sale], list[LeftOut]]:
    """Return what can be played of a folder, and what cannot be compared."""
    works: list[Plan | Sale] = []
    left_out: list[LeftOut] = []
    for record in read_folder(folder):
        planned = plan_of(record) if isinstance(record, Game) else record
        if isinstance(planned, LeftOut):
            left_out.append(planned)
        elif isinstance(planned, Auction):
            works += sales_of(planned)
        else:
            works.append(planned)
    return works, left_out


def repeated(works: Sequence[Plan | Sale], turns: int) -> list[Plan | Sale]:
    """Return the works, over and over again until they have so many turns; all of them once at least."""
    longer = list(works)
    missing = turns - sum(turns_of(work) for work in works)
    for work in cycle(works):
        if missing <= 0:
            break
        longer.append(work)
        missing -= turns_of(work)
    return longer


def turns_of(work: Plan | Sale) -> int:
    """Return how many turns, or accepted bids, are played."""
    return len(work.turns) if isinstance(work, Plan) else len(work.ends)


async def replay(works: Sequence[Plan | Sale], on_played: Callable[[Played], None]) -> float:
    """Play everything through a server of its own, on a Redis of its own; return how many seconds that took."""
    with tempfile.TemporaryDirectory() as directory, RedisServer(Path(directory) / "redis") as redis:
        log = Path(directory) / "server.log"
        with ServerProcess(redis.url, log, log_level="warning") as server:
            await asyncio.to_thread(server.await_answer, "SERVING")
            async with connect(server.address) as stub:
                began = time.monotonic()
                await play_all(stub, works, on_played)
                return time.monotonic() - began


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def replayed(folder: Path, moves: int, progress: Progress) -> Report:
    """Read a folder and play it, again and again until it was so many turns."""
    report = Report()
    task = progress.add_task("reading", total=None)
    works, report.left_out = works_of(folder)
    works = repeated(works, moves)
    progress.update(task, description="replaying", total=sum(turns_of(work) for work in works))

    def on_played(played: Played) -> None:
        report.add(played)
        progress.update(task, advance=turns_of(played.work))

    report.seconds = uvloop.run(replay(works, on_played)) if works else 0.0
    return report


def main(
    folder: Annotated[Path, typer.Argument(help="Records, in any of the formats of docs/reality.md.")],
    out: Annotated[Path, typer.Option(help="Where the results and the picture go.")] = Path("build/reality"),
    moves: Annotated[int, typer.Option(help="Play everything again and again, until it was so many.")] = 0,
) -> None:
    """Replay; end with 1 if any clock differed, or if there was nothing to compare."""
    if not folder.is_dir():
        sys.stderr.write(f"there is no folder {folder}. {HOW_TO_GET}\n")
        sys.exit(1)
    with _progress() as progress:
        report = replayed(folder, moves, progress)
    show(report, Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120))
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(as_json(report)), indent=2))
    draw(report, out / "spent.svg")
    if not report.turns:
        sys.stderr.write(f"nothing in {folder} could be compared. {HOW_TO_GET}\n")
    sys.exit(0 if report.is_good else 1)


if __name__ == "__main__":
    typer.run(main)
