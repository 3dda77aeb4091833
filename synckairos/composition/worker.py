"""The composition root of a worker process; Dramatiq calls `set_up`."""

import gc
import multiprocessing
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import dramatiq
import structlog

from synckairos.adapters.dramatiq.actor import declare_actor, middleware
from synckairos.adapters.dramatiq.alerts import sentry_alerts
from synckairos.adapters.dramatiq.broker import open_broker
from synckairos.adapters.dramatiq.logs import quieten
from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import database_options
from synckairos.adapters.postgres.schema.upkeep import keep_partitions_ahead
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail
from synckairos.application.background import Background
from synckairos.application.pipeline.drain_work import BUDGET_S, DrainWork
from synckairos.application.pipeline.draining import Drain
from synckairos.application.trail.traced import TracedTrail
from synckairos.composition.ending import bound_end_after, end_without
from synckairos.composition.metrics import metrics_served
from synckairos.composition.parts import BROKER_TIMEOUT_S, pipeline_parts, pipeline_watch, show_pools
from synckairos.composition.redis import opened_redis
from synckairos.composition.traces import open_tracing
from synckairos.settings import Settings, load_settings
from synckairos.telemetry import SHARED_FOLDER, Metrics, configure_logging

GC_THRESHOLDS: Final = (50_000, 20, 100)
"""Batches are thousands of tuples without a cycle; at the defaults, looking for cycles takes a fifth of the time."""

END_S: Final = 25.0
"""The most time between the first SIGTERM and the end of a worker process, whatever fails or hangs on the way."""

SERVER_MARK: Final = "served"
"""The file in the shared folder whose maker serves the metrics of all."""

_log = structlog.get_logger(__name__)


def set_up() -> None:
    """Make the broker of this process the global one; Dramatiq calls this in every process it starts.

    Nothing is opened before Dramatiq's event loop runs. Raises SettingsError.
    """
    bound_end_after((signal.SIGTERM, signal.SIGHUP), END_S)
    settings = load_settings()
    for_people = settings.log_format == "auto" and os.isatty(2)  # Dramatiq puts a pipe in the place of stderr
    configure_logging(settings.log_level, "console" if for_people else settings.log_format)
    quieten()
    dsn = settings.sentry_dsn.get_secret_value() if settings.sentry_dsn is not None else None
    chain, loop = middleware(settings.redis_prefix, lambda: open_work(settings), sentry_alerts(dsn))
    broker = open_broker(settings.broker.get_secret_value(), chain, timeout_s=BROKER_TIMEOUT_S)
    declare_actor(broker, settings.redis_prefix, loop)
    dramatiq.set_broker(broker)
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


@asynccontextmanager
async def open_work(settings: Settings) -> AsyncIterator[DrainWork]:
    """Open the connections of a worker on its own event loop; Redis and PostgreSQL may still be away."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(opened_redis(settings, "synckairos-worker"))
        connections, keys = redis
        database = Database(database_options(settings, "synckairos-worker"))
        stack.push_async_callback(database.close)
        metrics = Metrics()
        background = Background(metrics.task_ended)
        listen = _metrics_listen(settings, stack)
        port = stack.enter_context(metrics_served(metrics.registry, listen, lambda: background.is_well))
        parts = pipeline_parts(settings, connections, keys, metrics)
        stack.push_async_callback(parts.bell.close)
        tracing = await open_tracing("synckairos-worker", stack)
        trail = PostgresAuditTrail(database)
        written = trail if tracing is None else TracedTrail(trail, tracing)
        drain = Drain(parts.outbox, written, parts.counters, batch=settings.audit_batch)
        limit_s = 2 * BUDGET_S + settings.database_connect_timeout_s + settings.database_statement_timeout_s
        work = DrainWork(drain, parts.counters, parts.bell, limit_s=limit_s)
        stack.push_async_callback(background.stop)
        # Servers ring; once they are all gone, the worker rings for what they left behind, or drains it by itself.
        background.run("outboxes", lambda: parts.doorbell.look(work.run))
        background.run("partitions", lambda: keep_partitions_ahead(database_options(settings)))
        if port is not None:
            background.run("pipeline watch", pipeline_watch(parts, redis, metrics, database).run)
            show_pools(metrics, connections, database)
        supervisor = multiprocessing.parent_process()
        if supervisor is not None and supervisor.pid is not None:
            background.run("supervisor", partial(end_without, supervisor.pid))
        _log.info("worker_ready", pid=os.getpid(), threads=settings.worker_threads, metrics_port=port)
        yield work
        _log.info("worker_stopping", pid=os.getpid())


def _metrics_listen(settings: Settings, stack: AsyncExitStack) -> str:
    """Return where this process serves metrics: one of those that share a folder does it for all of them."""
    folder = os.environ.get(SHARED_FOLDER)
    if not settings.worker_metrics_listen or folder is None:
        return settings.worker_metrics_listen
    try:
        Path(folder, SERVER_MARK).touch(exist_ok=False)
    except FileExistsError:
        return ""
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return settings.worker_metrics_listen
