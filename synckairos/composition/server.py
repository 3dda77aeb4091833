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
from synckairos.adapters.postgres.database import Database
from synckairos.adapters.redis.disk import RedisDisk
from synckairos.adapters.redis.durability import RedisDurability
from synckairos.adapters.redis.identity import StoreIdentityGuard
from synckairos.adapters.redis.indexes import RedisDeadlineIndex
from synckairos.adapters.redis.memory import RedisMemory
from synckairos.adapters.redis.store import RedisSessionStore
from synckairos.application.admission.overload import Overload
from synckairos.application.background import Background
from synckairos.application.concurrency import all_of
from synckairos.application.errors import StoreUnavailable
from synckairos.application.expiry import Sweep
from synckairos.application.listing import Listing
from synckairos.application.pipeline.backlog import BacklogLimit
from synckairos.application.sessions import Sessions, Settlements
from synckairos.application.slow_disk import DiskWatch
from synckairos.application.streams.watching import Watching
from synckairos.application.tracing import Tracing
from synckairos.application.trail.audit import AuditReader
from synckairos.application.unmet_settlements import UnmetSettlements
from synckairos.composition.admission import opened_allowances, opened_overload
from synckairos.composition.database_account import tell_account
from synckairos.composition.ending import end_without, stop_requested
from synckairos.composition.exposure import require_protection
from synckairos.composition.http_port import bound_socket, load_gateway, local_http
from synckairos.composition.identity import opened_access
from synckairos.composition.leftovers import Leftovers, system_trim
from synckairos.composition.listening import AddressInUseError, most_connections, problem_of
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
from synckairos.composition.redis import (
    on_return,
    opened_redis,
    session_feed,
    session_index,
    session_store,
    store_clock,
    store_guard,
)
from synckairos.composition.reloading import Reloading
from synckairos.composition.supervision.notices import METRICS_PORT, READY, SERVING, notify
from synckairos.composition.tls import GRPC, Tls, opened_tls
from synckairos.composition.tls_front import FILES_EACH, TlsFront
from synckairos.composition.traces import open_tracing
from synckairos.rpc.admission.access import Access
from synckairos.rpc.admission.peers import peer_of, shown_certificate
from synckairos.rpc.admission.turnstile import Turnstile
from synckairos.rpc.controls.servicer import TimeControlServicer
from synckairos.rpc.interceptor import CallInterceptor, CallJournal, Context
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
from synckairos.rpc.signatures import Signatures
from synckairos.rpc.streams.command_servicer import CommandServicer
from synckairos.rpc.streams.watch_servicer import WatchServicer
from synckairos.rpc.time_servicer import TimeServicer
from synckairos.settings import Settings, join_address, split_address
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
        tracing: Tracing | None = None,
    ) -> None:
        """Browsers are served at `http`, which listens already, or else at `http_listen` of the settings.

        Without `tracing` the environment says whether calls are traced.
        """
        self._tracing = tracing
        self._settings = settings
        self._metrics = metrics or Metrics()
        self._reuse_port = reuse_port
        self._http = http
        self._exit = contextlib.AsyncExitStack()
        self._background = Background(self._metrics.task_ended)
        self._health = Health(lambda is_serving: notify(STATUS=SERVING if is_serving else "NOT_SERVING"))
        self._tls: Tls | None = None
        self._front: TlsFront | None = None
        self.reloading = Reloading()
        self.port = 0
        self.metrics_port: int | None = None

    @property
    def address(self) -> str:
        """Where it listens, as host:port."""
        host, _ = split_address(self._settings.listen)
        return join_address(host, self.port)

    async def start(self) -> None:
        """Open everything, in order: store, tasks, gRPC, health.

        Raises AddressInUseError, DurabilityLackingError, ExposedError, StoreLayoutError, TokenKeyMissingError,
        TracingError, UnusableFilesError. A store that is away does not stop the start: the server answers UNAVAILABLE
        and NOT_SERVING until it can be reached.
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
        require_protection(
            settings, {"SYNCKAIROS_LISTEN": settings.listen, "SYNCKAIROS_HTTP_LISTEN": settings.http_listen}
        )
        self._tls = opened_tls(settings, metrics.reloaded)
        # Outlives all else: probes are answered from the beginning, and while the server drains.
        self._show_metrics()
        tracing = self._tracing or await open_tracing("synckairos-server", self._exit)
        access, overload = self._open_access()
        self._open_http()
        redis = await self._exit.enter_async_context(opened_redis(settings, "synckairos"))
        connections, keys = redis
        clock = store_clock(redis, metrics.clock_step_back)
        guard, durability = store_guard(redis), RedisDurability(connections, keys)
        store = session_store(settings, redis, guard, clock, metrics, tracing)
        feed = session_feed(settings, redis)
        limit = BacklogLimit(metrics)
        allowances = opened_allowances(settings, redis, self.reloading, self._background, metrics)
        sessions = Sessions(
            store,
            settings.lifetimes,
            new_change_id,
            new_session_id,
            limit.require,
            allowances,
            durability.lacks,
        )
        watching = Watching(sessions, feed, clock, metrics, guard.require, self._background)
        sweep = Sweep(
            store,
            RedisDeadlineIndex(connections, keys, settings.lifetimes),
            clock,
            settings.lifetimes,
            new_change_id,
            metrics,
        )
        store.on_commit(sweep.note_commit)
        on_return(redis, guard, sweep.wake)
        pipeline = pipeline_parts(settings, connections, keys, metrics)
        self._exit.push_async_callback(pipeline.bell.close)
        signatures = Signatures(settings.token_keys)
        audit = audit_parts(settings, store, clock, pipeline, connections, keys, signatures)
        if audit.database is not None:
            self._exit.push_async_callback(audit.database.close)
        await self._open_store(guard, store, durability)

        self._exit.push_async_callback(watching.stop)
        self._exit.push_async_callback(sweep.stop)
        self._exit.push_async_callback(self._background.stop)
        probe = StoreProbe(
            store, RedisMemory(connections), limit, RedisDisk(connections), DiskWatch(metrics), self._health
        )
        self._background.run("guard", lambda: guard.watch(probe, may_init=settings.store_init == "auto"))
        self._background.run("feed", lambda: feed.listen(watching.hint))
        self._background.run("poll", watching.poll)
        self._background.run("sweep", sweep.run)
        self._see_to_unmet(store)
        self._follow_files()
        self._follow_trail(pipeline, store, audit.database, has_callers=access is not None)
        if settings.metrics_listen:
            self._background.run("pipeline watch", pipeline_watch(pipeline, redis, metrics, audit.database).run)
            show_pools(metrics, connections, audit.database)

        commands = SessionCommands(sessions)
        watch_servicer = WatchServicer(watching, settings.stream_stall_s, signatures)
        turnstile = Turnstile(overload, allowances, None if access is None else access.knows)
        tells_all = settings.log_level == "debug"
        journal = CallJournal(metrics, tracing, tells_all=tells_all)
        command_servicer = CommandServicer(commands, journal, new_change_id, settings.stream_stall_s, turnstile)
        servicers = {
            SESSION_SERVICE: (
                SessionServicer(commands, Listing(sessions, session_index(redis, guard)), signatures),
                watch_servicer,
                command_servicer,
            ),
            TIME_SERVICE: (TimeServicer(clock),),
            TIME_CONTROL_SERVICE: (TimeControlServicer(),),
            AUDIT_SERVICE: (audit.servicer,),
        }
        calls = CallInterceptor(metrics, new_change_id, access, turnstile, tracing, tells_all=tells_all)
        await self._serve(servicers, calls, guard, watching, (watch_servicer, command_servicer), audit.reader)

    def _open_access(self) -> tuple[Access | None, Overload]:
        """Return what tells whose calls are, and what counts them."""
        # For a start that is refused: a server that runs ends its works before what they use.
        self._exit.push_async_callback(self._background.stop)
        overload = opened_overload(self._settings, self._background, self._metrics)
        tell = self._metrics.reloaded
        access = opened_access(self._settings, self.reloading, self._background, tell, self._certificate, overload)
        return access, overload

    def _show_metrics(self) -> None:
        shown = metrics_served(self._metrics, self._settings.metrics_listen, lambda: self._health.is_serving)
        self.metrics_port = self._exit.enter_context(shown)

    def _open_http(self) -> None:
        if self._http is not None or self._settings.http_listen:
            load_gateway()
        if self._http is None and self._settings.http_listen:
            self._http = bound_socket(self._settings.http_listen, reuse_port=self._reuse_port)
        if self._http is not None:
            self._exit.enter_context(self._http)

    def _follow_files(self) -> None:
        if self._tls is not None:
            self.reloading.add(self._tls.files)
        if self.reloading.is_needed:
            self._background.run("files", self.reloading.run)

    def _see_to_unmet(self, store: RedisSessionStore) -> None:
        unmet = UnmetSettlements(Settlements(store, self._settings.lifetimes, new_change_id))
        store.on_unmet(unmet.note)
        self._background.run("unmet settlements", unmet.run)

    def _follow_trail(
        self, pipeline: PipelineParts, store: RedisSessionStore, database: Database | None, *, has_callers: bool
    ) -> None:
        if database is None:
            _log.warning("no_audit_trail", problem="without SYNCKAIROS_DATABASE_URL nobody is told to empty the outbox")
            return
        store.on_commit(pipeline.doorbell.note_commit)
        self._background.run("doorbell", pipeline.doorbell.run)
        self._background.run("outboxes", pipeline.doorbell.look)
        if has_callers:
            # Where everybody may call, an account of the database keeps nobody from anything.
            self._background.run("database account", lambda: tell_account(database))

    async def _open_store(
        self, guard: StoreIdentityGuard, store: RedisSessionStore, durability: RedisDurability
    ) -> None:
        try:
            await guard.open(may_init=self._settings.store_init == "auto")
            await store.now_us()
            await durability.require(self._settings.least_durability)
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
            most_connections=most_connections(settings),
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
        if (trim := system_trim()) is not None:
            self._background.run("leftovers", Leftovers(trim).run)
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

    def _certificate(self, context: Context) -> bytes:
        """Return the certificate (PEM) that the connection of a call has shown; empty for none."""
        if self._front is not None and context.peer().startswith("unix:"):
            return self._front.certificate(peer_of(context))
        return shown_certificate(context)

    def _listen(self, server: grpc.aio.Server) -> int:
        if self._tls is None:
            return server.add_insecure_port(self._settings.listen)
        if self._tls.is_optional:
            return self._listen_in_front(server, self._tls)
        credentials = self._tls.grpc_credentials()
        self._exit.callback(lambda: credentials)  # held until the server has stopped
        return server.add_secure_port(self._settings.listen, credentials)

    def _listen_in_front(self, server: grpc.aio.Server, tls: Tls) -> int:
        room = most_connections(self._settings, files_each=FILES_EACH)
        front = self._front = TlsFront(self._settings.listen, tls.context(GRPC), room, reuse_port=self._reuse_port)
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
    supervisor: int = 0,
) -> None:
    """Run a server until it is asked to stop; then it is gone within delay, grace and CLOSE_S.

    SIGHUP asks it to stop, unless it may reload files instead and has some. It stops without its `supervisor`, too, if
    it has one (a process id).
    """
    server = Server(settings, reuse_port=reuse_port, http=http)
    reload = server.reloading.ask if may_reload else None
    stop = stop_requested(settings.drain_delay_s + settings.drain_grace_s + CLOSE_S, reload)
    await server.start()
    _calm_collector()
    watch = asyncio.ensure_future(end_without(supervisor)) if supervisor else None
    try:
        on_started(server)
        notify(**{READY: 1, METRICS_PORT: server.metrics_port or 0})
        await stop.wait()
        _log.info("stopping")
    finally:
        if watch is not None:
            watch.cancel()
        await server.stop()
