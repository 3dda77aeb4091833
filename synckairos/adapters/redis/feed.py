"""Hints over Redis pub/sub, and the event streams they are hints of.

One connection a process (of a cluster, one to each node), one channel a watched session. Pub/sub delivers at most once:
a listener must read the stream whenever a version is skipped, after every reconnect, and now and then in any case.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from redis.asyncio import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from synckairos.adapters.redis.connections.connector import LOST, Connector
from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.connections.wire import RedisCommand, Reply
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.values import codec
from synckairos.adapters.redis.values.unreadable import TROUBLES, unreadable
from synckairos.application.concurrency import all_of
from synckairos.application.errors import StoreUnavailable
from synckairos.application.ports import Hint, Since
from synckairos.domain.model import Head

PING_S: Final = 2.0
"""A connection that is silent for this long is pinged; one that is silent for twice as long is dropped."""
RECONNECT_S: Final = 0.2
SUBSCRIBE_S: Final = 1.0

_log = structlog.get_logger(__name__)


class RedisFeed:
    """Hints about watched sessions, and their retained events."""

    def __init__(
        self,
        url: str,
        connections: RedisConnections,
        keys: Keys,
        *,
        connect_timeout_s: float = 1.0,
        is_cluster: bool = False,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        """On a cluster `url` is that of the one node that has the sessions' slots; `on_lost` hears that it is away."""
        self._s = "S" if is_cluster else ""
        self._on_lost = on_lost
        self._connector = Connector(url, "synckairos-feed", connect_timeout_s)
        self._connections = connections
        self._keys = keys
        self._connection: Connection | None = None
        self._heard_at = 0.0
        self._wanted: dict[str, asyncio.Future[None]] = {}
        self._outgoing: list[RedisCommand] = []
        self._outgoing_ready = asyncio.Event()

    async def subscribe(self, session_id: str) -> None:
        """Ask for hints about a session; returns once they flow, raises StoreUnavailable if they do not in time."""
        channel = self._keys.of(session_id).updates
        confirmed = self.want(session_id)
        try:
            async with asyncio.timeout(SUBSCRIBE_S):
                await asyncio.shield(confirmed)
        except TimeoutError as error:
            if self._wanted.get(channel) is confirmed:
                # Others may still want it: the next one shall not wait for an answer that was lost.
                self._send((f"{self._s}SUBSCRIBE", channel))
            raise StoreUnavailable("Redis does not confirm the subscription") from error

    def want(self, session_id: str) -> asyncio.Future[None]:
        """Ask for hints about a session; return what is done once they flow."""
        channel = self._keys.of(session_id).updates
        confirmed = self._wanted.get(channel)
        if confirmed is None:
            confirmed = self._wanted[channel] = asyncio.get_running_loop().create_future()
            self._send((f"{self._s}SUBSCRIBE", channel))
        return confirmed

    def unsubscribe(self, session_id: str) -> None:
        """Stop asking for hints about a session."""
        channel = self._keys.of(session_id).updates
        confirmed = self._wanted.pop(channel, None)
        if confirmed is not None:
            confirmed.cancel()
            self._send((f"{self._s}UNSUBSCRIBE", channel))

    async def since(self, session_id: str, version: int) -> Since:
        """Return the retained events from a version on, oldest first, and the session.

        Raises StoreUnavailable; it names the session if only that one cannot be read.
        """
        keys = self._keys.of(session_id)
        try:
            entries, encoded = await self._connections.run(
                [("XRANGE", keys.events, f"{version}-0", "+"), ("GET", keys.session)]
            )
            session = codec.decode_session(session_id, encoded) if encoded is not None else None
            before = dict(zip(entries[0][1][::2], entries[0][1][1::2], strict=True)).get(b"b") if entries else None
            events = [codec.decode_event(session_id, fields[1]) for _, fields in entries]
            return Since(events, session, codec.unpack_id(before) if before else "")
        except TROUBLES as error:
            raise unreadable(session_id, error) from error

    async def heads(self, session_ids: Sequence[str]) -> list[Head | None]:
        """Return the present heads of the sessions, None for missing or unreadable ones; raises StoreUnavailable."""
        last = codec.HEAD_BYTES - 1
        found = await self._connections.look(
            [("GETRANGE", self._keys.of(session_id).session, 0, last) for session_id in session_ids]
        )
        return [head_of(reply) if reply else None for reply in found]

    async def listen(self, on_hint: Callable[[Hint], None], *, is_told: bool = True) -> None:
        """Deliver hints for ever, reconnecting whenever the connection is lost, and telling that it is there again.

        `is_told`: also that it is there for the first time.
        """
        while True:
            try:
                await self._open()
                if is_told:
                    on_hint(Hint("", None))
                is_told = True
                await all_of([self._write(), self._ping(), self._read(on_hint)])
            except (*LOST, RedisError) as error:
                _log.debug("feed_lost", error=type(error).__name__)
                self._on_lost()
            finally:
                await self._close()
            await asyncio.sleep(RECONNECT_S)

    async def _open(self) -> None:
        self._connection = await self._connector.open()
        self._heard_at = time.monotonic()
        for channel, confirmed in self._wanted.items():
            if confirmed.done():
                self._wanted[channel] = asyncio.get_running_loop().create_future()
        if self._s:
            # Those of one command would have to lie in one slot.
            self._outgoing = [("SSUBSCRIBE", channel) for channel in self._wanted]
        else:
            self._outgoing = [("SUBSCRIBE", *self._wanted)] if self._wanted else []
        self._outgoing_ready.set()

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        self._outgoing = []
        if connection is not None:
            with contextlib.suppress(*LOST, RedisError):
                await connection.disconnect(nowait=True)

    def _send(self, command: RedisCommand) -> None:
        """Queue a command, unless there is no connection: the next one subscribes to everything wanted."""
        if self._connection is not None:
            self._outgoing.append(command)
            self._outgoing_ready.set()

    async def _write(self) -> None:
        while True:
            await self._outgoing_ready.wait()
            self._outgoing_ready.clear()
            commands, self._outgoing = self._outgoing, []
            if commands and self._connection is not None:
                packed = self._connection.pack_commands(commands)
                await _send(self._connection, packed)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_S)
            silent = time.monotonic() - self._heard_at
            if silent > 2 * PING_S:
                raise TimeoutError("the feed is silent")
            if silent > PING_S / 2:
                self._send(("PING",))

    async def _read(self, on_hint: Callable[[Hint], None]) -> None:
        while self._connection is not None:
            reply = await self._connection.read_response(disable_decoding=True)
            self._heard_at = time.monotonic()
            match reply:
                case [b"message" | b"smessage", channel, record]:
                    on_hint(self._hint(bytes(channel).decode(), record))
                case [b"subscribe" | b"ssubscribe", channel, _]:
                    confirmed = self._wanted.get(bytes(channel).decode())
                    if confirmed is not None and not confirmed.done():
                        confirmed.set_result(None)
                case [b"sunsubscribe", channel, _] if bytes(channel).decode() in self._wanted:
                    raise RedisConnectionError("the slot of a channel has moved")

    def _hint(self, channel: str, record: bytes) -> Hint:
        session_id = self._keys.session_of_channel(channel)
        try:
            return Hint(session_id, codec.decode_event(session_id, record) if record else None)
        except codec.UnknownLayoutError:
            return Hint(session_id, None)


async def _send(connection: Connection, packed: list[bytes]) -> None:
    """Write packed commands; raises the errors of a lost connection."""
    try:
        await connection.send_packed_command(packed, check_health=False)
    except RuntimeError as error:
        # uvloop raises this for a connection that the peer has reset while it was idle.
        raise RedisConnectionError("the connection was reset") from error


def head_of(reply: Reply) -> Head | None:
    """Return the head in a reply to GETRANGE; None for a value that cannot be read."""
    try:
        return None if isinstance(reply, ResponseError) else codec.decode_head(reply)
    except codec.UnknownLayoutError:
        return None
