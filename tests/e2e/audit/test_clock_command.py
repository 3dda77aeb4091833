"""`synckairos clock` as an umpire meets it: a clock explained without any server."""

import json
from pathlib import Path

import pytest

from synckairos.domain.commands import AdjustTime, Switch
from testing.harness.audit_histories import recorded
from testing.harness.audit_lives import life, session_id
from testing.harness.builders import ANN, countdown, per_group, started
from testing.harness.documents import blocks
from testing.harness.playing.plays import ANN as FIRST
from testing.harness.playing.plays import BOB as SECOND
from testing.harness.processes.commands import Finished, run_command, synckairos
from testing.harness.processes.warm_commands import program
from tests.e2e.audit.audit_commands import NO_REDIS, on_terminal, write

OTHER = session_id(70)
LINES = [
    ("base", 60_000, 60_000),
    ("spent", -100, 59_900),
    ("grant", 500, 60_400),
    ("spent", -20, 60_380),
]


async def clock(url: str, *arguments: str, cwd: Path) -> Finished:
    """Run `synckairos clock` on a database; there is no Redis."""
    return await synckairos("clock", *arguments, redis_url=NO_REDIS, cwd=cwd, SYNCKAIROS_DATABASE_URL=url)


def told(done: Finished) -> list[tuple[str, int, int]]:
    """Return the kinds, amounts and balances of JSON Lines."""
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [(line["kind"], line["amount_ms"], line["balance_ms"]) for line in lines]


async def test_a_clock_is_json_lines_when_nobody_looks(filled: str, tmp_path: Path) -> None:
    """Named as in the contract, each with its version and instant; up to any version."""
    whole = await clock(filled, session_id(2), FIRST, cwd=tmp_path)
    early = await clock(filled, session_id(2), FIRST, "--version", "3", cwd=tmp_path)

    assert told(whole) == LINES
    assert told(early) == LINES[:3]
    last = life(2)[-1].event.session
    assert json.loads(whole.stdout.splitlines()[-1]) == {
        "version": last.version,
        "occurred_at": last.updated_at,
        "kind": "spent",
        "amount_ms": -20,
        "balance_ms": 60_380,
        "periods_burnt": 0,
        "note": "",
    }


async def test_a_clock_is_a_table_on_a_terminal(filled: str, tmp_path: Path) -> None:
    """One row a line, amounts with their signs; --json is JSON there too."""
    table = await on_terminal(filled, "clock", session_id(2), FIRST, cwd=tmp_path)
    lines = await on_terminal(filled, "clock", session_id(2), FIRST, "--json", cwd=tmp_path)

    rows = [row.split() for row in table.replace("│", " ").splitlines() if "0:" in row]
    assert [(row[3], row[4], row[5]) for row in rows] == [
        ("base", "+01:00.000", "01:00.000"),
        ("spent", "-00:00.100", "00:59.900"),
        ("grant", "+00:00.500", "01:00.400"),
        ("spent", "-00:00.020", "01:00.380"),
    ]
    assert json.loads(lines.splitlines()[0])["kind"] == "base"


async def test_groups_and_sessions_have_clocks_too(empty: str, tmp_path: Path) -> None:
    """A group is named like a participant; the clock of a session belongs to nobody. Reasons are shown as they are."""
    teams, total = started(per_group(60_000, 60_000)), started(countdown(60_000, ANN))
    teams.ok(1_000, Switch())
    total.ok(2_000, AdjustTime(delta_ms=500))
    red = teams.session.groups[0].group_id
    odd = total.events[-1]._replace(author=total.events[-1].author._replace(reason="\x1b[31m[bold]late"))
    await write(empty, [*recorded(teams.events, OTHER), *recorded([*total.events[:-1], odd], session_id(71))])

    assert told(await clock(empty, OTHER, red, cwd=tmp_path)) == [("base", 60_000, 60_000), ("spent", -1_000, 59_000)]
    assert told(await clock(empty, session_id(71), cwd=tmp_path)) == [
        ("base", 60_000, 60_000),
        ("adjusted", 500, 60_500),
        ("spent", -2_000, 58_500),
    ]
    assert r"umpire: \x1b[31m[bold]late" in await on_terminal(empty, "clock", session_id(71), cwd=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((session_id(99), FIRST), "knows nothing"),
        ((session_id(1), OTHER), "is not in the session"),
        ((session_id(1),), "participant_id: is required in mode PER_PARTICIPANT"),
        ((session_id(1), FIRST, "--version", "8"), "version: the trail does not hold version 8"),
        (("me", FIRST), "Invalid value for"),
        ((session_id(1), FIRST, "--version", "-1"), "Invalid value for"),
    ],
)
async def test_what_cannot_be_explained_is_told(
    filled: str, tmp_path: Path, arguments: tuple[str, ...], text: str
) -> None:
    """By a message, not a trace."""
    done = await clock(filled, *arguments, cwd=tmp_path)

    assert done.returncode != 0
    assert text in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


async def test_the_documented_commands_explain_a_clock(filled: str, tmp_path: Path) -> None:
    """As they stand in docs/api.md."""
    (script,) = [block for block in blocks("docs/api.md", "sh") if "synckairos clock" in block]
    path = f"{program().parent}:/usr/bin:/bin"

    done = await run_command(
        "bash", "-euc", script, cwd=tmp_path, PATH=path, SYNCKAIROS_DATABASE_URL=filled, SESSION=session_id(1),
        PARTICIPANT=SECOND,
    )  # fmt: skip

    assert told(done)[:3] == [("base", 60_000, 60_000), ("spent", -100, 59_900), ("grant", 500, 60_400)]
    assert len(told(done)) == 6
