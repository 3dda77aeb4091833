"""Building the programs and playing them against one server, each through a front that spoils a few of its calls."""

import os
import re
import sys
import time
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Final
from uuid import uuid4

from testing.examples.recipes import ADDRESS, Recipe
from testing.examples.unreliable_front import UnreliableFront
from testing.harness.documents import ROOT
from testing.harness.processes.commands import Finished, run_command

BUILD_S: Final = 900.0
PLAY_S: Final = 120.0
EXPECTED: Final = ROOT / "examples" / "transcript.txt"
COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
"""Maven resets the colours of a terminal even where there is none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one program; `trouble` is empty if it did all that the scenario asks."""

    language: str
    trouble: str
    built_s: float = 0.0
    played_s: float = 0.0


async def build(recipe: Recipe) -> tuple[str, float]:
    """Build a program; return the end of what went wrong, if anything, and the seconds it took."""
    began = time.monotonic()
    done = await _run(recipe.build, BUILD_S) if recipe.build else Finished(0, "", "")
    trouble = f"not built:\n{_tail(done)}" if done.returncode else ""
    return trouble, time.monotonic() - began


async def play(recipe: Recipe, server: str, expected: str) -> Outcome:
    """Play a program and compare: what it printed with the transcript, and what it repeated with what was spoilt."""
    began = time.monotonic()
    async with UnreliableFront(server) as front:
        command = recipe.play.replace(ADDRESS, front.address)
        done = await _run(command, PLAY_S, SESSION=str(uuid4()))
        trouble = judged(done, expected, front.missing)
    return Outcome(recipe.language, trouble, played_s=time.monotonic() - began)


def judged(done: Finished, expected: str, missing: list[str]) -> str:
    """Return what is wrong with a finished program, if anything is."""
    if done.returncode:
        return f"ended with {done.returncode}:\n{_tail(done)}"
    told = COLOURS.sub("", done.stdout).strip().splitlines()
    if told != expected.splitlines():
        return "\n".join(["tells something else:", *unified_diff(expected.splitlines(), told, lineterm="", n=1)])
    return f"did not come back after a {' and a '.join(missing)}" if missing else ""


async def _run(script: str, seconds: float, **environment: str) -> Finished:
    """Run a script in the project's folder, with the programs of its environment first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    try:
        return await run_command("bash", "-ec", script, cwd=ROOT, seconds=seconds, PATH=path, **environment)
    except TimeoutError:
        return Finished(124, "", f"not within {seconds:.0f} s")


def _tail(done: Finished) -> str:
    return "\n".join((done.stdout + done.stderr).splitlines()[-30:])
