"""Connections that are taken one by one, so that their handshakes have bounds of time and number."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import structlog

from synckairos.rpc.server import HANDSHAKE_S

SHORTEST_S: Final = 5.0
"""What a handshake, or a connection without a byte, has in any case; then the oldest gives way to whoever waits."""
LOOK_S: Final = 0.02
ACCEPT_AGAIN_S: Final = 0.5
GONE: Final = (OSError, asyncio.IncompleteReadError)
"""What a connection ends with that one of its sides has left."""

_log = structlog.get_logger(__name__)

P = TypeVar("P", bound=asyncio.BaseProtocol)


class SecuredPort(Generic[P]):
    """Takes connections, does their handshakes, and lets each of them be served."""

    def __init__(
        self,
        bound: socket.socket,
        context: ssl.SSLContext,
        protocol: Callable[[], P],
        serve: Callable[[asyncio.BaseTransport, P], Awaitable[None]],
        *,
        most_handshakes: int,
        most_connections: int,
    ) -> None:
        """`serve` returns when a connection no longer counts: there are so many at most, and so many handshakes.

        Where it tells of every byte (`used`), the connection that was used least recently gives way to a further one.
        """
        self._bound = bound
        self._bound.setblocking(False)
        self._context = context
        self._protocol = protocol
        self._serve = serve
        self._most_handshakes = most_handshakes
        self._most_connections = most_connections
        self._accepting: asyncio.Task[None] | None = None
        self._connections: dict[asyncio.Task[None], float] = {}
        """Those that count, and when each was used last: the one longest ago first."""
        self._handshakes: dict[asyncio.Task[None], float] = {}
        """The connections that are not through their handshakes, and when these began, the oldest first."""

    def start(self) -> None:
        """Take connections from now on."""
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    def close(self) -> None:
        """Take no more connections; those that are open go on."""
        if self._accepting is None:
            self._bound.close()
        elif not self._accepting.done():
            # Not before the loop has let go of it: the next file would have its number.
            self._accepting.add_done_callback(lambda _: self._bound.close())
            self._accepting.cancel()

    async def stop(self) -> None:
        """Cut off what is open."""
        self.close()
        left = [*self._connections, *([self._accepting] if self._accepting else [])]
        for one in left:
            one.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._room()
            try:
                accepted, _ = await loop.sock_accept(self._bound)
            except ConnectionError:
                continue  # the caller has gone already
            except OSError as error:  # the system is out of something for now
                _log.warning("connection_not_taken", problem=str(error))
                await asyncio.sleep(ACCEPT_AGAIN_S)
                continue
            if len(self._connections) >= self._most_connections and not self._made_room():
                accepted.close()
                continue
            connection = loop.create_task(self._take(accepted))
            self._connections[connection] = self._handshakes[connection] = loop.time()
            connection.add_done_callback(self._forget)

    def used(self, connection: asyncio.Task[None]) -> None:
        """Take note that something has been sent on a connection, named by the task that serves it."""
        if self._connections.pop(connection, None) is not None:
            self._connections[connection] = asyncio.get_running_loop().time()

    def _made_room(self) -> bool:
        """End the connection used least recently, if it has been silent for long enough; return whether that was so."""
        oldest, used = next(iter(self._connections.items()))
        if asyncio.get_running_loop().time() < used + SHORTEST_S:
            return False
        del self._connections[oldest]
        oldest.cancel()
        return True

    async def _room(self) -> None:
        """Wait until a further handshake may begin."""
        while len(self._handshakes) >= self._most_handshakes:
            oldest, began = next(iter(self._handshakes.items()))
            if asyncio.get_running_loop().time() < began + SHORTEST_S:
                await asyncio.sleep(LOOK_S)
            else:
                del self._handshakes[oldest]
                oldest.cancel()

    def _forget(self, connection: asyncio.Task[None]) -> None:
        self._connections.pop(connection, None)
        self._handshakes.pop(connection, None)
        if not connection.cancelled() and (error := connection.exception()) is not None:
            _log.error("connection_broke", exc_info=error)

    async def _take(self, accepted: socket.socket) -> None:
        with contextlib.suppress(*GONE):
            transport, protocol = await self._secured(accepted)
            await self._serve(transport, protocol)

    async def _secured(self, accepted: socket.socket) -> tuple[asyncio.BaseTransport, P]:
        """Return a connection once its handshake is done; raises OSError if it fails or takes too long."""
        protocol = self._protocol()  # uvloop returns one of its own
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol, accepted, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_S
            )
        except BaseException:
            accepted.close()
            raise
        self._handshakes.pop(asyncio.current_task(), None)  # type: ignore[arg-type] # it runs in the connection's own
        return transport, protocol
