"""A pool of connections for whole exchanges: several commands written together, their replies read together.

redis-py opens and authenticates; the pool and the exchange are ours, because redis-py's own retry applies a write
twice when a reply is lost, and its pipelines take a round trip for WATCH alone.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from synckairos.adapters.redis.connections.connector import LOST, Connector
from synckairos.adapters.redis.connections.replies import NotPrimary, checked, is_of_another_type
from synckairos.adapters.redis.connections.wire import RedisCommand, Reply, Wire
from synckairos.application.errors import StoreUnavailable

FOLLOW_S: Final = 1.0
"""How long the word of a Sentinel counts for connections that are kept."""


class Lease:
    """One connection for one caller, until given back."""

    def __init__(self, wire: Wire, *, fresh: bool, primary: tuple[str, int] = ("", 0)) -> None:
        self._wire = wire
        self.is_fresh = fresh
        self.primary: Final = primary
        """Where it leads, if Sentinels have said so."""
        self.is_broken = False
        self.held_for: asyncio.Future[list[Reply]] | None = None
        """Replies that are still to come when its holder is done: it is given back after them."""
        self.lent_s: Final = time.monotonic()
        """When it was lent, by the monotonic clock: nothing had been sent by then."""
        self.node = ""
        """Which node of a cluster it leads to; empty elsewhere."""
        self.slot = 0
        """The slot that a cluster has lent it for."""

    async def exchange(self, commands: Sequence[RedisCommand]) -> list[Reply]:
        """Write the commands together and return their replies; an error reply is returned as an exception.

        Raises one of LOST if the connection fails or stays silent; the connection is not used again then.
        """
        if self.is_broken or not self._wire.is_open:
            raise RedisConnectionError("the connection is gone")
        self.is_broken = True
        replies = await self._wire.exchange(commands)
        self.is_broken = False
        return replies

    async def exchange_then(
        self, commands: Sequence[RedisCommand], then: Sequence[RedisCommand], patience_s: float
    ) -> tuple[list[Reply], asyncio.Future[list[Reply]]]:
        """Write the commands and others behind them together; return the replies to the first, and those to come.

        The others may take `patience_s` longer than an exchange; the lease is held for them. Raises and fails as
        `exchange`, and cannot be used any more.
        """
        if self.is_broken or not self._wire.is_open:
            raise RedisConnectionError("the connection is gone")
        self.is_broken = True
        waiter, self.held_for = self._wire.exchange_then(commands, then, patience_s)
        replies = await waiter
        self.is_broken = False
        return replies, self.held_for

    async def ask(self, commands: Sequence[RedisCommand]) -> list[Reply]:
        """Exchange commands none of which should fail; raises as `exchange` and `checked`."""
        return checked(await self.exchange(commands))


class RedisConnections:
    """A bounded pool of connections to one Redis; the one used last is used first.

    At most `limit` are open; a caller that waits longer than `wait_s` for one gets StoreUnavailable. Where Sentinels
    have named another primary, nothing that leads to the former one is used again: one that was only silent may come
    back and, until the Sentinels tell it, take changes that it then loses.
    """

    def __init__(
        self,
        url: str,
        *,
        limit: int = 64,
        wait_s: float = 5.0,
        connect_timeout_s: float = 15.0,
        exchange_timeout_s: float = 5.0,
        name: str = "synckairos",
    ) -> None:
        self._connector = Connector(url, name, connect_timeout_s)
        self.limit = limit
        self.lent = 0
        """Connections in use now."""
        self._slots = asyncio.Semaphore(limit)
        self._idle: list[Wire] = []
        self._wait_s = wait_s
        self._exchange_timeout_s = exchange_timeout_s
        self._is_closed = False
        self._primary = ("", 0)
        """Where the primary is, if Sentinels say so, and when they were asked last."""
        self._asked_at = 0.0
        self._unreachable_at = 0.0
        self._listeners: list[Callable[[str], None]] = []

    def on_unreachable(self, listener: Callable[[str], None]) -> None:
        """Call the listener with what is wrong whenever the server cannot be connected to, or does not answer."""
        self._listeners.append(listener)

    @asynccontextmanager
    async def lease(self, commands: Sequence[RedisCommand]) -> AsyncIterator[tuple[Lease, list[Reply]]]:
        """Lend a connection on which these commands, safe to repeat, have just been exchanged.

        They are exchanged once more on a new connection if a kept one turns out dead. The connection is closed instead
        of kept if the body raises: it may still hold a WATCH. Raises StoreUnavailable if no connection can be had, and
        for a failure of the connection that the body lets through.
        """
        await self._slot()
        self.lent += 1
        lease: Lease | None = None
        try:
            lease = await self._open()
            try:
                replies = await lease.exchange(commands)
            except LOST as error:
                if lease.is_fresh or isinstance(error, TimeoutError):
                    if self._connector.is_led:
                        self.forget_idle()  # the next one is opened to whatever is the primary by then
                    raise
                self.forget_idle()
                self._give_back(lease)
                lease = await self._open()
                replies = await lease.exchange(commands)
            try:
                yield lease, replies
            except BaseException as error:
                lease.is_broken = True
                if isinstance(error, NotPrimary):
                    self.forget_idle()
                raise
        except LOST as error:
            raise self._unreachable(f"Redis does not answer: {type(error).__name__}") from error
        finally:
            if lease is None or lease.held_for is None:
                self._end(lease)
            else:
                lease.held_for.add_done_callback(lambda _: self._end(lease))

    def _end(self, lease: Lease | None) -> None:
        self.lent -= 1
        self._slots.release()
        if lease is None:
            return
        if lease.held_for is not None:
            lease.is_broken |= lease.held_for.exception() is not None
        self._give_back(lease)

    async def run(self, commands: Sequence[RedisCommand]) -> list[Reply]:
        """Exchange commands that are safe to repeat.

        Raises StoreUnavailable; an error reply that is not about the server's state is raised as it is.
        """
        async with self.lease(commands) as (_, replies):
            return checked(replies)

    async def look(self, commands: Sequence[RedisCommand]) -> list[Reply]:
        """Read values, each by itself: one of another type than its command reads is returned as its error reply.

        Raises as `run`.
        """
        async with self.lease(commands) as (_, replies):
            checked([reply for reply in replies if not is_of_another_type(reply)])
            return replies

    async def everywhere(self, commands: Sequence[RedisCommand]) -> list[list[Reply]]:
        """Exchange commands without keys with every primary that answers; raises as `run` if none does."""
        return [await self.run(commands)]

    async def each(self, commands: Sequence[RedisCommand]) -> list[Reply]:
        """Exchange single commands, whose keys may lie on several nodes of a cluster: one that is away harms no other.

        The reply of a node that is away is a StoreUnavailable. Raises as `run` if all are away, as a single server is.
        """
        return await self.run(commands)

    def forget_idle(self) -> None:
        """Drop the kept connections: one of them has turned out dead, so the server has probably restarted."""
        idle, self._idle = self._idle, []
        for wire in idle:
            wire.close()

    async def close(self) -> None:
        """Close every kept connection; those still lent are closed as they come back."""
        self._is_closed = True
        self.forget_idle()
        await self._connector.close()

    def _unreachable(self, text: str) -> StoreUnavailable:
        self._unreachable_at = time.monotonic()
        for listener in self._listeners:
            listener(text)
        return StoreUnavailable(text)

    async def _slot(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._wait_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise StoreUnavailable("no Redis connection became free") from error
        if self._unreachable_at > started:
            # Earlier callers have waited in vain: waiting as long again would not help.
            self._slots.release()
            raise StoreUnavailable("Redis does not answer")

    async def _open(self) -> Lease:
        if self._connector.is_led and self._idle and time.monotonic() > self._asked_at + FOLLOW_S:
            self._asked_at = time.monotonic()
            self._follow(await self._connector.primary())
        if self._idle:
            return Lease(self._idle.pop(), fresh=False, primary=self._primary)
        try:
            connection = await self._connector.open()
        except (*LOST, RedisError) as error:
            raise self._unreachable(f"Redis cannot be reached: {_named(error)}") from error
        if self._connector.is_led:
            self._follow((str(connection.host), int(connection.port)))
        return Lease(Wire(connection, self._exchange_timeout_s), fresh=True, primary=self._primary)

    def _follow(self, primary: tuple[str, int] | None) -> None:
        if primary is not None and primary != self._primary:
            self._primary = primary
            self.forget_idle()

    def _give_back(self, lease: Lease) -> None:
        wire = lease._wire  # noqa: SLF001 - the lease is this pool's own
        is_former = lease.primary != self._primary
        if lease.is_broken or is_former or self._is_closed or not wire.is_open:
            wire.close()
        else:
            self._idle.append(wire)


def _named(error: Exception) -> str:
    """Name an error, in Redis' own words if it has answered; those never repeat the command."""
    return f"{type(error).__name__}: {error}" if isinstance(error, ResponseError) else type(error).__name__
