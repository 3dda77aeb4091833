"""Builds the programs of examples/, plays them against one server and compares what they tell.

python -m testing.examples [LANGUAGE…] [--require LANGUAGE]
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from synckairos.devstack import RedisServer
from testing.examples.playing import EXPECTED, Outcome, build, play
from testing.examples.recipes import TOOLS, Recipe, recipes
from testing.harness.processes.server_process import ServerProcess


async def outcomes(chosen: Sequence[Recipe], server: str) -> list[Outcome]:
    """Build and play one program after the other."""
    found = []
    for recipe in chosen:
        trouble, built_s = await build(recipe)
        played = Outcome(recipe.language, trouble) if trouble else await play(recipe, server, EXPECTED.read_text())
        found.append(Outcome(recipe.language, played.trouble, built_s, played.played_s))
        sys.stdout.write(f"{as_line(found[-1])}\n")
        sys.stdout.flush()
    return found


def as_line(outcome: Outcome) -> str:
    """Say in a line what became of a program, and below it what went wrong."""
    verdict = outcome.trouble or "the expected transcript, retried and resumed unseen"
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
    with tempfile.TemporaryDirectory() as directory, RedisServer(Path(directory) / "redis") as redis:
        with ServerProcess(redis.url, Path(directory) / "server.log", log_level="warning") as server:
            server.await_answer("SERVING")
            found = asyncio.run(outcomes([one for one in wanted if one not in left_out], server.address))
    for recipe in left_out:
        sys.stdout.write(f"{recipe.language}: not run, {' and '.join(recipe.missing_tools)} is not here\n")
    failed = [one for one in found if one.trouble]
    sys.stdout.write(f"{len(found) - len(failed)} passed, {len(failed)} failed, {len(left_out)} not run\n")
    absent = {one.language for one in left_out} & set(require or [])
    sys.exit(bool(failed or absent or not found))


if __name__ == "__main__":
    typer.run(main)
