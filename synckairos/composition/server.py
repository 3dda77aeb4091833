"""The composition root of a server: everything is opened, connected and closed here, in one order and its reverse."""

import asyncio
import contextlib
import gc
import random
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeAlias

import grpc
import structlog

from synckairos.adapters.ids import new_change_id, new_session_id
from synckairos.adapters.redis.clock import EstimatedClock
from synckairos.adapters.redis.disk import RedisDisk
from synckairos.adapters.redis.feed import RedisFeed
from synckairos.adapters.redis.identity import StoreIdentityGuard
from synckairos.adapters.redis.indexes import RedisDeadlineIndex, RedisSessionIndex
from synckairos.adapters.redis.memory import RedisMemory
from synckairos.adapters.redis.store import RedisSessionStore
from synckairos.application.background import Background
from synckairos.application.concurrency import all_of
from synckairos.application.errors import StoreUnavailable
from synckairos.application.expiry import Sweep
from synckairos.application.listing import Listing
from synckairos.application.pipeline.backlog import BacklogLimit
from synckairos.application.sessions import Sessions
from synckairos.application.slow_disk import DiskWatch
from synckairos.application.streams.watching import Watching
from synckairos.application.trail.audit import AuditReader
from synckairos.composition.ending import stop_requested
from synckairos.composition.exposure import require_protection
from synckairos.composition.http_port import bound_socket, load_gateway, local_http
from synckairos.composition.identity import opened_access
from synckairos.composition.listening import AddressInUseError, problem_of
from synckairos.composition.metrics import metrics_served
from synckairos.composition.parts import (
    PipelineParts,
    audit_parts,
    pipeline_parts,
    pipeline_watch,
    show_pools,
    tell_health,
)
from synckairos.composition.readiness import Readiness, StoreProbe
from synckairos.composition.redis import opened_redis, session_store
from synckairos.composition.reloading import Reloading
from synckairos.composition.tls import GRPC, Tls, opened_tls
from synckairos.composition.tls_front import TlsFront
from synckairos.rpc.command_servicer import CommandServicer
from synckairos.rpc.interceptor import CallInterceptor, CallJournal
from synckairos.rpc.lean import LeanServer
from synckairos.rpc.server import (
    AUDIT_SERVICE,
    SESSION_SERVICE,
    TIME_CONTROL_SERVICE,
    TIME_SERVICE,
    Health,
    answering_handlers,
    build_server,
    stop_server,
)
from synckairos.rpc.session_commands import SessionCommands
from synckairos.rpc.session_servicer import SessionServicer
from synckairos.rpc.time_control_servicer import TimeControlServicer
from synckairos.rpc.time_servicer import TimeServicer
from synckairos.rpc.watch_servicer import WatchServicer
from synckairos.settings import Settings, split_address
from synckairos.telemetry import Metrics

Work: TypeAlias = Coroutine[Any, Any, None]

GC_THRESHOLDS: Final = (1_000, 5, 1_600)
"""Short looks at what is young, for every call waits meanwhile: a pass takes about a microsecond an object. Looking in
full is as rare as with (20 000, 20, 20), whose passes took 20 ms."""
RETRY_AFTER_MS: Final = (100, 2_000)
"""Bounds of the pause a drained stream is asked to make, spread so that the others are not stormed."""

CLOSE_S: Final = 15.0
"""For closing everything once the calls are over: the timeouts of the stores lie below it."""

_log = structlog.get_logger(__name__)


