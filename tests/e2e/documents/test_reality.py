"""Records made up by hand, played through a real server as `make reality` plays public ones, to the millisecond."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from synckairos.devstack import RedisServer
from testing.harness.client import connect
from testing.harness.processes.server_process import ServerProcess
from testing.reality.__main__ import works_of
from testing.reality.auctions import Sale
from testing.reality.examples import write_examples
from testing.reality.plans import Plan
from testing.reality.playing import Played, play_all

ROOT: Final = Path(__file__).parents[3]


def replay(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `python -m testing.reality`."""
    command = [sys.executable, "-m", "testing.reality", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def results(folder: Path) -> dict[str, Any]:
    """Return what a replay has written."""
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def test_examples_of_every_format_and_convention(tmp_path: Path) -> None:
    """No clock differs; what contradicts itself is said to be left out."""
    (tmp_path / "records").mkdir()
    write_examples(tmp_path / "records")

    done = replay(tmp_path / "records", "--out", tmp_path, "--moves", 2_000)

    assert done.returncode == 0, done.stdout + done.stderr
    found = results(tmp_path)
    assert found["turns"] >= 2_000
    assert {row["off_ms"] for row in found["rows"]} == {0}
    assert len(found["left_out"]) == 5
    assert (tmp_path / "spent.svg").exists()


def test_nothing_to_compare_is_an_error(tmp_path: Path) -> None:
    """It says where records are to be had."""
    for folder in (tmp_path / "missing", tmp_path):
        done = replay(folder, "--out", tmp_path / "out")

        assert done.returncode == 1
        assert "docs/reality.md" in done.stderr


@pytest.fixture(scope="module")
def served(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server of its own."""
    log = tmp_path_factory.mktemp("reality") / "server.log"
    with ServerProcess(redis_server.url, log, redis_prefix="reality") as server:
        server.await_answer("SERVING")
        yield server


async def played(server: ServerProcess, work: Plan | Sale) -> Played:
    """Play one game or auction."""
    found: list[Played] = []
    async with connect(server.address) as stub, asyncio.timeout(30):
        await play_all(stub, [work], found.append)
    return found[0]


async def test_a_millisecond_too_much_is_found(served: ServerProcess, tmp_path: Path) -> None:
    """In any part of a clock, in the record, in a flag, or in the end of an auction."""
    write_examples(tmp_path)
    works, _ = works_of(tmp_path)
    games = {f"{work.game.source} {work.game.number}": work for work in works if isinstance(work, Plan)}
    sale = next(work for work in works if isinstance(work, Sale) and work.end > work.total_ms)
    kgs = games["kgs.sgf 0"]
    last = kgs.turns[-1]
    standing = last.standing._replace(period_remaining_ms=9_999)
    wrong = {
        "turn 5: a clock stands at": kgs._replace(turns=(*kgs.turns[:-1], last._replace(standing=standing))),
        "turn 5: the record shows": kgs._replace(turns=(*kgs.turns[:-1], last._replace(hidden_ms=1))),
        "turn 5: the clock ran out too early": kgs._replace(game=kgs.game._replace(flagged=0)),
        "bid": sale._replace(ends=(*sale.ends[:-1], sale.ends[-1] + 1)),
        "it ended after": sale._replace(end=sale.end - 1),
    }

    assert (await played(served, kgs)).fault == ""
    assert (await played(served, sale)).fault == ""
    for fault, work in wrong.items():
        assert fault in (await played(served, work)).fault
