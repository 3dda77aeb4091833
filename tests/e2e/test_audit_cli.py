"""`synckairos audit` as an operator meets it: reading, exporting and importing without any server."""

import asyncio
import json
import os
import stat
import sys
from collections.abc import AsyncIterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import DatabaseOptions
from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.adapters.postgres.trail.lines import decode_record, encode_record
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail
from synckairos.application.trail.audit import AuditRecord
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer, RedisServer
from testing.harness.audit_lives import life, session_id
from testing.harness.processes.commands import Finished, synckairos
from testing.harness.processes.databases import ask, own_database

NO_REDIS = "redis://127.0.0.1:1"
LIVES = 5
RECORDS = list(chain.from_iterable(life(number) for number in range(LIVES)))
LINES = [encode_record(record) for record in RECORDS]


@pytest.fixture
async def empty(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with the tables of the trail, and nothing in them."""
    async with own_database(postgres_server) as url:
        await apply_migrations(url, migrations_folder())
        yield url


@pytest.fixture
async def filled(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with five lives of 7 events each."""
    async with own_database(postgres_server) as url:
        await apply_migrations(url, migrations_folder())
        await write(url, RECORDS)
        yield url


async def write(url: str, records: list[AuditRecord]) -> None:
    """Write records to a trail."""
    database = Database(DatabaseOptions(url, pool_min=0))
    await PostgresAuditTrail(database).write(records)
    await database.close()


async def audit(url: str, *arguments: str, cwd: Path) -> Finished:
    """Run `synckairos audit` on a database; there is no Redis."""
    return await synckairos(
        "audit", *arguments, redis_url=NO_REDIS, cwd=cwd, SYNCKAIROS_DATABASE_URL=url, SYNCKAIROS_DATABASE_TLS="auto"
    )


async def on_terminal(url: str, *arguments: str, cwd: Path) -> str:
    """Run `synckairos audit` as if on a wide terminal and return what is to be seen there."""
    master, slave = os.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "synckairos", "audit", *arguments, cwd=cwd, stdout=slave,
        env={**os.environ, "SYNCKAIROS_DATABASE_URL": url, "COLUMNS": "220", "TERM": "xterm", "NO_COLOR": "1"},
    )  # fmt: skip
    os.close(slave)
    seen = await asyncio.to_thread(_read_all, master)
    os.close(master)
    assert await process.wait() == 0, seen
    return seen


def _read_all(master: int) -> str:
    seen = b""
    try:
        while chunk := os.read(master, 65_536):
            seen += chunk
    except OSError:
        # A terminal whose other end is closed is an error on Linux.
        pass
    return seen.decode()


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
    table = await on_terminal(filled, "events", session_id(2), cwd=tmp_path)
    short = await on_terminal(filled, "events", session_id(2), "--limit", "3", cwd=tmp_path)
    lines = await on_terminal(filled, "events", session_id(2), "--json", cwd=tmp_path)

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
    seen = await on_terminal(filled, "session", session_id(1), cwd=tmp_path)

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


async def test_export_and_import_round_trip(filled: str, empty: str, tmp_path: Path) -> None:
    """Out of one database, into an empty one, out of that: the same file, byte for byte; once more changes nothing."""
    exported = await audit(filled, "export", "--output", "first.jsonl", cwd=tmp_path)
    imported = await audit(empty, "import", "first.jsonl", cwd=tmp_path)
    again = await audit(empty, "import", "first.jsonl", cwd=tmp_path)
    streamed = await audit(empty, "export", cwd=tmp_path)

    assert exported.returncode == 0, exported.stderr
    first = (tmp_path / "first.jsonl").read_bytes()
    assert first == b"".join(LINES)
    assert streamed.stdout.encode() == first
    assert f"exported {len(LINES)} events" in exported.stderr
    assert f"imported {len(LINES)} new events, 0 known already, 0 forks" in imported.stdout
    assert f"imported 0 new events, {len(LINES)} known already, 0 forks" in again.stdout
    assert os.listdir(tmp_path) == ["first.jsonl"]
    for table in ("sync_sessions", "sync_participants"):
        columns = "session_id, total_cycles" + (", state_snapshot::text" if table == "sync_sessions" else "")
        query = f"SELECT {columns} FROM {table} ORDER BY 1, 2"
        assert await ask(empty, query) == await ask(filled, query)


async def test_a_part_can_be_exported(filled: str, tmp_path: Path) -> None:
    """By session and by time."""
    one = await audit(filled, "export", "--session", session_id(1), "--session", session_id(3), cwd=tmp_path)
    late = await audit(filled, "export", "--since", "2026-01-01T00:00:03.123Z", cwd=tmp_path)
    early = await audit(filled, "export", "--until", "2026-01-01 00:00:01.123", cwd=tmp_path)

    def lives(done: Finished) -> set[str]:
        return {json.loads(line)["session_id"] for line in done.stdout.splitlines()}

    assert lives(one) == {session_id(1), session_id(3)}
    assert lives(late) == {session_id(3), session_id(4)}
    assert lives(early) == {session_id(0)}


