"""`synckairos audit` as an operator meets it: exporting, importing and sample data without any server."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from synckairos.adapters.postgres.trail.lines import encode_record
from synckairos.devstack import PostgresServer
from testing.harness.audit_lives import session_id
from testing.harness.processes.commands import Finished
from testing.harness.processes.databases import ask, own_database
from tests.e2e.audit.audit_commands import LINES, RECORDS, audit


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