class Server:
    """A whole server process: Redis, sweep, streams, gRPC and health."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics | None = None,
        *,
        reuse_port: bool = False,
        http: socket.socket | None = None,
    ) -> None:
        """Browsers are served at `http`, which listens already, or else at `http_listen` of the settings."""
        self._settings = settings
        self._metrics = metrics or Metrics()
        self._reuse_port = reuse_port
        self._http = http
        self._exit = contextlib.AsyncExitStack()
        self._background = Background(self._metrics.task_ended)
        self._health = Health()
        self._tls: Tls | None = None
        self._front: TlsFront | None = None
        self.reloading = Reloading()
        self.port = 0

    @property
    def address(self) -> str:
        """Where it listens, as host:port."""
        host, _ = split_address(self._settings.listen)
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    async def start(self) -> None:
        """Open everything, in order: store, tasks, gRPC, health.

        Raises AddressInUseError, ExposedError, StoreLayoutError, UnusableFilesError. A store that is away does not stop
        the start: the server answers UNAVAILABLE and NOT_SERVING until it can be reached.
        """
        try:
            await self._start()
        except BaseException:
            await self._exit.aclose()
            raise

    async def stop(self) -> None:
        """Finish the calls in progress within the grace, then close everything in reverse order."""
        await self._exit.aclose()

    async def _start(self) -> None:
        settings, metrics = self._settings, self._metrics
        places = {"SYNCKAIROS_LISTEN": settings.listen, "SYNCKAIROS_HTTP_LISTEN": settings.http_listen}
        require_protection(settings, places)
        self._tls = opened_tls(settings, metrics.reloaded)
        # Outlives all else: probes are answered from the beginning, and while the server drains.
        self._exit.enter_context(metrics_served(metrics, settings.metrics_listen, lambda: self._health.is_serving))
        access = opened_access(settings, self.reloading, self._background, metrics.reloaded)
        self._open_http()
        redis = await self._exit.enter_async_context(opened_redis(settings, "synckairos"))
        connections, keys = redis
        clock = EstimatedClock(on_step_back=metrics.clock_step_back)
        guard = StoreIdentityGuard(connections, keys, new_change_id)
        store = session_store(settings, redis, guard, clock, metrics)
        url = settings.redis_url.get_secret_value()
        feed = RedisFeed(url, connections, keys, connect_timeout_s=settings.redis_timeout_s)
        limit = BacklogLimit(metrics)
        sessions = Sessions(store, settings.lifetimes, new_change_id, new_session_id, limit.require)
        watching = Watching(sessions, feed, clock, metrics, guard.require, self._background)
        index = RedisDeadlineIndex(connections, keys, settings.lifetimes)
        sweep = Sweep(store, index, clock, settings.lifetimes, new_change_id, metrics)
        store.on_commit(sweep.note_commit)
        pipeline = pipeline_parts(settings, connections, keys, metrics)
        self._exit.push_async_callback(pipeline.bell.close)
        audit = audit_parts(settings, store, clock, pipeline, connections, keys)
        if audit.database is not None:
            self._exit.push_async_callback(audit.database.close)
        await self._open_store(guard, store)

        self._exit.push_async_callback(watching.stop)
        self._exit.push_async_callback(sweep.stop)
        self._exit.push_async_callback(self._background.stop)
        disk = DiskWatch(metrics)
        probe = StoreProbe(store, RedisMemory(connections), limit, RedisDisk(connections), disk, self._health)
        self._background.run("guard", lambda: guard.watch(probe, may_init=settings.store_init == "auto"))
        self._background.run("feed", lambda: feed.listen(watching.hint))
        self._background.run("poll", watching.poll)
        self._background.run("sweep", sweep.run)
        if self._tls is not None:
            self.reloading.add(self._tls.files)
        if self.reloading.is_needed:
            self._background.run("files", self.reloading.run)
        self._run_doorbell(pipeline, store)
        if settings.metrics_listen:
            self._background.run("pipeline watch", pipeline_watch(pipeline, redis, metrics, audit.database).run)
            show_pools(metrics, connections, audit.database)

        commands = SessionCommands(sessions)
        watch_servicer = WatchServicer(watching, settings.stream_stall_s)
        command_servicer = CommandServicer(commands, CallJournal(metrics), new_change_id, settings.stream_stall_s)
        servicers = {
            SESSION_SERVICE: (
                SessionServicer(commands, Listing(sessions, RedisSessionIndex(connections, keys, guard.confirm))),
                watch_servicer,
                command_servicer,
            ),
            TIME_SERVICE: (TimeServicer(clock),),
            TIME_CONTROL_SERVICE: (TimeControlServicer(),),
            AUDIT_SERVICE: (audit.servicer,),
        }
        streaming = (watch_servicer, command_servicer)
        calls = CallInterceptor(metrics, new_change_id, access)
        await self._serve(servicers, calls, guard, watching, streaming, audit.reader)

    def _open_http(self) -> None:
        if self._http is not None or self._settings.http_listen:
            load_gateway()
        if self._http is None and self._settings.http_listen:
            self._http = bound_socket(self._settings.http_listen, reuse_port=self._reuse_port)
        if self._http is not None:
            self._exit.enter_context(self._http)

    def _run_doorbell(self, pipeline: PipelineParts, store: RedisSessionStore) -> None:
        if self._settings.database_url is None:
            _log.warning("no_audit_trail", problem="without SYNCKAIROS_DATABASE_URL nobody is told to empty the outbox")
            return
        store.on_commit(pipeline.doorbell.note_commit)
        self._background.run("doorbell", pipeline.doorbell.run)
        self._background.run("outboxes", pipeline.doorbell.look)

    async def _open_store(self, guard: StoreIdentityGuard, store: RedisSessionStore) -> None:
        try:
            await guard.open(may_init=self._settings.store_init == "auto")
            await store.now_us()
        except StoreUnavailable as error:
            _log.warning("store_not_ready", problem=str(error))

    async def _serve(
        self,
        servicers: dict[Any, Any],
        calls: CallInterceptor,
        guard: StoreIdentityGuard,
        watching: Watching,
        streaming: Sequence[WatchServicer | CommandServicer],
        trail: AuditReader,
    ) -> None:
        settings = self._settings
        health = self._health
        server = build_server(
            servicers,
            calls,
            health,
            reuse_port=self._reuse_port,
            may_be_lean=settings.grpc_lean,
            has_reflection=settings.reflection != "off",
        )
        self._metrics.serving(lambda: calls.under_way, lambda: health.is_serving)
        self._metrics.grpc_lean(is_lean=isinstance(server, LeanServer))
        try:
            self.port = self._listen(server)
        except RuntimeError as error:
            raise AddressInUseError(
                f"{settings.listen} cannot be listened on: {problem_of(settings.listen)}"
            ) from error
        readiness = Readiness(guard, self._background, health)
        await readiness.tell()
        await health.set_audit(is_ready=False)
        self._background.run("health", readiness.follow)
        self._background.run("audit health", lambda: tell_health(trail, health))
        await server.start()
        stops: list[Callable[[], Work]] = [lambda: stop_server(server, lambda: calls.under_way, settings.drain_grace_s)]
        if self._front is not None:
            await self._front.start()
            stops.append(self._front.close)
        if self._http is not None:
            handlers = answering_handlers(servicers, calls)
            http = local_http(handlers, lambda: health.is_serving, settings, self._http, self._tls)
            await http.start()
            stops.append(http.stop)
        self._exit.push_async_callback(lambda: all_of([stop() for stop in stops]))

        async def drain() -> None:
            await health.drain()
            for servicer in streaming:
                servicer.drain()
            watching.drain(lambda: random.randint(*RETRY_AFTER_MS))  # noqa: S311 - spreads the load, not a secret
            # gRPC cuts off calls that arrive while the server closes: let clients turn away first.
            await asyncio.sleep(settings.drain_delay_s)

        self._exit.push_async_callback(drain)
        _log.info("serving", address=self.address, ready=guard.is_ready)

    def _listen(self, server: grpc.aio.Server) -> int:
        if self._tls is None:
            return server.add_insecure_port(self._settings.listen)
        if self._tls.is_optional:
            return self._listen_in_front(server, self._tls)
        credentials = self._tls.grpc_credentials()
        self._exit.callback(lambda: credentials)  # held until the server has stopped
        return server.add_secure_port(self._settings.listen, credentials)

    def _listen_in_front(self, server: grpc.aio.Server, tls: Tls) -> int:
        front = self._front = TlsFront(self._settings.listen, tls.context(GRPC), reuse_port=self._reuse_port)
        self._exit.push_async_callback(front.stop)
        server.add_insecure_port(front.backend)
        return front.port


def _calm_collector() -> None:
    """Keep the garbage collector from looking at objects that live as long as the process, and its pauses short."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def serve(
    settings: Settings,
    *,
    reuse_port: bool = False,
    http: socket.socket | None = None,
    on_started: Callable[[Server], None] = lambda _: None,
    may_reload: bool = True,
) -> None:
    """Run a server until it is asked to stop; then it is gone within delay, grace and CLOSE_S.

    SIGHUP asks it to stop, unless it may reload files instead and has some.
    """
    server = Server(settings, reuse_port=reuse_port, http=http)
    reload = server.reloading.ask if may_reload else None
    stop = stop_requested(settings.drain_delay_s + settings.drain_grace_s + CLOSE_S, reload)
    await server.start()
    _calm_collector()
    try:
        on_started(server)
        await stop.wait()
        _log.info("stopping")
    finally:
        await server.stop()