async def test_a_fork_is_imported_and_told(filled: str, tmp_path: Path) -> None:
    """Another change of a known version is new, and a fork; it is exported beside the one that was there."""
    event = RECORDS[-1].event
    fork = RECORDS[-1]._replace(event=event._replace(session=event.session._replace(change_id=session_id(7))))
    (tmp_path / "fork.jsonl").write_bytes(encode_record(fork))

    imported = await audit(filled, "import", "fork.jsonl", cwd=tmp_path)
    exported = await audit(filled, "export", "--session", event.session.session_id, cwd=tmp_path)

    assert "imported 1 new events, 0 known already, 1 forks" in imported.stdout
    assert len(exported.stdout.splitlines()) == 8


def _spoilt(**changed: Any) -> bytes:
    return json.dumps(json.loads(LINES[9]) | changed).encode() + b"\n"


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
async def test_wrong_lines_are_named_and_nothing_is_imported(
    empty: str, tmp_path: Path, option: tuple[str, ...]
) -> None:
    """With their numbers and fields, all of them at once; blank lines count but are no mistake."""
    lines = [*LINES[:3], b"\n", _spoilt(version=0), *LINES[3:5], b"{\n", _spoilt(actor="\0"), _spoilt(colour="red")]
    (tmp_path / "wrong.jsonl").write_bytes(b"".join(lines))

    done = await audit(empty, "import", *option, "wrong.jsonl", cwd=tmp_path)

    assert done.returncode == 1
    found = [line.split(":")[:2] for line in done.stderr.splitlines() if line.startswith("line ")]
    assert [[number, field.strip()] for number, field in found][:3] == [
        ["line 5", "version"], ["line 8", found[1][1].strip()], ["line 9", "actor"],
    ]  # fmt: skip
    assert len(found) == 4
    assert "colour" in done.stderr
    assert "nothing was imported" in done.stderr
    assert await ask(empty, "SELECT count(*) FROM sync_events") == [(0,)]


async def test_a_dry_run_imports_nothing(empty: str, tmp_path: Path) -> None:
    """It says how many events are right."""
    (tmp_path / "right.jsonl").write_bytes(b"".join(LINES))

    done = await audit(empty, "import", "--dry-run", "right.jsonl", cwd=tmp_path)

    assert (done.returncode, done.stdout.strip()) == (0, f"{len(LINES)} events are right; nothing was imported")
    assert await ask(empty, "SELECT count(*) FROM sync_events") == [(0,)]


async def test_what_the_database_refuses_is_narrowed_down(empty: str, tmp_path: Path) -> None:
    """A rule that only the database knows names the line too; what came before it is imported."""
    await _refuse_version(empty, LINES[9])
    (tmp_path / "refused.jsonl").write_bytes(b"".join(LINES))

    done = await audit(empty, "import", "refused.jsonl", cwd=tmp_path)

    assert done.returncode == 1
    assert "line 10: the database refuses it" in done.stderr
    assert await ask(empty, "SELECT count(*) FROM sync_events") == [(9,)]


async def _refuse_version(url: str, line: bytes) -> None:
    change_id = json.loads(line)["change_id"]
    await ask(url, f"ALTER TABLE sync_events ADD CONSTRAINT told_to CHECK (id <> '{change_id}')")


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


async def test_sample_data_fill_an_empty_trail(empty: str, tmp_path: Path) -> None:
    """A trail that holds sessions gets them only if that is said."""
    done = await audit(empty, "sample", "--sessions", "12", cwd=tmp_path)
    refused = await audit(empty, "sample", cwd=tmp_path)
    beside = await audit(empty, "sample", "--sessions", "3", "--seed", "1", "--beside", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "of 12 sessions" in done.stdout
    assert (refused.returncode, beside.returncode) == (1, 0)
    assert "--beside" in refused.stderr
    found = await ask(empty, "SELECT count(*), count(*) FILTER (WHERE completed_at IS NULL) FROM sync_sessions")
    assert found == [(15, 0)]


async def test_an_export_is_its_owners_and_follows_no_link(filled: str, tmp_path: Path) -> None:
    """Whatever the umask says, and whatever lies under its name or the one it had while it was written."""
    folder = tmp_path / "out"
    folder.mkdir()
    victim = tmp_path / "victim"
    for name in ("x", "x.part"):
        (folder / name).symlink_to(victim)
    victim.write_text("precious")
    umask = os.umask(0)
    try:
        done = await audit(filled, "export", "--output", "out/x", cwd=tmp_path)
        pipe = await audit(filled, "export", "--output", "/dev/null", cwd=tmp_path)
    finally:
        os.umask(umask)

    assert done.returncode == 0, done.stderr
    assert victim.read_text() == "precious"
    assert (folder / "x").lstat().st_mode == stat.S_IFREG | 0o600
    assert (folder / "x").read_bytes() == b"".join(LINES)
    assert sorted(os.listdir(folder)) == ["x", "x.part"]
    assert pipe.returncode == 1
    assert "is no file" in pipe.stderr


async def test_an_export_that_fails_leaves_no_file(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """Without tables there is nothing to export, and no half of a file that looks like one."""
    async with own_database(postgres_server) as url:
        done = await audit(url, "export", "--output", "half.jsonl", cwd=tmp_path)

    assert done.returncode == 1
    assert "synckairos migrate up" in done.stderr
    assert os.listdir(tmp_path) == []


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
