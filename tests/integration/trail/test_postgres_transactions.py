"""Transactions against a real PostgreSQL: all or nothing, whichever side dies at any moment."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from synckairos.adapters.postgres.database import Database, LentConnection, Statement
from synckairos.adapters.postgres.errors import Conflicted, ConnectionFailed, ConstraintViolated, ReadOnlyDatabase
from synckairos.adapters.postgres.options import DatabaseOptions
from synckairos.devstack import PostgresServer
from testing.harness.processes.databases import ask, run_sql
from testing.harness.processes.tcp_proxy import TcpProxy

ONE = Statement("one", "SELECT 1")
PID = Statement("pid", "SELECT pg_backend_pid()")
ADD = Statement("add", "INSERT INTO kept VALUES ($1)")
COUNT = Statement("count", "SELECT count(*) FROM kept")


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[Database]:
    """Connections, opened as they are needed."""
    database = Database(DatabaseOptions(postgres_server.url, pool_min=0))
    yield database
    await database.close()


@pytest.fixture(autouse=True)
async def table(postgres_server: PostgresServer) -> AsyncIterator[None]:
    """A table `kept` of positive numbers, each once."""
    await run_sql(postgres_server.url, "CREATE TABLE kept (number int PRIMARY KEY CHECK (number > 0))")
    yield
    await run_sql(postgres_server.url, "DROP TABLE kept")


async def kept(server: PostgresServer) -> list[object]:
    """Return the numbers that are in the table."""
    return [number for (number,) in await ask(server.url, "SELECT number FROM kept ORDER BY number")]


async def add(database: Database, *numbers: int, then: Exception | None = None) -> None:
    """Add numbers in one transaction, and raise at its end if asked."""
    async with database.transaction() as connection:
        for number in numbers:
            await connection.fetch(ADD, number)
        if then:
            raise then


async def pid_of(connection: Database | LentConnection) -> object:
    """Return the backend that a statement runs on."""
    ((pid,),) = await connection.fetch(PID)
    return pid


async def kill(server: PostgresServer, pid: object) -> None:
    """End a backend, and wait until it has gone."""
    await ask(server.url, "SELECT pg_terminate_backend($1, 5000)", pid)


async def test_what_ends_well_is_kept(postgres_server: PostgresServer, database: Database) -> None:
    """All of it."""
    await add(database, 1, 2)

    assert await kept(postgres_server) == [1, 2]


@pytest.mark.parametrize(
    ("numbers", "then", "error"), [((1,), KeyError("ours"), KeyError), ((1, -1), None, ConstraintViolated)]
)
async def test_what_raises_leaves_nothing(
    postgres_server: PostgresServer,
    database: Database,
    numbers: tuple[int, ...],
    then: Exception | None,
    error: type[Exception],
) -> None:
    """Whether it is the database that raises or the body; the connection stays."""
    pid = await pid_of(database)

    with pytest.raises(error):
        await add(database, *numbers, then=then)

    assert await kept(postgres_server) == []
    assert await pid_of(database) == pid


async def test_a_kept_connection_that_is_dead_costs_nothing(
    postgres_server: PostgresServer, database: Database
) -> None:
    """Nothing has happened in it yet: another one takes its place."""
    await kill(postgres_server, await pid_of(database))

    await add(database, 1)

    assert await kept(postgres_server) == [1]


async def test_one_that_died_unnoticed_costs_nothing_either(postgres_server: PostgresServer) -> None:
    """Cut behind a proxy before this side has heard of it, in a pool of one."""
    async with TcpProxy("127.0.0.1", postgres_server.port) as proxy:
        url = postgres_server.url.replace(f":{postgres_server.port}", f":{proxy.port}")
        database = Database(DatabaseOptions(url, pool_min=0, pool_max=1))
        await database.fetch(ONE)
        proxy.cut()

        await add(database, 1)

        assert await kept(postgres_server) == [1]
        await database.close()


async def test_one_that_dies_at_work_is_told(postgres_server: PostgresServer, database: Database) -> None:
    """Nothing of the transaction stays, and the next one works."""

    async def dying() -> None:
        async with database.transaction() as connection:
            await connection.fetch(ADD, 1)
            await kill(postgres_server, await pid_of(connection))
            await connection.fetch(ADD, 2)

    with pytest.raises(ConnectionFailed):
        await dying()

    await add(database, 3)
    assert await kept(postgres_server) == [3]


async def test_a_swallowed_failure_is_not_taken_for_a_commit(database: Database) -> None:
    """PostgreSQL answers a COMMIT after a failure with a rollback, and no error."""

    async def careless() -> None:
        async with database.transaction() as connection:
            with pytest.raises(ConstraintViolated):
                await connection.fetch(ADD, -1)

    with pytest.raises(Conflicted):
        await careless()


async def test_a_reading_transaction_sees_one_moment(postgres_server: PostgresServer, database: Database) -> None:
    """What others commit meanwhile is not seen."""
    async with database.transaction(reading=True) as connection:
        before = await connection.fetch(COUNT)
        await run_sql(postgres_server.url, "INSERT INTO kept VALUES (5)")
        after = await connection.fetch(COUNT)

    assert [tuple(row) for row in (*before, *after)] == [(0,), (0,)]


async def test_a_reading_transaction_cannot_write(database: Database) -> None:
    """The database itself sees to that."""

    async def writing() -> None:
        async with database.transaction(reading=True) as connection:
            await connection.fetch(ADD, 6)

    with pytest.raises(ReadOnlyDatabase):
        await writing()


async def test_a_cancelled_one_is_rolled_back(postgres_server: PostgresServer, database: Database) -> None:
    """And its connection is not given to the next user."""
    reached = asyncio.Event()
    pid = await pid_of(database)

    async def waiting() -> None:
        async with database.transaction() as connection:
            await connection.fetch(ADD, 1)
            reached.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(waiting())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await add(database, 2)
    assert await kept(postgres_server) == [2]
    assert await pid_of(database) != pid


async def test_a_transaction_left_open_is_not_passed_on(postgres_server: PostgresServer, database: Database) -> None:
    """Its connection is closed, which rolls it back."""
    await database.fetch(Statement("begin", "BEGIN"))

    await add(database, 2)

    assert await kept(postgres_server) == [2]


async def test_closing_cuts_off_what_is_in_use(postgres_server: PostgresServer, database: Database) -> None:
    """And nothing is opened any more."""

    async def cut_off() -> None:
        async with database.transaction() as connection:
            await connection.fetch(ADD, 1)
            await database.close()
            await connection.fetch(ADD, 2)

    with pytest.raises(ConnectionFailed):
        await cut_off()

    assert await kept(postgres_server) == []
    assert await database.problem()
