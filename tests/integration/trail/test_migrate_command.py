"""`synckairos migrate` as an operator meets it: what it prints, what it asks, and how it fails."""

import asyncio
import os
import pty
import re
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer, RedisServer
from testing.harness.processes.commands import Finished, run_command, synckairos
from testing.harness.processes.databases import ask, own_database, run_sql, tables
from testing.harness.processes.server_process import ServerProcess
from testing.harness.processes.warm_commands import program

PASSWORD = "correct-horse"


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The URL of an empty database of this test's own."""
    async with own_database(postgres_server) as url:
        yield url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two migrations, the second of which drops a table on its way back."""
    (tmp_path / "001_one.sql").write_text(
        "-- migrate:up\nCREATE TABLE one (id int);\n-- migrate:down\nDROP TABLE one;\n"
    )
    (tmp_path / "002_two.sql").write_text(
        "-- migrate:up\nCREATE TABLE two (id int);\n-- migrate:down\nDROP TABLE two;\n"
    )
    return tmp_path


async def migrate(url: str, *arguments: str, cwd: Path, **environment: str) -> Finished:
    """Run the command on a database."""
    return await synckairos(
        "migrate", *arguments, redis_url="redis://127.0.0.1:1", cwd=cwd, SYNCKAIROS_DATABASE_URL=url, **environment
    )


async def test_up_status_down_and_up(database: str, folder: Path) -> None:
    """Every step says what it did; nothing is left to do twice."""
    given = ("--folder", str(folder))
    dry = await migrate(database, "up", "--dry-run", *given, cwd=folder)
    untouched = await tables(database)
    up = await migrate(database, "up", *given, cwd=folder)
    again = await migrate(database, "up", *given, cwd=folder)
    dry_again = await migrate(database, "up", "--dry-run", *given, cwd=folder)
    status = await migrate(database, "status", *given, cwd=folder)
    down = await migrate(database, "down", *given, cwd=folder)
    after = await migrate(database, "status", *given, cwd=folder)

    assert dry.stdout.startswith("would apply: 001_one, 002_two\n\n-- 001_one.sql\nCREATE TABLE one (id int);\n")
    assert untouched == set()
    assert re.fullmatch(r"applied 001_one in \d+ ms\napplied 002_two in \d+ ms\n", up.stdout)
    assert (again.stdout, dry_again.stdout) == ("nothing to apply\n", "would apply: nothing\n")
    assert re.search(r"001_one +applied +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC +\d+ ms\n", status.stdout)
    assert status.stdout.endswith("0 of 2 not applied\n")
    assert re.fullmatch(r"drops table two with 0 rows\nundid 002_two in \d+ ms\n", down.stdout)
    assert re.search(r"002_two +pending\n1 of 2 not applied\n$", after.stdout)
    assert [done.returncode for done in (dry, up, again, dry_again, status, down, after)] == [0] * 7


async def test_down_drops_rows_only_when_told_to(database: str, folder: Path) -> None:
    """Without a terminal it cannot ask: it lists the losses and does nothing without --yes."""
    given = ("--folder", str(folder))
    await migrate(database, "up", *given, cwd=folder)
    await run_sql(database, "INSERT INTO one SELECT generate_series(1, 3)")

    dry = await migrate(database, "down", "--steps", "5", "--dry-run", *given, cwd=folder)
    refused = await migrate(database, "down", "--steps", "2", *given, cwd=folder)
    kept = await tables(database)
    agreed = await migrate(database, "down", "--steps", "2", "--yes", *given, cwd=folder)
    more = await migrate(database, "down", *given, cwd=folder)

    assert dry.stdout.startswith("would undo: 002_two, 001_one\n\n-- 002_two.sql\nDROP TABLE two;\n")
    assert "drops table one with 3 rows\n" in dry.stdout
    assert (dry.returncode, refused.returncode, agreed.returncode) == (0, 1, 0)
    assert "drops table one with 3 rows" in refused.stdout
    assert "--yes" in refused.stderr
    assert kept == {"one", "two", "schema_migrations"}
    assert await tables(database) == {"schema_migrations"}
    assert more.stdout == "nothing to undo\n"


async def test_down_asks_on_a_terminal(database: str, folder: Path) -> None:
    """No keeps everything, yes goes on."""
    await migrate(database, "up", "--folder", str(folder), cwd=folder)
    await run_sql(database, "INSERT INTO two VALUES (1)")

    no = await answer("n\n", database, folder)
    kept = await tables(database)
    yes = await answer("y\n", database, folder)

    assert (no, yes) == (1, 0)
    assert "two" in kept
    assert "two" not in await tables(database)


async def answer(text: str, url: str, folder: Path) -> int | None:
    """Run `migrate down` on a terminal, type an answer, and return the exit code."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        program(), "migrate", "down", "--folder", str(folder), cwd=folder, stdin=theirs,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "SYNCKAIROS_DATABASE_URL": url},
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, text.encode())
    async with asyncio.timeout(30):
        await process.wait()
    os.close(ours)
    return process.returncode


