"""One open connection: commands go out together, and their replies come back as one list.

redis-py opens the connection, encrypts and authenticates; then its transport is taken over. Its own way to a reply is
a stream, a lock and three coroutines; here the parser runs where the bytes arrive, and the waiter is woken once.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, cast

from hiredis import Reader, pack_command
from redis.asyncio import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse

Argument: TypeAlias = str | bytes | int
RedisCommand: TypeAlias = tuple[Argument, ...]
Reply: TypeAlias = Any

_NOT_YET: Final = object()
_pack: Final = cast("Callable[[RedisCommand], bytes]", pack_command)  # its stub knows commands of one word only


def packed(commands: Sequence[RedisCommand]) -> bytes:
    """Return the bytes of commands that go out together."""
    return b"".join([_pack(command) for command in commands])


def asking(commands: Sequence[RedisCommand]) -> list[RedisCommand]:
    """Return commands for a node of a cluster that is only about to get their slot."""
    found: list[RedisCommand] = []
    is_inside = False
    for command in commands:
        if not is_inside:
            found.append(("ASKING",))
        is_inside = (is_inside or command[0] == "MULTI") and command[0] != "EXEC"
        found.append(command)
    return found


def without_asking(asked: Sequence[RedisCommand], replies: Sequence[Reply]) -> list[Reply]:
    """Return the replies to the commands proper."""
    return [reply for command, reply in zip(asked, replies, strict=True) if command[0] != "ASKING"]


def discard(connection: Connection) -> None:
    """Close without waiting: the caller may itself be cancelled."""
    connection._close()  # noqa: SLF001 - the one synchronous close redis-py has


class Wire(asyncio.Protocol):
    """A connection that carries one exchange at a time."""

    def __init__(self, connection: Connection, timeout_s: float) -> None:
        """Take over a connection just opened; an exchange may take `timeout_s`."""
        self._connection = connection
        inner: Any = connection  # redis-py has no way to hand over what it has opened
        self._transport: asyncio.Transport = inner._writer.transport  # noqa: SLF001 - see above
        self._former = self._transport.get_protocol()
        self._replies = Reader(
            protocolError=InvalidResponse,
            replyError=inner._parser.parse_error,  # noqa: SLF001 - see above
            notEnoughData=_NOT_YET,
        )
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_patient = False
        self._waiter: asyncio.Future[list[Reply]] | None = None
        self._found: list[Reply] = []
        self._missing = 0
        self._later: tuple[asyncio.Future[list[Reply]], int, float] | None = None
        """What follows the current exchange: its waiter, its commands, and how long they may take."""
        self._transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Whether the connection is there, as far as this side knows."""
        return not self._transport.is_closing()

    def exchange(self, commands: Sequence[RedisCommand]) -> asyncio.Future[list[Reply]]:
        """Write commands and return their replies to come, error replies as exceptions.

        Raises, or fails with, what a lost, refused or silent connection raises; it must not be used again then.
        """
        waiter: asyncio.Future[list[Reply]] = self._loop.create_future()
        if not commands:
            waiter.set_result([])
            return waiter
        try:
            self._transport.write(packed(commands))
        except RuntimeError as error:
            # uvloop raises this for an idle connection that the peer has reset.
            raise RedisConnectionError("the connection was reset") from error
        self._waiter, self._found, self._missing = waiter, [], len(commands)
        self._until = self._loop.time() + self._timeout_s
        if self._timer is None:
            # One timer serves many exchanges: it checks whether the current one is too old.
            self._timer = self._loop.call_later(self._timeout_s, self._look_at_the_time)
        return waiter

    def exchange_then(
        self, commands: Sequence[RedisCommand], then: Sequence[RedisCommand], patience_s: float
    ) -> tuple[asyncio.Future[list[Reply]], asyncio.Future[list[Reply]]]:
        """Write commands and others behind them at once; return the replies to come to each.

        Those to the others may take `patience_s` longer. Raises and fails as `exchange`.
        """
        later: asyncio.Future[list[Reply]] = self._loop.create_future()
        waiter = self.exchange([*commands, *then])
        self._missing = len(commands)
        self._later = later, len(then), self._timeout_s + patience_s
        return waiter, later

    def close(self) -> None:
        """Close without waiting; the unsent rest of an unanswered exchange is dropped."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._missing:
            self._transport.abort()
        discard(self._connection)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived; called by the transport."""
        try:
            self._replies.feed(data)
            self._parse()
        except InvalidResponse as error:
            self._fail(RedisConnectionError(f"this is not Redis: {error}"))
        if not self._missing and self._replies.has_data():
            # This reply belongs to no exchange: it must not become the answer to the next one.
            self._transport.abort()

    def eof_received(self) -> None:
        """Fail the current exchange; the transport closes itself once its buffer is sent."""
        self._fail(RedisConnectionError("the connection was closed"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the current exchange, and tell redis-py's stream, whose closing waits for it."""
        self._former.connection_lost(exc)
        self._fail(exc or RedisConnectionError("the connection was closed"))

    def _parse(self) -> None:
        while self._missing:
            reply = self._replies.gets(False)
            if reply is _NOT_YET:
                return
            if isinstance(reply, RedisConnectionError):
                self._fail(reply)
                return
            self._found.append(reply)
            self._missing -= 1
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(self._found)
        if self._later is not None:
            self._go_on(*self._later)
        elif self._is_patient:
            # The next exchange is not to be looked at as late as this one.
            self._set_timer(None)

    def _go_on(self, waiter: asyncio.Future[list[Reply]], missing: int, timeout_s: float) -> None:
        """Wait for the replies to the commands behind an exchange, some of which may be here."""
        self._waiter, self._found, self._missing, self._later = waiter, [], missing, None
        self._until = self._loop.time() + timeout_s
        self._set_timer(timeout_s)
        self._parse()

    def _set_timer(self, timeout_s: float | None) -> None:
        """Look at the time after so long, instead of when it was set to; None: not before the next exchange."""
        if self._timer is not None:
            self._timer.cancel()
        self._is_patient = timeout_s is not None
        self._timer = None if timeout_s is None else self._loop.call_later(timeout_s, self._look_at_the_time)

    def _fail(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        later, self._later = self._later, None
        for one in (waiter, later[0] if later else None):
            if one is not None and not one.done():
                one.set_exception(error)

    def _look_at_the_time(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        left = self._until - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look_at_the_time)
        else:
            self._fail(TimeoutError("Redis does not answer"))
