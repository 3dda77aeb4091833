"""Backup and restore, with exactly the commands that docs/operations.md gives."""

import datetime as dt
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.adapters.postgres.schema.partitions import ensure_partitions
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer
from synckairos.devstack.discovery import find_postgres
from testing.harness.processes.commands import Finished, run_command
from testing.harness.processes.databases import ask, own_database, run_sql, write_events
from testing.harness.processes.warm_commands import program

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
SECTION = PAGE.split("\n## Backup and restore\n")[1].split("\n## ")[0]
BACK_UP, RESTORE, CHECK = re.findall(r"```bash\n(.*?)```", SECTION, re.DOTALL)
NOW = dt.datetime.now(dt.UTC)
ROLE = "trail_role"


@pytest.fixture
async def trail(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The URL of a database with rows in every table, in partitions and in the DEFAULT one.

    Its role may do what the page on the schema asks for, and no more: create in a database that exists.
    """
    async with own_database(postgres_server) as owned:
        await run_sql(
            owned,
            f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'",
            f'GRANT CREATE ON DATABASE "{owned.rsplit("/", 1)[1]}" TO {ROLE}',
            f"GRANT CREATE ON SCHEMA public TO {ROLE}",
        )
        parts = urlsplit(owned)
        url = parts._replace(netloc=f"{ROLE}:{ROLE}@{parts.netloc.rpartition('@')[2]}").geturl()
        await apply_migrations(url, migrations_folder())
        connection = await asyncpg.connect(url)
        await ensure_partitions(connection)
        for _ in range(20):
            await write_events(connection, [NOW, NOW - dt.timedelta(days=400), NOW + dt.timedelta(days=45)])
        await connection.close()
        yield url
        await run_sql(postgres_server.url, "DROP DATABASE IF EXISTS audit_restored WITH (FORCE)")
    await run_sql(postgres_server.url, f"DROP ROLE {ROLE}")


@pytest.fixture
def admin(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's ADMIN_URL."""
    monkeypatch.setenv("ADMIN_URL", postgres_server.url)


async def run(script: str, url: str, folder: Path) -> Finished:
    """Run a block of the page as it stands."""
    programs = f"{program().parent}:{find_postgres().path}"
    restored = url.rsplit("/", 1)[0] + "/audit_restored"
    done = await run_command(
        "bash", "-ec", f"export PATH={programs}:$PATH\n{script}",
        cwd=folder, SYNCKAIROS_DATABASE_URL=url, RESTORED_URL=restored,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


async def content(url: str) -> dict[str, list[str]]:
    """Return every row of every table, partitions by their own name, as text."""
    names = await ask(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return {
        str(name): [str(row) for (row,) in await ask(url, f'SELECT to_jsonb(t)::text FROM "{name}" AS t ORDER BY 1')]
        for (name,) in names
    }


@pytest.mark.usefixtures("admin")
async def test_what_is_restored_is_what_was_backed_up(trail: str, tmp_path: Path) -> None:
    """Row by row, in the same partitions; what comes after the dump is not in it, and the restored trail works."""
    before = await content(trail)

    await run(BACK_UP, trail, tmp_path)
    connection = await asyncpg.connect(trail)
    await write_events(connection, [NOW])
    await connection.close()
    await run(RESTORE, trail, tmp_path)
    checked = await run(CHECK, trail, tmp_path)
    restored = trail.rsplit("/", 1)[0] + "/audit_restored"
    after = await content(restored)

    assert after == before
    assert sum(len(rows) for name, rows in before.items() if name.startswith("sync_events_")) == 60
    assert before["sync_events_default"]
    assert "go together with the database" in checked.stdout
    lines = [line.split("|")[:3] for line in checked.stdout.splitlines() if "|" in line]
    assert lines == [["21", "21", "61"], ["20", "20", "60"]]

    connection = await asyncpg.connect(restored)
    assert await ensure_partitions(connection) == []
    assert await write_events(connection, [NOW]) == 1
    await connection.close()


async def test_a_restore_into_a_database_that_is_not_empty_changes_nothing(
    trail: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """One transaction: the first table that is there already undoes everything before it."""
    await run(BACK_UP, trail, tmp_path)
    await run_sql(postgres_server.url, f"CREATE DATABASE audit_restored OWNER {ROLE}")
    restored = trail.rsplit("/", 1)[0] + "/audit_restored"
    await run_sql(restored, "CREATE TABLE sync_sessions (mine int)")
    (only_restore,) = [line for line in RESTORE.splitlines() if line.startswith("pg_restore")]

    with pytest.raises(AssertionError, match="already exists"):
        await run(only_restore, trail, tmp_path)

    assert await content(restored) == {"sync_sessions": []}
