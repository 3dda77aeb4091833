"""The composition root of a server: everything is opened, connected and closed here, in one order and its reverse."""

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple, TypeAlias

import grpc
import structlog

from synckairos.adapters.ids import new_change_id
from synckairos.adapters.postgres.database import Database
from synckairos.adapters.redis.condition import RedisCondition
from synckairos.adapters.redis.store import RedisSessionStore
from synckairos.application.admission.overload import Overload
from synckairos.application.background import Background
from synckairos.application.concurrency import all_of
from synckairos.application.errors import StoreUnavailable
from synckairos.application.retry_delays import DRAINED_MS
from synckairos.application.sessions import Settlements
from synckairos.application.slow_disk import DiskWatch
from synckairos.application.tracing import Tracing
from synckairos.application.trail.audit import AuditReader
from synckairos.application.unmet_settlements import UnmetSettlements
from synckairos.composition.admission import opened_allowances, opened_overload
from synckairos.composition.database_account import tell_account
from synckairos.composition.identity import opened_access
from synckairos.composition.listeners.exposure import require_protection
from synckairos.composition.listeners.grpc_port import GrpcPort
from synckairos.composition.listeners.http_port import bound_socket, load_gateway, local_http
from synckairos.composition.listeners.listening import most_connections
from synckairos.composition.listeners.tls import Tls, opened_tls
from synckairos.composition.memory_trim import MemoryTrim, system_trim
from synckairos.composition.metrics import metrics_served
from synckairos.composition.parts import (
    AuditParts,
    PipelineParts,
    audit_parts,
    pipeline_parts,
    pipeline_watch,
    show_pools,
    tell_health,
)
from synckairos.composition.readiness import Readiness, store_probe
from synckairos.composition.redis import opened_redis
from synckairos.composition.reloading import Reloading
from synckairos.composition.session_parts import SessionParts, session_parts
from synckairos.composition.supervision.sd_notify import SERVING, notify
from synckairos.composition.traces import open_tracing
from synckairos.rpc.admission.access import Access
from synckairos.rpc.admission.turnstile import Turnstile
from synckairos.rpc.controls.servicer import TimeControlServicer
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
from synckairos.rpc.streams.command_servicer import CommandServicer
from synckairos.rpc.streams.watch_servicer import WatchServicer
from synckairos.rpc.time_servicer import TimeServicer
from synckairos.rpc.token_signatures import Signatures
from synckairos.settings import Settings, join_address, split_address
from synckairos.telemetry import Metrics

Work: TypeAlias = Coroutine[Any, Any, None]

_log = structlog.get_logger(__name__)


