"""The connection layer against a real PostgreSQL that goes, comes back, hangs and is slow."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from synckairos.adapters.postgres.database import Database, Statement
from synckairos.adapters.postgres.errors import (
    ConnectionFailed,
    DatabaseMissing,
    LoginRefused,
    OutOfResources,
    StatementTimedOut,
)
from synckairos.adapters.postgres.options import DatabaseOptions, database_options
from synckairos.devstack import PostgresServer
from synckairos.settings import load_settings
from testing.harness.processes.databases import ask, run_sql
from testing.harness.processes.tcp_proxy import TcpProxy
from testing.harness.waiting import eventually

ONE = Statement("one", "SELECT 1")
PID = Statement("pid", "SELECT pg_backend_pid()")
SLEEP = Statement("sleep", "SELECT pg_sleep($1)")
SHOW = Statement("show", "SELECT current_setting($1)")
SECRET = "p4ssw0rd"


def options(server: PostgresServer, **fields: Any) -> DatabaseOptions:
    """Return options for the server's own database."""
    return DatabaseOptions(server.url, pool_min=0)._replace(**fields)


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[Database]:
    """Connections with short times."""
    database = Database(options(postgres_server, statement_timeout_s=0.5, connect_timeout_s=5.0, slow_ms=50))
    yield database
    await database.close()


def by(proxy: TcpProxy, server: PostgresServer) -> str:
    """Return the server's URL by way of a proxy."""
    return server.url.replace(f":{server.port}", f":{proxy.port}")


async def is_up(database: Database) -> bool:
    """Whether the database answers."""
    return not await database.problem()


async def connections(server: PostgresServer, name: str) -> set[object]:
    """Return the backends of the connections of this name."""
    found = await ask(server.url, "SELECT pid FROM pg_stat_activity WHERE application_name = $1", name)
    return {pid for (pid,) in found}


async def one_is_left(server: PostgresServer, name: str) -> bool:
    """Whether one connection of this name is open."""
    return len(await connections(server, name)) == 1


async def pid_of(database: Database) -> object:
    """Return the backend of the connection that the next statement runs on."""
    ((pid,),) = await database.fetch(PID)
    return pid


async def kill(server: PostgresServer, pid: object) -> None:
    """End a backend and wait until it has gone."""
    await ask(server.url, "SELECT pg_terminate_backend($1, 5000)", pid)


async def test_it_connects_when_it_is_first_used(postgres_server: PostgresServer) -> None:
    """Not before; with the name, the schema and the settings it was given."""
    database = Database(options(postgres_server, application_name="first use"))
    assert not await connections(postgres_server, "first use")

    settings = {name: (await database.fetch(SHOW, name))[0][0] for name in ("application_name", "search_path", "jit")}

    assert settings == {"application_name": "first use", "search_path": "public", "jit": "off"}
    assert len(await connections(postgres_server, "first use")) == 1
    await database.close()


@pytest.mark.parametrize("pool_min", [0, 2])
async def test_a_database_that_is_down_stops_nobody(server_directory: Path, pool_min: int) -> None:
    """Health says so, calls fail by name, and all of it works once the database is there: no restart, no reopening."""
    server = PostgresServer(server_directory / "postgres")
    server.start()
    server.stop()
    database = Database(options(server, pool_min=pool_min, connect_timeout_s=1.0))
    try:
        down = await database.problem()
        with pytest.raises(ConnectionFailed):
            await database.fetch(ONE)

        server.start()
        await eventually(lambda: is_up(database), seconds=30)
        up = await database.problem()

        assert "cannot be reached" in down
        assert up == ""
    finally:
        await database.close()
        server.stop()
        server.wipe()


@pytest.mark.parametrize("pool_min", [0, 2])
async def test_attempts_are_spaced_out_while_it_is_down(pool_min: int) -> None:
    """A hundred calls in a row do not connect a hundred times."""
    attempts = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        database = Database(DatabaseOptions(f"postgresql://nobody@127.0.0.1:{port}/none", pool_min=pool_min))
        for _ in range(100):
            assert await database.problem()
        await database.close()

    assert 1 <= attempts < 20


