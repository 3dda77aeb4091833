"""A bounded pool of asyncpg connections, kept between uses.

Ours instead of asyncpg's, which connects before it can be used at all, keeps no minimum once connections idle, and
spends a round trip after every use on resetting what nobody here changes.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import asyncpg

from synckairos.adapters.postgres.errors import LOST, ConnectionFailed, DatabaseUnavailable, OutOfResources, named_error
from synckairos.adapters.postgres.options import DatabaseOptions

if TYPE_CHECKING:
    # Generic for the type checker alone.
    Connection = asyncpg.Connection[asyncpg.Record]

BACKOFF_S: Final = (0.1, 2.0)
"""Pause after a failed attempt to connect: the first, and the longest it doubles up to."""
MARGIN_S: Final = 2.0
"""What the server has, beyond a statement's time, to say that it gave up."""


class _Kept(NamedTuple):
    connection: "Connection"
    since: float


class Lease:
    """One connection for one user at a time; `is_fresh` if it was opened for this use."""

    def __init__(self, connection: "Connection", *, is_fresh: bool) -> None:
        self.connection = connection
        self.is_fresh = is_fresh


class PostgresPool:
    """Up to `pool_max` connections; those unused for the idle time are closed, but for `pool_min` of them.

    Nothing connects before the first use. While the database cannot be reached, attempts are spaced out, and whoever
    asks in between gets the last problem at once.
    """

    def __init__(self, options: DatabaseOptions) -> None:
        self._options = options
        self._slots = asyncio.Semaphore(options.pool_max)
        self._idle: list[_Kept] = []
        self._used: set[Connection] = set()
        self._reaper: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._failures = 0
        self._retry_at = 0.0
        self._problem: Callable[[], DatabaseUnavailable] | None = None
        self.waiting = 0
        self.opened = 0
        self.failed = 0

    @property
    def in_use(self) -> int:
        """Connections lent now."""
        return len(self._used)

    @property
    def idle(self) -> int:
        """Connections kept for the next use."""
        return len(self._idle)

    @asynccontextmanager
    async def lease(self, *, fresh: bool = False) -> AsyncIterator[Lease]:
        """Lend a connection, a new one if asked; raises a named AuditUnavailable.

        It is closed instead of kept if the body lets through that it broke, or does not wait for an answer.
        """
        await self._slot()
        lease: Lease | None = None
        is_good = False
        try:
            lease = await self._take(fresh=fresh)
            yield lease
            is_good = True
        except Exception as error:
            is_good = not isinstance(error, (*LOST, TimeoutError))
            raise
        finally:
            self._slots.release()
            if lease is not None:
                self._give_back(lease.connection, is_good=is_good)

    def forget_idle(self) -> None:
        """Close what is kept: one of them has turned out dead, so the server has probably restarted."""
        idle, self._idle = self._idle, []
        for kept in idle:
            kept.connection.terminate()

    async def close(self) -> None:
        """Close every kept connection, and cut off those still lent."""
        self._is_closed = True
        if self._reaper is not None:
            self._reaper.cancel()
        idle, self._idle = self._idle, []
        for kept in idle:
            try:
                await kept.connection.close(timeout=self._options.connect_timeout_s)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                kept.connection.terminate()
        for connection in list(self._used):
            connection.terminate()

    async def _slot(self) -> None:
        if self._is_closed:
            raise ConnectionFailed("the connections to the database have been closed")
        if not self._slots.locked():
            await self._slots.acquire()
            return
        self.waiting += 1
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise OutOfResources("no database connection became free: all of the pool are in use") from error
        finally:
            self.waiting -= 1

    async def _take(self, *, fresh: bool) -> Lease:
        while self._idle and not fresh:
            connection = self._idle.pop().connection
            if not connection.is_closed():
                self._used.add(connection)
                return Lease(connection, is_fresh=False)
        connection = await self._connect()
        self._used.add(connection)
        return Lease(connection, is_fresh=True)

    async def _connect(self) -> "Connection":
        if self._problem is not None and time.monotonic() < self._retry_at:
            raise self._problem()
        try:
            connection = await self._open()
        except Exception as error:
            problem = _unavailable(error)
            self._note_failure(problem)
            raise problem from error
        self._failures, self._problem = 0, None
        self.opened += 1
        return connection

    def _note_failure(self, problem: DatabaseUnavailable) -> None:
        self._failures += 1
        self.failed += 1
        self._problem = partial(type(problem), str(problem), problem.sqlstate)
        first, longest = BACKOFF_S
        pause = min(longest, first * 2 ** min(self._failures - 1, 10))
        # Spread, so that all processes do not come back in the same instant.
        self._retry_at = time.monotonic() + pause * random.uniform(0.5, 1)  # noqa: S311 - no secret

    async def _open(self) -> "Connection":
        options = self._options
        statement_ms = str(int(options.statement_timeout_s * 1_000))
        return await asyncpg.connect(
            options.url,
            ssl=options.tls,
            timeout=options.connect_timeout_s,
            command_timeout=options.statement_timeout_s + MARGIN_S,
            server_settings={
                "application_name": options.application_name,
                "search_path": options.schema,
                "statement_timeout": statement_ms,
                "idle_in_transaction_session_timeout": statement_ms,
                "jit": "off",  # compiling takes longer than any statement here runs
            },
        )

    def _give_back(self, connection: "Connection", *, is_good: bool) -> None:
        self._used.discard(connection)
        if self._is_closed or not is_good or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
            return
        self._idle.append(_Kept(connection, time.monotonic()))
        self._watch_idle()

    def _watch_idle(self) -> None:
        if self._reaper is None:
            loop = asyncio.get_running_loop()
            self._reaper = loop.call_later(self._options.idle_timeout_s, self._reap)

    def _reap(self) -> None:
        """Close what has idled too long, the oldest first, and come back while anything more could."""
        self._reaper = None
        self._idle = [kept for kept in self._idle if not kept.connection.is_closed()]
        until = time.monotonic() - self._options.idle_timeout_s
        spare = len(self._idle) + len(self._used) - self._options.pool_min
        while spare > 0 and self._idle and self._idle[0].since <= until:
            self._idle.pop(0).connection.terminate()
            spare -= 1
        if spare > 0 and self._idle:
            self._watch_idle()


def _unavailable(error: Exception) -> DatabaseUnavailable:
    """Return why there is no connection: whatever it is, it is not the data's fault."""
    named = named_error(error)
    if isinstance(named, DatabaseUnavailable):
        return named
    return ConnectionFailed(f"no connection to the database: {named or type(error).__name__}")
