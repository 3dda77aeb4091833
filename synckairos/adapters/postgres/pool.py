"""asyncpg's pool, opened at the first use and closed with deadlines."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import asyncpg

from synckairos.adapters.postgres.connection import open_connection
from synckairos.adapters.postgres.errors import (
    LOST,
    ConnectionFailed,
    DatabaseUnavailable,
    OutOfResources,
    named_error,
    naming_errors,
)
from synckairos.adapters.postgres.options import DatabaseOptions

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    from synckairos.adapters.postgres.connection import OwnConnection

    # Generic for the type checker alone.
    Connection = PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]

BACKOFF_S: Final = (0.1, 2.0)
"""Pause after a failed attempt to connect: the first, and the longest it doubles up to."""
MARGIN_S: Final = 2.0
"""Time the server has, beyond a statement's own, to say that it gave up."""
MAX_QUERIES: Final = 2**31
"""Queries after which asyncpg replaces a connection: never, since it would wait for a silent server to close it."""


class PostgresPool:
    """Up to `pool_max` connections; those unused for the idle time are closed, except `pool_min` of them.

    Nothing connects before the first use. While the database cannot be reached, attempts are spaced out, and callers
    in between get the last problem at once.
    """

    def __init__(self, options: DatabaseOptions) -> None:
        self._options = options
        self._pool: Pool | None = None
        self._opening = asyncio.Lock()
        self._slots = asyncio.Semaphore(options.pool_max)
        self._lent: set[Connection] = set()
        self._is_closed = False
        self._failures = 0
        self._retry_at = 0.0
        self._problem: Callable[[], DatabaseUnavailable] | None = None

    @property
    def kept(self) -> int:
        """Connections open and unused."""
        return 0 if self._pool is None else self._pool.get_idle_size()

    @property
    def lent(self) -> int:
        """Connections in use now."""
        return len(self._lent)

    @asynccontextmanager
    async def lend(self) -> AsyncIterator["Connection"]:
        """Lend a connection; raises a named AuditUnavailable.

        The connection is closed instead of kept if it broke, did not answer in time or is left inside a transaction.
        """
        await self._wait_for_slot()
        try:
            pool = await self._opened()
            with naming_errors():
                connection = await pool.acquire()
            self._lent.add(connection)
            is_good = False
            try:
                yield connection
                is_good = True
            except Exception as error:
                is_good = not isinstance(error, (*LOST, TimeoutError))
                raise
            finally:
                self._lent.discard(connection)
                await _give_back(pool, connection, is_good=is_good)
        finally:
            self._slots.release()

    async def close(self) -> None:
        """Close every kept connection, and cut off those still lent."""
        self._is_closed = True
        for connection in list(self._lent):
            _terminate(connection)
        if self._pool is None:
            return
        # A close that fails or takes too long cuts off every connection.
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async with asyncio.timeout(self._options.connect_timeout_s):
                await self._pool.close()

    async def _wait_for_slot(self) -> None:
        # Not through a deadline on the pool's acquire: that would not tell a busy pool from a silent database.
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise OutOfResources("no database connection became free: all of the pool are in use") from error

    async def _opened(self) -> "Pool":
        async with self._opening:
            if self._pool is None and not self._is_closed:
                # asyncpg connects the minimum at once, and a pool that could not is of no more use.
                self._pool = await asyncpg.create_pool(
                    min_size=self._options.pool_min,
                    max_size=self._options.pool_max,
                    max_queries=MAX_QUERIES,
                    max_inactive_connection_lifetime=self._options.idle_timeout_s,
                    connect=self._connect,
                    reset=_reset_nothing,
                )
        if self._pool is None or self._is_closed:
            await self.close()
            raise ConnectionFailed("the connections to the database have been closed")
        return self._pool

    async def _connect(self, *_: object, **__: object) -> "OwnConnection":
        if self._problem is not None and time.monotonic() < self._retry_at:
            raise self._problem()
        try:
            connection = await self._open()
        except Exception as error:
            problem = _unavailable(error)
            self._note_failure(problem)
            raise problem from error
        self._failures, self._problem = 0, None
        return connection

    def _note_failure(self, problem: DatabaseUnavailable) -> None:
        self._failures += 1
        self._problem = partial(type(problem), str(problem), problem.sqlstate)
        first, longest = BACKOFF_S
        pause = min(longest, first * 2 ** min(self._failures - 1, 10))
        # Spread, so that all processes do not come back in the same instant.
        self._retry_at = time.monotonic() + pause * random.uniform(0.5, 1)  # noqa: S311 - no secret

    async def _open(self) -> "OwnConnection":
        options = self._options
        statement_ms = str(int(options.statement_timeout_s * 1_000))
        settings = {
            "application_name": options.application_name,
            "search_path": options.schema,
            "statement_timeout": statement_ms,
            "idle_in_transaction_session_timeout": statement_ms,
            "jit": "off",  # compiling takes longer than any statement here runs
        }
        patience_s = options.statement_timeout_s + MARGIN_S
        return await open_connection(
            options.url, options.tls, options.connect_timeout_s, settings, patience_s, ssh=options.ssh
        )


async def _reset_nothing(_: object) -> None:
    """Spare the round trip of a reset: no statement here changes a connection's settings."""


async def _give_back(pool: "Pool", connection: "Connection", *, is_good: bool) -> None:
    with suppress(asyncpg.InterfaceError):  # of a connection that has been closed meanwhile
        if not is_good or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
    await pool.release(connection)


def _terminate(connection: "Connection") -> None:
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


def _unavailable(error: Exception) -> DatabaseUnavailable:
    """Return why there is no connection: whatever the reason, the data are not at fault."""
    named = named_error(error)
    if isinstance(named, DatabaseUnavailable):
        return named
    return ConnectionFailed(f"no connection to the database: {named or type(error).__name__}")