async def test_a_killed_backend_costs_a_read_nothing(postgres_server: PostgresServer, database: Database) -> None:
    """The kept connection is dead: the read, being safe to repeat, is asked on a new one."""
    pid = await pid_of(database)
    await kill(postgres_server, pid)

    assert await pid_of(database) != pid


async def test_a_connection_that_died_unnoticed_costs_a_read_nothing(postgres_server: PostgresServer) -> None:
    """Cut behind a proxy before this side has heard of it, and so were the other kept ones."""
    async with TcpProxy("127.0.0.1", postgres_server.port) as proxy:
        database = Database(options(postgres_server, url=by(proxy, postgres_server)))
        async with database.transaction(), database.transaction():
            pass
        proxy.cut()

        assert [tuple(row) for row in await database.fetch(ONE)] == [(1,)]
        await database.close()


async def test_a_database_that_falls_silent_at_work_is_given_up(postgres_server: PostgresServer) -> None:
    """A bit after the time a statement may take; and that connection is not used again."""
    async with TcpProxy("127.0.0.1", postgres_server.port) as proxy:
        database = Database(options(postgres_server, url=by(proxy, postgres_server), statement_timeout_s=0.5))
        pid = await pid_of(database)
        proxy.blackhole = True

        with pytest.raises(ConnectionFailed, match="in time"):
            await database.fetch(ONE)

        proxy.blackhole = False
        assert await pid_of(database) != pid
        await database.close()


async def test_a_statement_may_not_take_for_ever(database: Database) -> None:
    """The database itself cancels it; the connection stays good."""
    pid = await pid_of(database)
    with pytest.raises(StatementTimedOut):
        await database.fetch(SLEEP, 10.0)

    assert await pid_of(database) == pid


async def test_the_pool_is_bounded_and_waiting_too(postgres_server: PostgresServer) -> None:
    """A caller that finds all connections in use waits for the connect timeout, and is then told why."""
    database = Database(options(postgres_server, pool_max=2, connect_timeout_s=1.0, application_name="bounded"))
    async with database.transaction(), database.transaction():
        with pytest.raises(OutOfResources, match="in use"):
            await database.fetch(ONE)

    await database.fetch(ONE)
    assert len(await connections(postgres_server, "bounded")) == 2
    await database.close()


async def test_idle_connections_are_closed_but_for_the_least(postgres_server: PostgresServer) -> None:
    """Four were needed at once, one is kept."""
    name = "idlers"
    database = Database(options(postgres_server, pool_min=1, idle_timeout_s=0.1, application_name=name))
    async with database.transaction(), database.transaction(), database.transaction(), database.transaction():
        assert len(await connections(postgres_server, name)) == 4

    await eventually(lambda: one_is_left(postgres_server, name), seconds=30)
    (kept,) = await connections(postgres_server, name)
    assert await pid_of(database) == kept
    await database.close()


async def test_the_least_is_restored_in_the_background(postgres_server: PostgresServer) -> None:
    """A kept connection that died is replaced before anybody asks."""
    database = Database(options(postgres_server, pool_min=1, application_name="restored"))
    pid = await pid_of(database)
    await kill(postgres_server, pid)

    await eventually(lambda: one_is_left(postgres_server, "restored"), seconds=30)

    assert await pid_of(database) != pid
    await database.close()


async def test_a_database_that_hangs_is_given_up_again_and_again(postgres_server: PostgresServer) -> None:
    """Callers at once share an attempt to open the pool; each fails within the timeout, and it works afterwards."""
    async with TcpProxy("127.0.0.1", postgres_server.port) as proxy:
        proxy.blackhole = True
        url = by(proxy, postgres_server)
        database = Database(options(postgres_server, url=url, pool_min=2, pool_max=5, connect_timeout_s=1.0))

        with pytest.raises(ConnectionFailed, match="in time"):
            await database.fetch(ONE)
        async with asyncio.timeout(3):
            problems = await asyncio.gather(*(database.problem() for _ in range(5)))
        assert all(problems)

        proxy.blackhole = False
        await eventually(lambda: is_up(database), seconds=30)
        await database.close()


