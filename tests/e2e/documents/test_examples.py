"""The examples against a real server, by the way of `make examples`; here the one that every machine can play."""

import sys
from pathlib import Path

from synckairos.devstack import RedisServer
from testing.examples.playing import EXPECTED, play
from testing.examples.recipes import recipes
from testing.harness.documents import ROOT
from testing.harness.processes.commands import run_command
from testing.harness.processes.server_process import ServerProcess


async def test_a_program_is_held_to_the_transcript(redis_server: RedisServer, tmp_path: Path) -> None:
    """It passes through every fault; the same program fails by a transcript with another figure in it."""
    python = next(recipe for recipe in recipes() if recipe.language == "Python")
    expected = EXPECTED.read_text()
    other = expected.replace("44000 ms", "44001 ms")

    with ServerProcess(redis_server.url.replace("/0", "/7"), tmp_path / "server.log") as server:
        server.await_answer("SERVING")
        outcome = await play(python, server.address, expected)
        held_to_other = await play(python, server.address, other)

    assert outcome.trouble == ""
    assert held_to_other.trouble.startswith("tells something else:")
    assert "-turn 3: version 8, STATUS_RUNNING, 44001 ms" in held_to_other.trouble


async def test_a_missing_toolchain_is_named_and_counted(tmp_path: Path) -> None:
    """It is no failure by itself, and one where it is required."""
    without = {"PATH": str(tmp_path), "PYTHONPATH": f"{ROOT}:{ROOT / 'generated'}"}

    asked = await run_command(sys.executable, "-m", "testing.examples", "C#", "Go", cwd=ROOT, **without)
    required = await run_command(sys.executable, "-m", "testing.examples", "Go", "--require", "Go", cwd=ROOT, **without)

    assert "Go: not run, go is not here" in asked.stdout
    assert "C#: not run, dotnet is not here" in asked.stdout
    assert asked.stdout.endswith("0 passed, 0 failed, 2 not run\n")
    assert required.returncode == 1