class Services(NamedTuple):
    """What answers calls, and what of it has to be told when the server stops."""

    servicers: Mapping[Any, Any]
    calls: CallInterceptor
    parts: SessionParts
    trail: AuditReader
    watch_servicer: WatchServicer
    command_servicer: CommandServicer


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
        self._port = GrpcPort(settings, reuse_port=reuse_port)
        self.reloading = Reloading()
        self.metrics_port: int | None = None

    @property
    def port(self) -> int:
        """The port that it listens at; 0 before it is started."""
        return self._port.number

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
        allowances = opened_allowances(settings, redis, self.reloading, self._background, metrics)
        parts = session_parts(settings, redis, allowances, self._background, metrics, tracing)
        pipeline = pipeline_parts(settings, *redis, metrics)
        self._exit.push_async_callback(pipeline.bell.close)
        signatures = Signatures(settings.token_keys)
        audit = audit_parts(settings, parts.store, parts.clock, pipeline, *redis, signatures)
        if audit.database is not None:
            self._exit.push_async_callback(audit.database.close)
        await self._open_store(parts)
        self._run_sessions(parts)
        self._follow_files()
        self._follow_trail(pipeline, parts.store, audit.database, has_callers=access is not None)
        if settings.metrics_listen:
            self._background.run("pipeline watch", pipeline_watch(pipeline, redis, metrics, audit.database).run)
            show_pools(metrics, redis.connections, audit.database)
        turnstile = Turnstile(overload, allowances, None if access is None else access.knows)
        await self._serve(self._services(parts, audit, signatures, turnstile, access, tracing))

    def _run_sessions(self, parts: SessionParts) -> None:
        """Run what serves sessions without being called."""
        store, redis, may_init = parts.store, parts.redis, self._settings.store_init == "auto"
        self._exit.push_async_callback(parts.watching.stop)
        self._exit.push_async_callback(parts.sweep.stop)
        self._exit.push_async_callback(self._background.stop)
        condition, watch = RedisCondition(redis.connections), DiskWatch(self._metrics)
        probe = store_probe(store, condition, parts.limit, watch, self._health)
        self._background.run("guard", lambda: parts.guard.watch(probe, may_init=may_init))
        self._background.run("feed", lambda: parts.feed.listen(parts.watching.hint))
        self._background.run("poll", parts.watching.poll)
        self._background.run("sweep", parts.sweep.run)
        unmet = UnmetSettlements(Settlements(store, self._settings.lifetimes, new_change_id))
        store.on_unmet(unmet.note)
        self._background.run("unmet settlements", unmet.run)

    def _services(
        self,
        parts: SessionParts,
        audit: AuditParts,
        signatures: Signatures,
        turnstile: Turnstile,
        access: Access | None,
        tracing: Tracing | None,
    ) -> Services:
        """Return what answers calls."""
        metrics, stall_s = self._metrics, self._settings.stream_stall_s
        tells_all = self._settings.log_level == "debug"
        commands, journal = SessionCommands(parts.sessions), CallJournal(metrics, tracing, tells_all=tells_all)
        watching = WatchServicer(parts.watching, stall_s, signatures)
        commanding = CommandServicer(commands, journal, new_change_id, stall_s, turnstile)
        servicers = {
            SESSION_SERVICE: (SessionServicer(commands, parts.listing, signatures), watching, commanding),
            TIME_SERVICE: (TimeServicer(parts.clock),),
            TIME_CONTROL_SERVICE: (TimeControlServicer(),),
            AUDIT_SERVICE: (audit.servicer,),
        }
        calls = CallInterceptor(metrics, new_change_id, access, turnstile, tracing, tells_all=tells_all)
        return Services(servicers, calls, parts, audit.reader, watching, commanding)

    def _open_access(self) -> tuple[Access | None, Overload]:
        """Return what tells whose calls are, and what counts them."""
        # For a start that is refused: a server that runs ends its works before what they use.
        self._exit.push_async_callback(self._background.stop)
        overload = opened_overload(self._settings, self._background, self._metrics)
        tell = self._metrics.reloaded
        access = opened_access(self._settings, self.reloading, self._background, tell, self._port.certificate, overload)
        return access, overload

    def _show_metrics(self) -> None:
        shown = metrics_served(self._metrics.registry, self._settings.metrics_listen, lambda: self._health.is_serving)
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

    async def _open_store(self, parts: SessionParts) -> None:
        try:
            await parts.guard.open(may_init=self._settings.store_init == "auto")
            await parts.store.now_us()
            await parts.durability.require(self._settings.least_durability)
        except StoreUnavailable as error:
            _log.warning("store_not_ready", problem=str(error))

    async def _serve(self, services: Services) -> None:
        server = self._listening(services)
        health, calls = self._health, services.calls
        readiness = Readiness(services.parts.guard, self._background, health)
        await readiness.tell()
        await health.set_audit(is_ready=False)
        self._background.run("health", readiness.follow)
        self._background.run("audit health", lambda: tell_health(services.trail, health))
        if (trim := system_trim()) is not None:
            self._background.run("leftovers", MemoryTrim(trim).run)
        await server.start()
        await self._port.start()
        grace_s = self._settings.drain_grace_s
        stops: list[Callable[[], Work]] = [
            lambda: stop_server(server, lambda: calls.under_way, grace_s, services.command_servicer.ended()),
            self._port.close,
        ]
        if self._http is not None:
            handlers = answering_handlers(services.servicers, calls)
            http = local_http(handlers, lambda: health.is_serving, self._settings, self._http, self._tls)
            await http.start()
            stops.append(http.stop)
        self._exit.push_async_callback(lambda: all_of([stop() for stop in stops]))
        self._exit.push_async_callback(lambda: self._drain(services))
        _log.info("serving", address=self.address, ready=services.parts.guard.is_ready)

    def _listening(self, services: Services) -> grpc.aio.Server:
        """Return gRPC's server, which listens and is not started."""
        calls, health, settings = services.calls, self._health, self._settings
        server = build_server(
            services.servicers,
            calls,
            health,
            reuse_port=self._reuse_port,
            most_connections=most_connections(settings),
            may_be_lean=settings.grpc_lean,
            has_reflection=settings.reflection != "off",
        )
        self._metrics.serving(lambda: calls.under_way, lambda: health.is_serving)
        self._metrics.grpc_lean(is_lean=isinstance(server, LeanServer))
        self._exit.push_async_callback(self._port.stop)
        self._port.open(server, self._tls)
        return server

    async def _drain(self, services: Services) -> None:
        """Let clients turn away: gRPC cuts off calls that arrive while the server closes."""
        await self._health.drain()
        services.watch_servicer.drain()
        services.command_servicer.drain()
        services.parts.watching.drain(lambda: random.randint(*DRAINED_MS))  # noqa: S311 - spreads the load, not a secret
        await asyncio.sleep(self._settings.drain_delay_s)