async def test_validate_names_every_problem(database: str, folder: Path) -> None:
    """An edited file and a missing one at once; status fails too, and up applies nothing."""
    given = ("--folder", str(folder))
    await migrate(database, "up", *given, cwd=folder)
    good = await migrate(database, "validate", *given, cwd=folder)
    text = (folder / "001_one.sql").read_text()
    (folder / "001_one.sql").write_text(text + "-- a remark\n")
    (folder / "002_two.sql").rename(folder / "003_three.sql")

    bad = await migrate(database, "validate", *given, cwd=folder)
    status = await migrate(database, "status", *given, cwd=folder)
    up = await migrate(database, "up", *given, cwd=folder)
    dry = await migrate(database, "up", "--dry-run", *given, cwd=folder)

    assert (good.returncode, good.stdout) == (0, "2 files are well formed and go together with the database\n")
    assert [done.returncode for done in (bad, status, up, dry)] == [1] * 4
    for done in (bad, up, dry):
        assert "001_one was edited after it had been applied" in done.stderr
        assert "002_two is applied, but there is no such file" in done.stderr
    assert "Traceback" not in bad.stderr + status.stderr + up.stderr + dry.stderr


async def test_validate_without_a_database_checks_the_files(folder: Path) -> None:
    """What can be checked is; a bad file is named."""
    good = await migrate("", "validate", "--folder", str(folder), cwd=folder)
    (folder / "003_three.sql").write_text("CREATE TABLE three ();")
    bad = await migrate("", "validate", "--folder", str(folder), cwd=folder)

    assert (good.returncode, bad.returncode) == (0, 1)
    assert good.stdout.startswith("2 files are well formed; without")
    assert "003_three.sql: must have one line" in bad.stderr


async def test_create_writes_the_next_file(folder: Path) -> None:
    """With its two ways; a name without letters is refused."""
    made = await migrate("", "create", "Add labels", "--folder", str(folder), cwd=folder)
    refused = await migrate("", "create", "--folder", str(folder), "!", cwd=folder)

    assert made.stdout.strip().endswith("003_add_labels.sql")
    assert "-- migrate:down" in (folder / "003_add_labels.sql").read_text()
    assert (made.returncode, refused.returncode) == (0, 1)


async def test_a_schema_for_tests_is_made_and_left_alone_by_others(database: str, tmp_path: Path) -> None:
    """The project's own files, by option and by setting."""
    apart = await migrate(database, "up", "--schema", "apart", cwd=tmp_path)
    same = await migrate(database, "status", cwd=tmp_path, SYNCKAIROS_DATABASE_SCHEMA="apart")
    public = await migrate(database, "status", cwd=tmp_path)

    assert apart.returncode == 0, apart.stderr
    count = len(list(migrations_folder().glob("*.sql")))
    assert same.stdout.endswith(f"0 of {count} not applied\n")
    assert public.stdout.endswith(f"{count} of {count} not applied\n")
    assert await tables(database) == set()
    assert "sync_events" in await tables(database, "apart")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server that asks the role `keeper` for its password."""
    directory = tmp_path_factory.mktemp("guarded")
    for folder in (directory, directory.parent):
        folder.chmod(0o711)
    with PostgresServer(directory) as server:
        asyncio.run(_guard(server.url))
        yield server
    server.wipe()


async def _guard(url: str) -> None:
    ((rules,),) = await ask(url, "SHOW hba_file")
    _prepend(Path(str(rules)), "host all keeper 127.0.0.1/32 scram-sha-256\nhost all outsider all reject\n")
    await run_sql(
        url,
        f"CREATE ROLE keeper LOGIN PASSWORD '{PASSWORD}'",
        "CREATE ROLE outsider LOGIN",
        "SELECT pg_reload_conf()",
    )


def _prepend(file: Path, text: str) -> None:
    file.write_text(text + file.read_text())


def as_keeper(server: PostgresServer, password: str, database: str = "synckairos") -> str:
    """Return the URL of a role that may connect and not much else."""
    return f"postgresql://keeper:{password}@127.0.0.1:{server.port}/{database}"


async def test_the_conditions_of_a_real_server_are_named(guarded: PostgresServer, tmp_path: Path) -> None:
    """Wrong password, not let in, no such database, no privilege, no TLS: each with its code and a remedy."""
    async with own_database(guarded) as url:
        name = url.rsplit("/", 1)[1]
        keeper = as_keeper(guarded, PASSWORD, name)
        outsider = f"postgresql://outsider@127.0.0.1:{guarded.port}/{name}"
        wrong = await migrate(as_keeper(guarded, "battery-staple"), "up", cwd=tmp_path)
        rejected = await migrate(outsider, "up", cwd=tmp_path)
        absent = await migrate(as_keeper(guarded, PASSWORD, "nowhere"), "up", cwd=tmp_path)
        barred = await migrate(keeper, "up", cwd=tmp_path)
        no_schema = await migrate(keeper, "up", "--schema", "new", cwd=tmp_path)
        no_tls = await migrate(keeper, "up", cwd=tmp_path, SYNCKAIROS_DATABASE_TLS="require")

        for done, expected in (
            (wrong, "28P01): wrong user or password"),
            (rejected, "28000): the server does not let this user in"),
            (absent, "3D000): there is no such database: create it"),
            (barred, "42501): this user has not the privilege"),
            (no_schema, "42501): this user has not the privilege"),
            (no_tls, "the server does not speak TLS"),
        ):
            assert done.returncode == 1
            assert expected in done.stderr
            assert "Traceback" not in done.stderr
            assert PASSWORD not in done.stderr
            assert "battery-staple" not in done.stderr
        assert await tables(url) == set()


async def test_what_exists_already_is_named(database: str, tmp_path: Path) -> None:
    """A table that something else made stops the file that makes it, and stays as it is."""
    await run_sql(database, "CREATE TABLE sync_sessions (mine int)", "INSERT INTO sync_sessions VALUES (1)")

    done = await migrate(database, "up", cwd=tmp_path)

    assert done.returncode == 1
    assert re.search(r"001_initial_schema\.sql: .*already exists.*42P07.*another schema with --schema", done.stderr)
    assert await ask(database, "SELECT mine FROM sync_sessions") == [(1,)]


async def test_servers_that_cannot_be_reached_are_told_apart(tmp_path: Path) -> None:
    """Nothing listens, no such host, no answer, no URL, no database named at all."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        cases = {
            "postgresql://me:s3cret@127.0.0.1:1/audit": "cannot connect to 127.0.0.1:1/audit: nothing listens there",
            "postgresql://me:s3cret@no-such-host.invalid/audit": "no such host",
            f"postgresql://me:s3cret@127.0.0.1:{port}/audit": "no answer in time",
            "mysql://me:s3cret@127.0.0.1/audit": "SYNCKAIROS_DATABASE_URL must begin with postgresql://",
            "postgresql://me:s3cret@127.0.0.1:many/audit": "SYNCKAIROS_DATABASE_URL is not a URL of PostgreSQL",
            "": "SYNCKAIROS_DATABASE_URL is not set",
        }
        limit = {"SYNCKAIROS_DATABASE_CONNECT_TIMEOUT_S": "0.5", "SYNCKAIROS_DATABASE_TLS": "disable"}
        for url, expected in cases.items():
            done = await migrate(url, "up", cwd=tmp_path, **limit)

            assert done.returncode == 1
            assert expected in done.stderr
            assert "s3cret" not in done.stderr
            assert "Traceback" not in done.stderr


