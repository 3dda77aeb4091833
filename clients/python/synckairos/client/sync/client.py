"""The synchronous client: the asynchronous one, run by an event loop in a thread of its own."""

import functools
import weakref
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Generic, ParamSpec, Self, TypeVar, overload

import grpc
from google.protobuf.message import Message

from synckairos.client import client as asynchronous
from synckairos.client import commands, watching
from synckairos.client.command_stream import PATIENCE_S, WINDOW
from synckairos.client.credentials import Token
from synckairos.client.server_clock import PERIOD_S, SyncServerClock
from synckairos.client.sync.background_loop import BackgroundLoop
from synckairos.client.sync.time_calls import BlockingTimeCalls
from synckairos.client.unary import Unary
from synckairos.v1 import session_service_pb2 as pb

Taken = ParamSpec("Taken")
Reply = TypeVar("Reply", bound=Message)
Update = TypeVar("Update", pb.WatchSessionResponse, pb.WatchSessionsResponse)


class Blocking(Generic[Taken, Reply]):
    """A call of the asynchronous client that waits for its answer."""

    def __init__(self, call: Unary[Taken, Reply]) -> None:
        self._call = call
        self.__doc__ = call.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...

    @overload
    def __get__(self, client: "SyncKairos", owner: type) -> Callable[Taken, Reply]: ...

    def __get__(self, client: "SyncKairos | None", owner: type) -> Self | Callable[Taken, Reply]:
        """Return the call as a function of this client."""
        if client is None:
            return self
        call = self._call.__get__(client.asynchronous, type(client.asynchronous))

        @functools.wraps(call)
        def made(*args: Taken.args, **kwargs: Taken.kwargs) -> Reply:
            return client.loop.run(call(*args, **kwargs))

        return made


class Submitted(Generic[Taken]):
    """A command whose result is waited for where it is wanted."""

    def __init__(self, method: commands.CommandMethod[Taken]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, stream: None, owner: type) -> Self: ...

    @overload
    def __get__(self, stream: "Commands", owner: type) -> Callable[Taken, Future[pb.CommandResult]]: ...

    def __get__(self, stream: "Commands | None", owner: type) -> Self | Callable[Taken, Future[pb.CommandResult]]:
        """Return the command as a function that returns a future."""
        if stream is None:
            return self
        method = self._method.__get__(stream.asynchronous, type(stream.asynchronous))

        @functools.wraps(method)
        def submitted(*args: Taken.args, **kwargs: Taken.kwargs) -> Future[pb.CommandResult]:
            return stream.loop.submit(method(*args, **kwargs))

        return submitted


class Watch(Generic[Update]):
    """An iterator over the updates of one or many sessions, as `synckairos.client.Watch`; `close` stops it."""

    def __init__(self, loop: BackgroundLoop, watch: "watching.Watch[Update]") -> None:
        self._loop = loop
        self._watch: watching.Watch[Update] = watch
        # Who leaves the iteration by `break` lets go of it in this thread; the call belongs to the loop's.
        weakref.finalize(self, loop.let_go, watch.aclose)

    @property
    def resume_tokens(self) -> Mapping[str, str]:
        """Where each session that has not ended would be resumed: after the last update that was returned."""
        return self._watch.resume_tokens

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> Update:
        """Return the next update; an interruption (Ctrl-C) loses none, so that the iteration may go on."""
        update = self._loop.run(_next(self._watch))
        if update is None:
            raise StopIteration
        return update

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop watching."""
        self.close()

    def close(self) -> None:
        """Stop watching; what comes next is the end of the iteration."""
        self._loop.run(self._watch.aclose())


async def _next(watch: "watching.Watch[Update]") -> Update | None:
    return await anext(watch, None)


class Commands:
    """A stream of commands, as `synckairos.client.Commands`; each returns a future, and so waits for no other."""

    create_session = Submitted(commands.Commands.create_session)
    get_session = Submitted(commands.Commands.get_session)
    start_session = Submitted(commands.Commands.start_session)
    switch_cycle = Submitted(commands.Commands.switch_cycle)
    pause_session = Submitted(commands.Commands.pause_session)
    resume_session = Submitted(commands.Commands.resume_session)
    complete_session = Submitted(commands.Commands.complete_session)
    cancel_session = Submitted(commands.Commands.cancel_session)
    add_participant = Submitted(commands.Commands.add_participant)
    remove_participant = Submitted(commands.Commands.remove_participant)
    adjust_time = Submitted(commands.Commands.adjust_time)
    advance_clock = Submitted(commands.Commands.advance_clock)
    update_session = Submitted(commands.Commands.update_session)
    delete_session = Submitted(commands.Commands.delete_session)

    def __init__(self, loop: BackgroundLoop, stream: commands.Commands) -> None:
        self.loop = loop
        self.asynchronous = stream

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait for the answers and close the stream; after an error, without waiting."""
        self.loop.run(self.asynchronous.__aexit__(kind, error, traceback))

    def close(self) -> None:
        """Wait for the answers that are missing, and close the stream."""
        self.loop.run(self.asynchronous.aclose())


