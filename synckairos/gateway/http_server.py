"""uvicorn within this process' loop, and the limits of its connections."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any, Final

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from synckairos.gateway.application import CERTIFICATE, Application
from synckairos.rpc.admission.handshakes import SecuredPort
from synckairos.rpc.admission.peers import shown_by
from synckairos.rpc.server import MAX_CONNECTIONS, MAX_METADATA_BYTES

MAX_HEAD_BYTES: Final = 2 * MAX_METADATA_BYTES
"""Of what brings a request no further: its head before the end of it, trailers, the margins of chunks.

A head beneath it is judged when it is complete.
"""
MAX_AHEAD: Final = 16
"""Requests of one connection whose answers are not complete. Browsers send one at a time."""
RECEIVE_S: Final = 15.0
"""From a connection, or the first byte of a further request, until that request is complete."""
STALL_S: Final = 20.0
"""How long what was written may wait for its reader: longer than streams wait themselves."""
KEEP_ALIVE_S: Final = 75
VANISHED: Final = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 30),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 10),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 60_000),
)
"""After how much silence a peer that never said goodbye is gone (s; the last one ms), where the system can tell."""
MAX_HANDSHAKES: Final = 500
GRACE_SHARE: Final = 0.9

_log = structlog.get_logger(__name__)


class LimitedConnection(HttpToolsProtocol):
    """A connection that gives its peer so much time and room, and is cut off after that."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*arguments, **options)
        # Kept from uvicorn, which would answer all of them with 503 once the last allowed one is there.
        self._max_connections, self.limit_concurrency = self.limit_concurrency, None
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._certificate = b""
        self._unanswered: list[RequestResponseCycle] = []
        self._idle_bytes = 0
        self._is_head = True
        self._has_got_on = False
        self._has_just_ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to count, unless there are too many connections already."""
        super().connection_made(transport)
        self._certificate = shown_by(transport.get_extra_info("ssl_object"))
        if self._max_connections is not None and len(self.connections) > self._max_connections:
            transport.abort()
            return
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers, and tell every request; uvicorn tells the newest one alone."""
        self._forget()
        self.resume_writing()
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin a request, which knows what its connection has shown."""
        super().on_message_begin()
        self.scope[CERTIFICATE] = self._certificate  # type: ignore[typeddict-unknown-key] # ASGI has no name for it

    def data_received(self, data: bytes) -> None:
        """Take what came; the clock runs while a request is not complete, and what does not get on is cut off."""
        self._has_got_on = self._has_just_ended = False
        super().data_received(data)
        if self._has_just_ended:
            return  # what follows a request in the same piece is looked at with its next one
        if self._timer is None:
            self._expect_request()
        if not self._has_got_on:
            self._idle_bytes += len(data)
            if self._idle_bytes > MAX_HEAD_BYTES:
                self.transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are left where they are, for the head has been judged without them."""
        if self._is_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Have uvicorn begin with the request; raises RuntimeError, which ends the piece, if too many are ahead."""
        self._is_head = False
        self._get_on()
        super().on_headers_complete()
        self._unanswered = [*(one for one in self._unanswered if not one.response_complete), self.cycle]
        if len(self._unanswered) > MAX_AHEAD:
            self.transport.abort()
            raise RuntimeError("too many requests are ahead of their answers")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._get_on()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the clock: the request is here."""
        self._is_head = self._has_just_ended = True
        self._idle_bytes = 0
        self._forget()
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Give the reader its time."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the clock: the reader reads."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        if self.flow is not None:
            super().resume_writing()

    def _get_on(self) -> None:
        self._has_got_on, self._idle_bytes = True, 0

    def _expect_request(self) -> None:
        self._timer = self.loop.call_later(RECEIVE_S, self.transport.abort)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Uvicorn(uvicorn.Server):
    """Leaves signals to the process it is a part of, and handshakes to us: it would wait a minute for any number."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        if not isinstance(self.config.ssl, ssl.SSLContext) or sockets is None:
            await super().startup(sockets)
            return
        await super().startup([])
        for bound in sockets:
            secured = SecuredPort(
                bound.dup(),  # uvicorn closes the other one, and may not while the loop waits for it
                self.config.ssl,
                lambda: LimitedConnection(
                    config=self.config, server_state=self.server_state, app_state=self.lifespan.state
                ),
                _serve_itself,
                most_handshakes=self.config.limit_concurrency or MAX_HANDSHAKES,
                most_connections=MAX_CONNECTIONS,
            )
            secured.start()
            self.servers.append(secured)  # type: ignore[arg-type] # it asks them to close, and nothing else

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def _serve_itself(_transport: asyncio.BaseTransport, _connection: LimitedConnection) -> None:
    """Return at once: the connection counts itself."""


class HttpServer:
    """Serves an application on a socket that is bound already, in this loop, until it is stopped."""

    def __init__(
        self,
        application: Application,
        bound: socket.socket,
        *,
        max_connections: int,
        grace_s: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._application = application
        self._bound = bound
        for level, name, value in VANISHED:
            if hasattr(socket, name):
                bound.setsockopt(level, getattr(socket, name), value)  # what it accepts has them from it
        config = uvicorn.Config(
            application,
            http=LimitedConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # what clients do wrong is told to them alone
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=max_connections,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(grace_s * GRACE_SHARE)),
        )
        config.load()
        config.ssl = tls  # uvicorn itself would read files, once
        self._server = _Uvicorn(config)
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._bound.getsockname()[1])

    async def start(self) -> None:
        """Begin to serve; a failure of the server is logged, and harms nothing else in the process."""
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._bound]))
        self._serving.add_done_callback(_tell)

    async def stop(self) -> None:
        """End the streams with UNAVAILABLE, let the calls under way finish within the grace, and close."""
        self._application.drain()
        self._server.should_exit = True
        if self._serving is not None:
            await asyncio.wait([self._serving])


def _tell(serving: asyncio.Task[None]) -> None:
    error = None if serving.cancelled() else serving.exception()
    if error is not None:
        _log.error("http_server_broke", exc_info=error)