async def test_make_migrate_runs_the_command() -> None:
    """The target is another name for it."""
    root = Path(__file__).parents[3]
    stamp = root / ".venv" / ".installed-runtime"

    dry = await run_command("make", "-n", "-o", str(stamp.relative_to(root)), "migrate", cwd=root)

    assert "synckairos migrate up" in dry.stdout


async def test_up_waits_for_a_database_that_is_not_there_yet(server_directory: Path, tmp_path: Path) -> None:
    """It is told once, and what passes by itself is all that is waited for."""
    was_asked = asyncio.Event()

    def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        was_asked.set()

    nobody = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = nobody.sockets[0].getsockname()[1]
    postgres = PostgresServer(server_directory / "late", port)
    up = asyncio.create_task(migrate(postgres.url, "up", "--wait", "120", cwd=tmp_path))
    await was_asked.wait()
    nobody.close()
    try:
        await asyncio.to_thread(postgres.start)
        done = await up
        found = await tables(postgres.url)
        stranger = f"postgresql://stranger@127.0.0.1:{port}/synckairos"
        wrong = await migrate(stranger, "up", "--wait", "120", cwd=tmp_path)
        missing = await migrate(f"{postgres.url}_not", "up", "--wait", "0.1", cwd=tmp_path)
    finally:
        postgres.stop()
        postgres.wipe()
    gone = await migrate(postgres.url, "up", "--wait", "0.1", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("waiting for it") == 1
    assert "sync_events" in found
    assert (wrong.returncode, missing.returncode, gone.returncode) == (1, 1, 1)
    assert "does not let this user in" in wrong.stderr
    assert "there is no such database" in missing.stderr
    assert "nothing listens there" in gone.stderr


async def test_a_server_can_migrate_before_it_serves(database: str, redis_server: RedisServer, tmp_path: Path) -> None:
    """It does not serve where that fails."""

    class MigratingServer(ServerProcess):
        @property
        def arguments(self) -> Sequence[str]:
            return (*super().arguments, "--migrate")

    with MigratingServer(redis_server.url, tmp_path / "server.log", database_url=database):
        found = await tables(database)
    without = await synckairos("serve", "--migrate", redis_url=redis_server.url, cwd=tmp_path)
    stranger = f"postgresql://stranger@{database.partition('@')[2]}"
    wrong = await synckairos(
        "serve", "--migrate", redis_url=redis_server.url, cwd=tmp_path, SYNCKAIROS_DATABASE_URL=stranger
    )

    assert "sync_events" in found
    assert (without.returncode, wrong.returncode) == (1, 1)
    assert "SYNCKAIROS_DATABASE_URL" in without.stderr
    assert "does not let this user in" in wrong.stderr
