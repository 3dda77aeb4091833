"""Builds the programs of examples/, plays them against one server and compares what they tell.

python -m testing.examples [LANGUAGE…] [--require LANGUAGE]
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from synckairos.devstack import RedisServer
from testing.examples.playing import EXPECTED, Outcome, build, play
from testing.examples.recipes import TOOLS, Recipe, recipes
from testing.harness.processes.server_process import ServerProcess


@contextmanager
def running_server() -> Iterator[str]:
    """Give the address of a server of its own, on a Redis of its own."""
    with (
        tempfile.TemporaryDirectory() as directory,
        RedisServer(Path(directory) / "redis") as redis,
        ServerProcess(redis.url, Path(directory) / "server.log", log_level="warning") as server,
    ):
        server.await_answer("SERVING")
        yield server.address


async def outcomes(chosen: Sequence[Recipe], server: str) -> list[Outcome]:
    """Build and play one program after the other, and say of each what became of it."""
    found = []
    expected = EXPECTED.read_text()
    for recipe in chosen:
        trouble, built_s = await build(recipe)
        played = Outcome(recipe.language, trouble) if trouble else await play(recipe, server, expected)
        found.append(Outcome(recipe.language, played.trouble, built_s, played.played_s))
        sys.stdout.write(f"{as_line(found[-1])}\n")
        sys.stdout.flush()
    return found


def as_line(outcome: Outcome) -> str:
    """Say what became of a program."""
    verdict = outcome.trouble or "the expected transcript, through a refusal, a lost answer and a cut stream"
    return f"{outcome.language}: {verdict} (built in {outcome.built_s:.1f} s, played in {outcome.played_s:.1f} s)"


def main(
    languages: Annotated[list[str] | None, typer.Argument(help="Only these; default: all.")] = None,
    require: Annotated[list[str] | None, typer.Option(help="Fail if this one cannot be run here.")] = None,
) -> None:
    """Play all programs that this machine has the tools for, and name the others; end with 1 if one went wrong."""
    unknown = {*(languages or []), *(require or [])} - set(TOOLS)
    if unknown:
        sys.stderr.write(f"no example is in {', '.join(sorted(unknown))}; there are {', '.join(TOOLS)}\n")
        sys.exit(2)
    wanted = [recipe for recipe in recipes() if recipe.language in (languages or TOOLS)]
    left_out = [recipe for recipe in wanted if recipe.missing_tools]
    chosen = [recipe for recipe in wanted if recipe not in left_out]
    found: list[Outcome] = []
    if chosen:
        with running_server() as server:
            found = asyncio.run(outcomes(chosen, server))
    for recipe in left_out:
        sys.stdout.write(f"{recipe.language}: not run, {' and '.join(recipe.missing_tools)} is not here\n")
    failed = sum(bool(outcome.trouble) for outcome in found)
    sys.stdout.write(f"{len(found) - failed} passed, {failed} failed, {len(left_out)} not run\n")
    absent = {recipe.language for recipe in left_out} & set(require or [])
    sys.exit(bool(failed or absent))


if __name__ == "__main__":
    typer.run(main)