class SyncKairos:
    """A client of one deployment for programs without an event loop; all threads of a process may share it.

    It does and raises what `synckairos.client.SyncKairos` does. A process that forks opens it in its children only.
    """

    create_session = Blocking(asynchronous.SyncKairos.create_session)
    get_session = Blocking(asynchronous.SyncKairos.get_session)
    batch_get_sessions = Blocking(asynchronous.SyncKairos.batch_get_sessions)
    list_sessions = Blocking(asynchronous.SyncKairos.list_sessions)
    start_session = Blocking(asynchronous.SyncKairos.start_session)
    switch_cycle = Blocking(asynchronous.SyncKairos.switch_cycle)
    pause_session = Blocking(asynchronous.SyncKairos.pause_session)
    resume_session = Blocking(asynchronous.SyncKairos.resume_session)
    complete_session = Blocking(asynchronous.SyncKairos.complete_session)
    cancel_session = Blocking(asynchronous.SyncKairos.cancel_session)
    add_participant = Blocking(asynchronous.SyncKairos.add_participant)
    remove_participant = Blocking(asynchronous.SyncKairos.remove_participant)
    adjust_time = Blocking(asynchronous.SyncKairos.adjust_time)
    advance_clock = Blocking(asynchronous.SyncKairos.advance_clock)
    update_session = Blocking(asynchronous.SyncKairos.update_session)
    delete_session = Blocking(asynchronous.SyncKairos.delete_session)

    list_session_events = Blocking(asynchronous.SyncKairos.list_session_events)
    list_participant_events = Blocking(asynchronous.SyncKairos.list_participant_events)
    get_session_audit = Blocking(asynchronous.SyncKairos.get_session_audit)
    list_audited_sessions = Blocking(asynchronous.SyncKairos.list_audited_sessions)
    recover_session = Blocking(asynchronous.SyncKairos.recover_session)
    explain_clock = Blocking(asynchronous.SyncKairos.explain_clock)
    get_pipeline_status = Blocking(asynchronous.SyncKairos.get_pipeline_status)

    parse_time_control = Blocking(asynchronous.SyncKairos.parse_time_control)
    simulate_time_control = Blocking(asynchronous.SyncKairos.simulate_time_control)
    sync_time = Blocking(asynchronous.SyncKairos.sync_time)

    def __init__(self, loop: BackgroundLoop, client: asynchronous.SyncKairos) -> None:
        self.loop = loop
        self.asynchronous = client

    @classmethod
    def connect(
        cls,
        address: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        token: Token | None = None,
        allow_insecure_token: bool = False,
        actor: str = "",
        within_s: float = asynchronous.CONNECT_S,
    ) -> Self:
        """Return a client once a server answers, as `synckairos.client.SyncKairos.connect` does.

        Raises RuntimeError in a process that was forked after a client was opened: gRPC does not work there.
        """
        loop = BackgroundLoop()
        try:
            opening = asynchronous.SyncKairos.connect(
                address,
                credentials=credentials,
                token=token,
                allow_insecure_token=allow_insecure_token,
                actor=actor,
                within_s=within_s,
            )
            return cls(loop, loop.run(opening))
        except BaseException:
            loop.close()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection and end the thread; what other threads wait for fails with a RuntimeError."""
        if self.loop.is_open:
            self.loop.run(self.asynchronous.close())
            self.loop.close()

    def with_options(self, *, timeout_s: float | None = None, actor: str | None = None) -> Self:
        """Return a client on the same connection whose calls have less than 10 s, or another actor."""
        return type(self)(self.loop, self.asynchronous.with_options(timeout_s=timeout_s, actor=actor))

    def watch(
        self,
        session_id: str,
        *,
        tick_interval_ms: int = 0,
        progress_interval_ms: int = 0,
        resume_token: str = "",
    ) -> Watch[pb.WatchSessionResponse]:
        """Iterate over the updates of a session until its end: a snapshot first, then every event, ticks as asked."""
        watch = self.asynchronous.watch(
            session_id,
            tick_interval_ms=tick_interval_ms,
            progress_interval_ms=progress_interval_ms,
            resume_token=resume_token,
        )
        return Watch(self.loop, watch)

    def watch_many(
        self,
        session_ids: Iterable[str] | Mapping[str, str],
        *,
        tick_interval_ms: int = 0,
        progress_interval_ms: int = 0,
    ) -> Watch[pb.WatchSessionsResponse]:
        """Iterate over the updates of up to 1 000 sessions until all have ended, over one stream."""
        watch = self.asynchronous.watch_many(
            session_ids, tick_interval_ms=tick_interval_ms, progress_interval_ms=progress_interval_ms
        )
        return Watch(self.loop, watch)

    def commands(self, *, window: int = WINDOW, timeout_s: float = PATIENCE_S) -> Commands:
        """Return a stream of commands, of which at most `window` wait for their answers, each up to `timeout_s`."""
        return Commands(self.loop, self.asynchronous.commands(window=window, timeout_s=timeout_s))

    def sync_clock(self, *, period_s: float = PERIOD_S) -> SyncServerClock:
        """Return the server's clock as this machine can know it; `with` sets it, and again every `period_s`."""
        return SyncServerClock(BlockingTimeCalls(self.loop, self.asynchronous.connection), period_s)
