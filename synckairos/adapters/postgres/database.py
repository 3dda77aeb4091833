"""The database as the rest sees it: named statements, transactions, health.

A statement is known by its name in logs and errors; its values never appear there, nor does the URL.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import structlog

from synckairos.adapters.postgres.errors import (
    Conflicted,
    ConnectionFailed,
    DatabaseUnavailable,
    NoAnswer,
    naming_errors,
)
from synckairos.adapters.postgres.options import DatabaseOptions
from synckairos.adapters.postgres.pool import PostgresPool
from synckairos.application.errors import AuditUnavailable

if TYPE_CHECKING:
    from asyncpg import Record as Row

    from synckairos.adapters.postgres.pool import Connection

_T = TypeVar("_T")

_log = structlog.get_logger(__name__)


class Statement(NamedTuple):
    """SQL and the name it goes by."""

    name: str
    sql: str


PING: Final = Statement("ping", "SELECT 1")
BEGIN: Final = Statement("begin", "BEGIN")
BEGIN_READING: Final = Statement("begin reading", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
BEGIN_PAGING: Final = Statement("begin paging", BEGIN_READING.sql + "; SET LOCAL enable_sort = off")
COMMIT: Final = Statement("commit", "COMMIT")
ROLLBACK: Final = Statement("rollback", "ROLLBACK")


class LentConnection:
    """A connection lent for one use: runs named statements on it."""

    def __init__(self, connection: "Connection", slow_ms: int) -> None:
        self._connection = connection
        self._slow_ms = slow_ms

    async def fetch(self, statement: Statement, *values: object) -> "list[Row]":
        """Return the rows; raises a named error."""
        with self._observed(statement):
            return await self._connection.fetch(statement.sql, *values)

    async def execute(self, statement: Statement) -> str:
        """Run a statement without values and return what the server says it has done; raises a named error."""
        with self._observed(statement):
            return await self._connection.execute(statement.sql)

    @contextmanager
    def _observed(self, statement: Statement) -> Iterator[None]:
        started = time.perf_counter()
        is_done = False
        try:
            with naming_errors(statement.name):
                yield
            is_done = True
        finally:
            ms = (time.perf_counter() - started) * 1_000
            if self._slow_ms and ms >= self._slow_ms:
                _log.warning("slow_query", statement=statement.name, ms=round(ms, 1), done=is_done)


class Database:
    """One database for one process; belongs to the event loop that uses it first.

    It connects at the first use, and again whenever it has to: a database that is down fails its callers and nothing
    else.
    """

    def __init__(self, options: DatabaseOptions) -> None:
        self._options = options
        self._pool = PostgresPool(options)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def lent(self) -> int:
        """Connections in use now."""
        return self._pool.lent

    @property
    def limit(self) -> int:
        """Connections at most."""
        return self._options.pool_max

    @asynccontextmanager
    async def transaction(self, *, reading: bool = False, paging: bool = False) -> AsyncIterator[LentConnection]:
        """Lend a connection inside a transaction: committed at the end, rolled back if the body raises.

        With `reading` all statements see the same moment and none can write. With `paging`, moreover, rows that an
        index has in order are read along it, whatever the planner guesses. A kept connection that turns out dead is
        replaced before anything has happened. Raises named errors; one at the commit leaves its outcome unknown.
        """
        begin = BEGIN_PAGING if paging else BEGIN_READING if reading else BEGIN
        async with AsyncExitStack() as stack:
            connection, _ = await self._lend(stack, lambda connection: connection.execute(begin))
            try:
                yield connection
            except Exception:
                # Without a round trip for a body that was cancelled: closing the connection rolls back as well.
                with suppress(DatabaseUnavailable):
                    await connection.execute(ROLLBACK)
                raise
            if await connection.execute(COMMIT) != "COMMIT":
                raise Conflicted("the transaction could not be committed: a statement in it had failed")

    async def fetch(self, statement: Statement, *values: object) -> "list[Row]":
        """Return the rows of a statement that is safe to repeat: a kept connection that turns out dead is replaced."""
        async with AsyncExitStack() as stack:
            _, rows = await self._lend(stack, lambda connection: connection.fetch(statement, *values))
            return rows

    async def _lend(
        self, stack: AsyncExitStack, first: Callable[[LentConnection], Awaitable[_T]]
    ) -> tuple[LentConnection, _T]:
        """Lend a connection until the stack ends, after `first`, which may run again, has succeeded on it."""
        self._own_loop()
        kept = self._pool.kept
        while True:
            try:
                async with AsyncExitStack() as attempt:
                    lent = await attempt.enter_async_context(self._pool.lend())
                    connection = LentConnection(lent, self._options.slow_ms)
                    answer = await first(connection)
                    await stack.enter_async_context(attempt.pop_all())
                    return connection, answer
            except ConnectionFailed as error:
                if not kept or isinstance(error, NoAnswer):
                    raise
                kept -= 1

    def _own_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise RuntimeError("a Database belongs to one event loop: open another one for another loop")

    async def problem(self) -> str:
        """Return why the database does not answer within the time for connecting, empty if it does; never raises."""
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                await self.fetch(PING)
        except AuditUnavailable as error:
            return str(error)
        except TimeoutError:
            return "the database did not answer in time"
        return ""

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()
