"""`synckairos audit` as an operator meets it: reading without any server."""

import json
from pathlib import Path

import pytest

from synckairos.adapters.postgres.trail.lines import decode_record
from synckairos.devstack import RedisServer
from testing.harness.audit_lives import life, session_id
from testing.harness.processes.commands import synckairos
from testing.harness.processes.databases import ask
from tests.e2e.audit.audit_commands import LINES, NO_REDIS, audit, on_terminal


async def test_events_are_json_lines_when_nobody_looks(filled: str, tmp_path: Path) -> None:
    """Each line is the record and what the trail made of it; filters choose."""
    everything = await audit(filled, "events", session_id(2), cwd=tmp_path)
    filtered = await audit(
        filled, "events", session_id(2), "--type", "cycle_switched", "--type", "session_paused", "--limit", "2",
        cwd=tmp_path,
    )  # fmt: skip

    assert everything.returncode == 0, everything.stderr
    lines = [json.loads(line) for line in everything.stdout.splitlines()]
    assert [decode_record(line.encode()) for line in everything.stdout.splitlines()] == life(2)
    assert all(line["is_fork"] is False and line["recorded_at"] > 0 for line in lines)
    assert [json.loads(line)["version"] for line in filtered.stdout.splitlines()] == [3, 4]


async def test_events_are_a_table_on_a_terminal(filled: str, tmp_path: Path) -> None:
    """One row an event, clocks as clocks; a limit says that there is more, and --json is JSON there too."""
    table = await on_terminal(filled, "audit", "events", session_id(2), cwd=tmp_path)
    short = await on_terminal(filled, "audit", "events", session_id(2), "--limit", "3", cwd=tmp_path)
    lines = await on_terminal(filled, "audit", "events", session_id(2), "--json", cwd=tmp_path)

    rows = [row for row in table.splitlines() if "umpire" in row]
    assert all(name in row for name, row in zip(NAMES, rows, strict=True)), table
    assert "00:00.100" in rows[2]
    assert len([row for row in short.splitlines() if "umpire" in row]) == 3
    assert json.loads(lines.splitlines()[0])["version"] == 1


NAMES = (
    "session_created", "session_started", "cycle_switched", "cycle_switched", "session_paused", "session_resumed",
    "session_completed",
)  # fmt: skip


async def test_a_session_is_summed_up(filled: str, tmp_path: Path) -> None:
    """Its latest state, totals and participants: for scripts and for people."""
    told = await audit(filled, "session", session_id(1).upper(), cwd=tmp_path)
    seen = await on_terminal(filled, "audit", "session", session_id(1), cwd=tmp_path)

    last = life(1)[-1].event.session
    summary = json.loads(told.stdout)
    assert summary["summary"]["session"]["version"] == last.version
    assert summary["summary"]["total_cycles"] == last.cycle_number
    assert (summary["event_count"], summary["fork_count"]) == (7, 0)
    assert {one["participant_id"]: one["total_time_active_ms"] for one in summary["participants"]} == {
        one.participant_id: one.clock.used_ms for one in last.participants
    }
    assert "completed" in seen
    assert all(one.participant_id in seen for one in last.participants)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("events", session_id(99)), "knows nothing"),
        (("session", session_id(99)), "knows nothing"),
        (("events", "me"), "Invalid value for"),
        (("events", session_id(1), "--type", "chess"), "must be one of"),
        (("events", session_id(1), "--since", "yesterday"), "must be an instant"),
        (("export", "--session", "me"), "Invalid value for"),
        (("import", "nowhere.jsonl"), "does not exist"),
    ],
)
async def test_what_cannot_be_answered_is_told(
    filled: str, tmp_path: Path, arguments: tuple[str, ...], text: str
) -> None:
    """By a message, not a trace."""
    done = await audit(filled, *arguments, cwd=tmp_path)

    assert done.returncode != 0
    assert text in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("events", session_id(1)), ("session", session_id(1)), ("export",)])
async def test_without_a_database_the_setting_is_named(tmp_path: Path, command: tuple[str, ...]) -> None:
    """One that is not set, and one where nobody listens."""
    unset = await synckairos("audit", *command, redis_url=NO_REDIS, cwd=tmp_path)
    away = await audit("postgresql://nobody:secret@127.0.0.1:1/x", *command, cwd=tmp_path)

    assert "SYNCKAIROS_DATABASE_URL" in unset.stderr
    assert "cannot be reached" in away.stderr
    assert (unset.returncode, away.returncode) == (1, 1)
    assert "secret" not in away.stderr
    assert "Traceback" not in unset.stderr + away.stderr


async def test_events_say_what_they_changed_if_asked(filled: str, tmp_path: Path) -> None:
    """From what to what; the first event of a life changed nothing that was there."""
    plain = await audit(filled, "events", session_id(1), cwd=tmp_path)
    asked = await audit(filled, "events", session_id(1), "--changes", cwd=tmp_path)

    told = [json.loads(line) for line in asked.stdout.splitlines()]
    assert "changes" not in plain.stdout
    assert "changes" not in told[0]
    assert {"path": "status", "old": "pending", "new": "running"} in told[1]["changes"]


async def test_a_participants_events_are_found_over_all_sessions(filled: str, tmp_path: Path) -> None:
    """Those whose participant it is, up to a limit."""
    about: dict[str, list[str]] = {}
    for one in map(json.loads, LINES):
        about.setdefault(one["participant_id"], []).append(one["change_id"])
    about.pop(None, None)  # type: ignore[call-overload] # events about nobody
    someone = max(about, key=lambda one: len(about[one]))

    every = await audit(filled, "participant", someone, cwd=tmp_path)
    first = await audit(filled, "participant", someone, "--limit", "1", cwd=tmp_path)

    assert sorted(json.loads(line)["change_id"] for line in every.stdout.splitlines()) == sorted(about[someone])
    assert first.stdout.splitlines() == every.stdout.splitlines()[:1]


async def test_status_says_what_is_wrong(redis_server: RedisServer, filled: str, tmp_path: Path) -> None:
    """It exits 0 while all is well, 1 with a reason when it is not."""
    environment = {"SYNCKAIROS_REDIS_PREFIX": "auditstatus"}
    await ask(filled, "ANALYZE sync_sessions")
    fine = await synckairos(
        "audit", "status", redis_url=redis_server.url, cwd=tmp_path, SYNCKAIROS_DATABASE_URL=filled, **environment
    )
    away = await synckairos(
        "audit", "status", redis_url=redis_server.url, cwd=tmp_path, **environment,
        SYNCKAIROS_DATABASE_URL="postgresql://127.0.0.1:1/x",
    )  # fmt: skip

    assert fine.returncode == 0, fine.stderr
    told = json.loads(fine.stdout)
    assert (told["degraded"], told["outbox_length"], told["oldest_age_ms"]) == (False, 0, None)
    tables = {one["table"]: one for one in told["tables"]}
    assert set(tables) == {"sync_events", "sync_operator_actions", "sync_participants", "sync_sessions"}
    assert tables["sync_events"]["partitions"] >= 1
    assert all(one["bytes"] > 0 for one in told["tables"])
    assert tables["sync_sessions"]["analyzed_at"]
    assert tables["sync_sessions"]["rows"] == len({json.loads(line)["session_id"] for line in LINES})
    assert away.returncode == 1
    assert json.loads(away.stdout)["degraded_reasons"]
    assert json.loads(away.stdout)["tables"] == []
