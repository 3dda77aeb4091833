"""The database as the rest sees it: named statements, transactions, health and statistics.

A statement is known by its name in logs and errors; its values never appear there, nor does the URL.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

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
    import asyncpg

    # Generic for the type checker alone.
    Connection = asyncpg.Connection[asyncpg.Record]
    Row = asyncpg.Record

_log = structlog.get_logger(__name__)


class Statement(NamedTuple):
    """SQL and the name it goes by."""

    name: str
    sql: str


PING: Final = Statement("ping", "SELECT current_setting('server_version')")
BEGIN: Final = Statement("begin", "BEGIN")
BEGIN_READING: Final = Statement("begin reading", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
BEGIN_PAGING: Final = Statement("begin paging", BEGIN_READING.sql + "; SET LOCAL enable_sort = off")
COMMIT: Final = Statement("commit", "COMMIT")
ROLLBACK: Final = Statement("rollback", "ROLLBACK")


class DatabaseHealth(NamedTuple):
    """Whether the database answers, how fast (ms), and if not, why."""

    is_up: bool
    latency_ms: float = 0.0
    server_version: str = ""
    problem: str = ""


class DatabaseStatistics(NamedTuple):
    """What the pool and its statements did since the start; `statements` counts by name."""

    in_use: int
    idle: int
    waiting: int
    pool_max: int
    opened: int
    connect_failures: int
    slow: int
    failed: int
    statements: dict[str, int]


class Session:
    """A connection lent to one user: runs named statements on it."""

    def __init__(self, connection: "Connection", database: "Database") -> None:
        self._connection = connection
        self._database = database

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
            self._database.note(statement, (time.perf_counter() - started) * 1_000, is_done=is_done)


class Database:
    """One database for one process; belongs to the event loop that uses it first.

    It connects when it is first used, and again whenever it has to: a database that is down fails those who ask, and
    nothing else.
    """

    def __init__(self, options: DatabaseOptions) -> None:
        self._options = options
        self._pool = PostgresPool(options)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._statements: Counter[str] = Counter()
        self._slow = 0
        self._failed = 0

    @asynccontextmanager
    async def session(self, *, fresh: bool = False) -> AsyncIterator[Session]:
        """Lend a connection, a new one if asked, without a transaction around it; raises a named AuditUnavailable."""
        self._own_loop()
        async with self._pool.lease(fresh=fresh) as lease:
            yield Session(lease.connection, self)

    @asynccontextmanager
    async def transaction(self, *, reading: bool = False, paging: bool = False) -> AsyncIterator[Session]:
        """Lend a connection inside a transaction: committed at the end, rolled back if the body raises.

        With `reading` all statements see the same moment and none can write. With `paging`, moreover, rows that an
        index has in order are read along it, whatever the planner guesses. A kept connection that turns out dead is
        replaced before anything has happened. Raises named errors; one at the commit leaves its outcome unknown.
        """
        self._own_loop()
        async with AsyncExitStack() as stack:
            session = await self._begin(stack, BEGIN_PAGING if paging else BEGIN_READING if reading else BEGIN)
            try:
                yield session
            except Exception:
                # Without a round trip for a body that was cancelled: closing the connection rolls back as well.
                with suppress(DatabaseUnavailable):
                    await session.execute(ROLLBACK)
                raise
            if await session.execute(COMMIT) != "COMMIT":
                raise Conflicted("the transaction could not be committed: a statement in it had failed")

    async def fetch(self, statement: Statement, *values: object) -> "list[Row]":
        """Return the rows of a statement that is safe to repeat: it is, once, if a kept connection turns out dead."""
        self._own_loop()
        is_fresh = True
        try:
            async with self._pool.lease() as lease:
                is_fresh = lease.is_fresh
                return await Session(lease.connection, self).fetch(statement, *values)
        except ConnectionFailed as error:
            if is_fresh or isinstance(error, NoAnswer):
                raise
        self._pool.forget_idle()
        async with self.session(fresh=True) as session:
            return await session.fetch(statement, *values)

    async def _begin(self, stack: AsyncExitStack, begin: Statement) -> Session:
        lease = await stack.enter_async_context(self._pool.lease())
        try:
            session = Session(lease.connection, self)
            await session.execute(begin)
        except ConnectionFailed as error:
            if lease.is_fresh or isinstance(error, NoAnswer):
                raise
            lease.connection.terminate()
            await stack.aclose()
        else:
            return session
        self._pool.forget_idle()
        lease = await stack.enter_async_context(self._pool.lease(fresh=True))
        session = Session(lease.connection, self)
        await session.execute(begin)
        return session

    def _own_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise RuntimeError("a Database belongs to one event loop: open another one for another loop")

    async def health(self) -> DatabaseHealth:
        """Ask the database whether it is there, for as long as connecting may take; never raises."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                ((version,),) = await self.fetch(PING)
        except AuditUnavailable as error:
            return DatabaseHealth(is_up=False, problem=str(error))
        except TimeoutError:
            return DatabaseHealth(is_up=False, problem="the database did not answer in time")
        return DatabaseHealth(True, (time.perf_counter() - started) * 1_000, str(version))

    def statistics(self) -> DatabaseStatistics:
        """Return what has been counted."""
        pool = self._pool
        return DatabaseStatistics(
            in_use=pool.in_use,
            idle=pool.idle,
            waiting=pool.waiting,
            pool_max=self._options.pool_max,
            opened=pool.opened,
            connect_failures=pool.failed,
            slow=self._slow,
            failed=self._failed,
            statements=dict(self._statements),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    def note(self, statement: Statement, ms: float, *, is_done: bool) -> None:
        """Count a statement, and log it if it was slow."""
        self._statements[statement.name] += 1
        self._failed += not is_done
        if self._options.slow_ms and ms >= self._options.slow_ms:
            self._slow += 1
            _log.warning("slow_query", statement=statement.name, ms=round(ms, 1), done=is_done)