async def test_a_slow_statement_is_logged_by_name(database: Database) -> None:
    """Without its values; a fast one is not logged."""
    slow = Statement("slow one", "SELECT pg_sleep(0.06), $1::text")

    with capture_logs() as logs:
        await database.fetch(ONE)
        await database.fetch(slow, SECRET)

    told = {entry["statement"]: entry for entry in logs if entry["event"] == "slow_query"}
    entry = told.pop("slow one")
    assert all(one["ms"] >= 50 for one in told.values()), "on a busy machine the other one may be slow, too"
    assert (entry["statement"], entry["log_level"], entry["done"]) == ("slow one", "warning", True)
    assert entry["ms"] >= 60
    assert SECRET not in str(logs)


async def test_no_error_tells_a_secret(postgres_server: PostgresServer) -> None:
    """A wrong database, a wrong server: neither text nor log has the password."""
    address = f"127.0.0.1:{postgres_server.port}"
    with capture_logs() as logs:
        for url, error in (
            (f"postgresql://synckairos:{SECRET}@{address}/missing", DatabaseMissing),
            (f"postgresql://stranger:{SECRET}@{address}/synckairos", LoginRefused),
            (f"postgresql://synckairos:{SECRET}@127.0.0.1:1/synckairos", ConnectionFailed),
        ):
            database = Database(DatabaseOptions(url))
            with pytest.raises(error) as raised:
                await database.fetch(ONE)
            assert SECRET not in str(raised.value)
            assert SECRET not in await database.problem()
            await database.close()

    assert SECRET not in str(logs)


@pytest.mark.parametrize("wrong", ["?work_mem=plenty", "?application_name=a&DateStyle=backwards"])
async def test_a_refused_connection_is_not_the_fault_of_data(postgres_server: PostgresServer, wrong: str) -> None:
    """The server says so with the SQLSTATE of bad values, and no event must be thrown away for that."""
    database = Database(options(postgres_server, url=postgres_server.url + wrong))

    with pytest.raises(ConnectionFailed, match="22023"):
        await database.fetch(ONE)

    await database.close()


async def test_the_reason_stays_the_same_while_nobody_tries(postgres_server: PostgresServer) -> None:
    """Callers between two attempts are told what the last one met."""
    database = Database(options(postgres_server, url=postgres_server.url + "nowhere"))

    for _ in range(3):
        with pytest.raises(DatabaseMissing, match="3D000"):
            await database.fetch(ONE)

    await database.close()


async def test_it_belongs_to_one_loop(database: Database) -> None:
    """Connections of another loop would hang: this is said instead."""
    await database.fetch(ONE)

    def elsewhere() -> None:
        asyncio.run(database.fetch(ONE))  # type: ignore[arg-type] # a coroutine

    with pytest.raises(RuntimeError, match="one event loop"):
        await asyncio.to_thread(elsewhere)


async def test_a_database_given_in_parts_is_reached(postgres_server: PostgresServer) -> None:
    """Whatever characters the role, its password and the database have."""
    strange = "a@b:c/d?e#f%20 g"
    place = urlsplit(postgres_server.url)
    await run_sql(postgres_server.url, f"CREATE ROLE \"{strange}\" LOGIN PASSWORD '{strange}'")
    await run_sql(postgres_server.url, f'CREATE DATABASE "{strange}" OWNER "{strange}"')
    given = load_settings(
        database_host=place.hostname, database_port=place.port,
        database_user=strange, database_password=strange, database_name=strange,
    )  # fmt: skip
    database = Database(database_options(given))
    try:
        found = await database.fetch(Statement("who", "SELECT current_user, current_database()"))
    finally:
        await database.close()
        await run_sql(postgres_server.url, f'DROP DATABASE "{strange}"')
        await run_sql(postgres_server.url, f'DROP ROLE "{strange}"')

    assert [tuple(row) for row in found] == [(strange, strange)]
