"""Watchers of one session or of many, which come back with their last token, often on another server."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final, NamedTuple

import grpc

from synckairos.v1 import event_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub
from testing.robustness.history import History, Message, Stream, StreamEnd, digest
from testing.robustness.load.clients import KnownSessions

FINAL: Final = frozenset({event_pb2.END_REASON_TERMINAL, event_pb2.END_REASON_DELETED, event_pb2.END_REASON_NOT_FOUND})
COME_BACK_S: Final = (0.02, 0.3)


class WatchSettings(NamedTuple):
    """How many sessions a watcher watches, how long a stream stays open (s), and the intervals asked for (ms)."""

    sessions: int = 1
    stays_s: tuple[float, float] = (2.0, 12.0)
    tick_ms: int = 0
    progress_ms: int = 0


class WatchContext(NamedTuple):
    """The context that watchers share: the servers, the sessions, the recording, and the clock of Redis."""

    stubs: Sequence[Stub]
    known: KnownSessions
    history: History
    now_ms: Callable[[], int]


class Watcher:
    """A client that watches, and remembers the last token of every session watched."""

    _streams = count(1)

    def __init__(
        self, name: int, seed: str, context: WatchContext, settings: WatchSettings, *, is_slow: bool = False
    ) -> None:
        self._name = name
        self._chance = random.Random(seed)
        self._stubs = context.stubs
        self._known = context.known
        self._history = context.history
        self._now_ms = context.now_ms
        self._settings = settings
        self._is_slow = is_slow
        self.tokens: dict[str, str] = {}
        """The sessions watched now, and where they stand."""

    async def run(self, closing: asyncio.Event, patience_s: float = 10.0) -> None:
        """Watch sessions; once closing, only until those watched have ended, which must not take long."""
        until = None
        while True:
            if closing.is_set():
                until = until or time.monotonic() + patience_s
                if not self.tokens or time.monotonic() > until:
                    return
            else:
                self._choose()
            if self.tokens:
                stays = self._chance.uniform(*self._settings.stays_s)
                await self._watch(stays if until is None else max(0.1, until - time.monotonic()))
            await asyncio.sleep(self._chance.uniform(*COME_BACK_S))

    def _choose(self) -> None:
        """Fill up with live sessions; now and then, forget about one that is watched."""
        if self.tokens and self._chance.random() < 0.1:
            self.tokens.pop(self._chance.choice(list(self.tokens)))
        others = [one.session_id for one in self._known.live() if one.session_id not in self.tokens]
        self._chance.shuffle(others)
        for session_id in others[: self._settings.sessions - len(self.tokens)]:
            self.tokens[session_id] = ""

    async def _watch(self, stays_s: float) -> None:
        server = self._chance.randrange(len(self._stubs))
        opened = Stream(
            next(self._streams),
            self._name,
            server,
            time.monotonic(),
            dict(self.tokens),
            self._is_slow,
            self._settings.progress_ms,
        )
        self._history.streams.append(opened)
        call = self._open(self._stubs[server])
        is_left, reason = False, ""
        try:
            async with asyncio.timeout(stays_s):
                await self._read(opened.stream, call)
            is_left = not call.done()
        except TimeoutError:
            is_left = True
        except grpc.aio.AioRpcError as error:
            reason = error.code().name
            if error.code() is grpc.StatusCode.NOT_FOUND:
                self.tokens.clear()
        finally:
            call.cancel()
            self._history.ends.append(StreamEnd(opened.stream, time.monotonic(), is_left, reason))

    async def _read(self, stream: int, call: Any) -> None:
        async for message in call:
            self._take(stream, message)

    def _open(self, stub: Stub) -> Any:
        intervals: Any = {
            "tick_interval_ms": self._settings.tick_ms,
            "progress_interval_ms": self._settings.progress_ms,
        }
        if self._settings.sessions == 1:
            ((session_id, token),) = self.tokens.items()
            return stub.WatchSession(pb.WatchSessionRequest(session_id=session_id, resume_token=token, **intervals))
        watches = [pb.SessionWatch(session_id=one, resume_token=token) for one, token in self.tokens.items()]
        return stub.WatchSessions(pb.WatchSessionsRequest(watches=watches, **intervals))

    def _take(self, stream: int, message: Any) -> None:
        recorded = recorded_message(stream, message, time.monotonic(), self._now_ms())
        self._history.messages.append(recorded)
        if recorded.kind == "snapshot":
            self._known.see(message.snapshot)
        if message.resume_token:
            self.tokens[message.session_id] = message.resume_token
        if recorded.kind == "end" and message.end.reason in FINAL:
            self.tokens.pop(message.session_id, None)


def recorded_message(stream: int, message: Any, at: float, heard_ms: int) -> Message:
    """Return the recorded part of a message."""
    recorded = Message(
        stream=stream,
        session_id=message.session_id,
        at=at,
        kind=message.WhichOneof("payload") or "",
        epoch=message.epoch,
        version=message.version,
        server_time=message.server_time.ToMilliseconds(),
        token=message.resume_token,
        heard_ms=heard_ms,
    )
    match recorded.kind:
        case "snapshot":
            recorded.view = digest(message.snapshot)
        case "event":
            recorded.change_id = message.event.change_id
            recorded.view = digest(message.event.session)
        case "tick":
            recorded.view = digest(message.tick)
            recorded.value = message.tick.remaining_ms if message.tick.HasField("remaining_ms") else -1
        case "warning":
            recorded.value = message.warning.threshold_ms
        case "progress":
            recorded.value = message.progress.version
        case "gap":
            recorded.value = message.gap.reason
        case "end":
            recorded.value = message.end.reason
    return recorded
