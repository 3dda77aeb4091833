"""Watches: one logical stream each, which outlives the servers, connections and streams that it is read from."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeAlias, TypeVar

import grpc

from synckairos.client.backoff import Backoff
from synckairos.client.connection import Connection, cut_off, is_own_cancellation
from synckairos.client.errors import SyncKairosError
from synckairos.client.statuses import error_of, is_passing
from synckairos.v1 import event_pb2
from synckairos.v1 import session_service_pb2 as pb

Update = TypeVar("Update", pb.WatchSessionResponse, pb.WatchSessionsResponse)
Request: TypeAlias = pb.WatchSessionRequest | pb.WatchSessionsRequest

COME_BACK: Final = (
    event_pb2.END_REASON_DRAINING,
    event_pb2.END_REASON_UNAVAILABLE,
    event_pb2.END_REASON_CREDENTIALS_EXPIRED,
)
OF_ALL: Final = (event_pb2.END_REASON_DRAINING, event_pb2.END_REASON_CREDENTIALS_EXPIRED)
"""Reasons that end all sessions of a stream together."""


class Watch(Generic[Update]):
    """An asynchronous iterator over the updates of one or many sessions, until each has ended for good.

    It resumes by token on any server and hides drains; nothing is missing or doubled, or a `gap` says so. Leave it by
    `async with`, by `aclose()`, or by letting go of it. Raises SyncKairosError for what no other server would mend.
    """

    def __init__(
        self,
        connection: Connection,
        tokens: Mapping[str, str],
        request: Callable[[Mapping[str, str]], Request],
        *,
        shows_progress: bool,
    ) -> None:
        self._connection = connection
        self._request = request
        # By the ids as servers write them.
        self._tokens = {session_id.lower(): token for session_id, token in tokens.items()}
        self._shows_progress = shows_progress
        self._is_resumed = False
        self._shown = {session_id for session_id, token in self._tokens.items() if token}
        self._stream: AsyncIterator[Update] | None = None
        self._call: Any = None
        self._waiting: deque[Update] = deque()
        self._backoff = Backoff()
        self._not_before = 0.0
        self._again_at: float | None = None

    @property
    def resume_tokens(self) -> Mapping[str, str]:
        """Where each session that has not ended would be resumed: after the last update that was returned."""
        return dict(self._tokens)

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> Update:
        """Return the next update, from whichever server."""
        while True:
            while self._waiting:
                update = self._waiting.popleft()
                if self._is_for_the_reader(update):
                    return update
            if not self._tokens:
                await self.aclose()
                raise StopAsyncIteration
            await self._read()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop watching."""
        await self.aclose()

    async def aclose(self) -> None:
        """Stop watching; what comes next is the end of the iteration."""
        self._tokens.clear()
        self._drop()

    def _is_for_the_reader(self, update: Update) -> bool:
        """Take note of an update; return whether the reader is to see it."""
        session_id, kind = update.session_id, update.WhichOneof("payload")
        if session_id not in self._tokens:
            return False
        self._tokens[session_id] = update.resume_token or self._tokens[session_id]
        if kind == "end":
            if update.end.reason in COME_BACK:
                self._come_back(update.end)
                return False
            del self._tokens[session_id]
            return True
        if kind == "gap":
            # Who has not been shown anything yet has lost nothing.
            return session_id in self._shown
        if kind == "progress" and self._is_resumed:
            # A server says it to whoever comes back and has missed nothing.
            return self._shows_progress
        self._shown.add(session_id)
        return True

    def _come_back(self, end: event_pb2.End) -> None:
        """Open another stream, at once where this one is over, else when the session can be shown again."""
        pause_s = end.retry_after_ms / 1_000
        if end.reason in OF_ALL or len(self._tokens) == 1:
            self._waiting.clear()
            self._lost(pause_s)
        elif self._again_at is None:
            self._again_at = asyncio.get_running_loop().time() + pause_s

    async def _read(self) -> None:
        """Take what comes next from the stream; open one if there is none."""
        try:
            async with asyncio.timeout_at(self._again_at):
                update = await anext(await self._opened(), None)
            if update is None:
                self._lost(0.0)
                return
        except TimeoutError:
            # For a session that could not be shown; the others are resumed with it.
            self._drop()
        except grpc.RpcError as error:
            self._judge(error_of(error), error)
        except asyncio.CancelledError:
            # grpc.aio has cancelled the call with the read; a token leads back to where it was.
            self._drop()
            if is_own_cancellation():
                raise
            self._judge(cut_off())
        else:
            self._backoff.reset()
            self._waiting.extend(_frames(update))

    async def _opened(self) -> AsyncIterator[Update]:
        if self._stream is None:
            await asyncio.sleep(self._not_before - asyncio.get_running_loop().time())
            if self._tokens:
                self._call = await self._connection.server_stream(self._request(self._tokens))
            if not self._tokens:
                # Another task has closed the watch meanwhile.
                self._drop()
                raise StopAsyncIteration
            self._stream = aiter(self._call)
        return self._stream

    def _judge(self, error: SyncKairosError, cause: BaseException | None = None) -> None:
        """Resume after what another server, or this one in a moment, would not say again; raise the rest."""
        if not is_passing(error):
            self._drop()
            raise error from cause
        self._lost(error.retry_after_s or 0.0)

    def _lost(self, at_least_s: float) -> None:
        self._drop()
        self._not_before = asyncio.get_running_loop().time() + self._backoff.pause_s(at_least_s)

    def _drop(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._is_resumed = True
        self._call = self._stream = self._again_at = None


def _frames(update: Update) -> Sequence[Update]:
    """Return the updates of a message: of many sessions, it may hold several."""
    if isinstance(update, pb.WatchSessionsResponse):
        return update.frames or (update,)
    return (update,)


def watch_one(
    connection: Connection, session_id: str, resume_token: str, tick_interval_ms: int, progress_interval_ms: int
) -> Watch[pb.WatchSessionResponse]:
    """Return the watch of one session."""

    def request(tokens: Mapping[str, str]) -> pb.WatchSessionRequest:
        ((named, token),) = tokens.items()
        return pb.WatchSessionRequest(
            session_id=named,
            resume_token=token,
            tick_interval_ms=tick_interval_ms,
            progress_interval_ms=progress_interval_ms,
        )

    return Watch(connection, {session_id: resume_token}, request, shows_progress=progress_interval_ms > 0)


def watch_many(
    connection: Connection, tokens: Mapping[str, str], tick_interval_ms: int, progress_interval_ms: int
) -> Watch[pb.WatchSessionsResponse]:
    """Return the watch of many sessions, given with the tokens to resume them from; empty ones begin anew."""

    def request(tokens: Mapping[str, str]) -> pb.WatchSessionsRequest:
        return pb.WatchSessionsRequest(
            watches=[pb.SessionWatch(session_id=one, resume_token=token) for one, token in tokens.items()],
            tick_interval_ms=tick_interval_ms,
            progress_interval_ms=progress_interval_ms,
            accept_batches=True,
        )

    return Watch(connection, tokens, request, shows_progress=progress_interval_ms > 0)
