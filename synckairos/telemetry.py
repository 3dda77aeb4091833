"""Structured logs and metrics."""

import logging
import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any, Final, Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from synckairos.application.pipeline.status import DrainTotals, QueueDepth

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
TOTALS: Final = {
    "written": "Events written to the trail by all workers; its rate is that of the drain.",
    "known": "Events that were brought to the trail once more.",
    "forks": "Forks among the events written.",
    "batches": "Transactions that wrote events.",
    "buried": "Entries that were set aside.",
    "completed": "Messages worked on to the end.",
    "failed": "Attempts at a message that failed.",
    "exhausted": "Messages given up after their last attempt.",
}
"""Of DrainTotals. Every process shows those of the deployment: take their maximum, not their sum."""
SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The library's own variable: the processes that have the same one share their figures, and any shows them all."""
UP: Final = {"store": "store", "database": "audit_database", "broker": "audit_broker"}
BATCH_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
LATENESS_BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.015, 0.03, 0.05, 0.1, 0.25, 1.0, 10.0, 60.0)


def configure_logging(level: str, log_format: str) -> None:
    """Send structured logs to standard error: as JSON, or in colour for a person at a terminal."""
    number = logging.getLevelNamesMapping()[level.upper()]
    for_people = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.processors.JSONRenderer()
    if for_people:
        # The default shows the variables of every frame where rich is installed, tokens and passwords among them.
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    first: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[Any] = [*([] if for_people else [structlog.processors.format_exc_info]), renderer]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *first, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Logs of libraries take the same form.
    handler = logging.StreamHandler(sys.stderr)
    without_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=first, processors=[without_meta, *last]))
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


class _Readings(Collector):
    """What the process that shows it reads of the deployment and of itself; nothing before the first reading."""

    def __init__(self) -> None:
        self.queue: QueueDepth | None = None
        self.totals: DrainTotals | None = None
        self.pools: dict[str, tuple[Callable[[], int], int]] = {}
        self.up: dict[str, bool] = {}

    def collect(self) -> Iterable[Metric]:
        """Yield the build, what is up, messages by state, one counter for each count, and the pools."""
        yield _build_info()
        for what, is_up in self.up.items():
            yield GaugeMetricFamily(f"synckairos_{UP[what]}_up", "Whether the latest look reached it.", value=is_up)
        messages = GaugeMetricFamily(
            "synckairos_audit_messages", "Messages to the workers, by state.", labels=("state",)
        )
        for state, depth in self.queue._asdict().items() if self.queue is not None else ():
            messages.add_metric((state,), depth)
        yield messages
        for name, text in TOTALS.items() if self.totals is not None else ():
            yield CounterMetricFamily(f"synckairos_audit_{name}", text, value=getattr(self.totals, name))
        lent = GaugeMetricFamily("synckairos_pool_lent", "Connections in use now, by pool.", labels=("pool",))
        limit = GaugeMetricFamily("synckairos_pool_limit", "Connections at most, by pool.", labels=("pool",))
        for pool, (count, most) in self.pools.items():
            lent.add_metric((pool,), count())
            limit.add_metric((pool,), most)
        yield from (lent, limit)


def _build_info() -> Metric:
    told = {"version": version("synckairos"), "python": platform.python_version(), "grpcio": version("grpcio")}
    info = GaugeMetricFamily("synckairos_build_info", "What is running; always 1.", labels=tuple(told))
    info.add_metric(tuple(told.values()), 1)
    return info


class Metrics:
    """Prometheus metrics of one process; the observer of calls, store, sweep and streams."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        """What is shown."""
        self._readings = _Readings()
        self.registry.register(self._readings)
        self._own = CollectorRegistry() if SHARED_FOLDER in os.environ else self.registry
        if self._own is self.registry:
            ProcessCollector(registry=self.registry)
        else:
            MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call] # the library's
        calls = self._histogram("call_seconds", "Time of unary calls and streams.", "method", "code", "reason")
        self._calls = cache(calls.labels)  # the library itself takes a lock to find them
        self._lateness = self._histogram(
            "expiry_lateness_seconds",
            "How long after its due instant a boundary was settled.",
            buckets=LATENESS_BUCKETS,
        )
        self.conflict = self._counter("store_conflicts", "Transactions that another process won.").inc
        self.unknown_exec = self._counter("store_unknown_execs", "Connections that broke during a commit.").inc
        self.durability_unmet = self._counter(
            "store_durability_unmet", "Changes stored, but not as durable as asked in time."
        ).inc
        self.broken_commit = self._counter("store_broken_commits", "Transactions applied in part: an alarm.").inc
        self.clock_step_back = self._counter(
            "clock_steps_back", "Steps back of the authority's clock by more than 1 s."
        ).inc
        self.sweep_failed = self._counter("sweep_failures", "Looks or settlements that failed.").inc
        self._repairs = self._counter("index_repairs", "Index entries that were put right.")
        self.tick_dropped = self._counter("ticks_dropped", "Ticks that a newer one replaced before they were read.").inc
        self._batches = self._histogram(
            "store_batch_calls", "Calls that shared one transaction.", buckets=BATCH_BUCKETS
        )
        self._watchers = self._gauge("watchers", "Subscriptions open now.")
        self._outbox = self._gauge("audit_outbox_entries", "Events that are not in the audit trail yet.")
        self._oldest = self._gauge("audit_oldest_seconds", "For how long the oldest of them has waited.")
        self._dead = self._gauge("audit_dead_entries", "Events that could not be written: an alarm.")
        self._sessions = self._gauge(
            "sessions", "Sessions in the store, those that ended and can still be read included."
        )
        self._memory = self._gauge("store_memory_share", "Share of its maxmemory that the store uses.")
        self._ended = self._counter("tasks_ended", "Background work that ended unasked: an alarm.", "task")
        self._held = self._gauge("store_log_held_bytes", "Bytes answered that the store's log has not written.")
        self._syncs = self._gauge("store_log_pending_fsyncs", "Syncs of the store's log under way.")
        self._delays = self._gauge("store_log_delayed_fsyncs", "Writes held back for a sync that took over 2 s, ever.")
        self._lean = self._gauge("grpc_lean", "Whether unary calls take the lean way, past grpc.aio's own loop.")
        self._reloads = self._counter(
            "reloads", "Looks that found files changed, by outcome; broken ones are not used: an alarm.",
            "files", "outcome",
        )  # fmt: skip
        self._gaps = self._counter("gaps", "Gaps sent to subscribers.", "reason")
        refusals = self._counter("refusals", "Calls refused because there were too many, by the limit.", "limit")
        self._refusals = cache(refusals.labels)
        self._calls_limit = self._gauge("calls_limit", "Calls that may be under way now before others are refused.")
        self._queueing = self._histogram(
            "queueing_seconds", "Mean time in each 0.1 s that calls took beyond the quickest of their kind."
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"synckairos_{name}", text, labels, registry=self._own)

    def _histogram(self, name: str, text: str, *labels: str, buckets: Sequence[float] = LATENCY_BUCKETS) -> Histogram:
        return Histogram(f"synckairos_{name}", text, labels, buckets=buckets, registry=self._own)

    def _gauge(self, name: str, text: str) -> Gauge:
        # Of processes that share, all read the same of the deployment: the latest to have looked is right.
        return Gauge(f"synckairos_{name}", text, multiprocess_mode="mostrecent", registry=self._own)

    def call(self, method: str, code: str, reason: str, seconds: float) -> None:
        """Count a finished call."""
        self._calls(method, code, reason).observe(seconds)

    def fired(self, lateness_ms: int) -> None:
        """Measure the lateness of a settlement."""
        self._lateness.observe(lateness_ms / 1_000)

    def repaired(self, entries: int) -> None:
        """Count repaired index entries."""
        self._repairs.inc(entries)

    def watchers(self, count: int) -> None:
        """Show how many subscriptions are open."""
        self._watchers.set(count)

    def refused(self, limit: str) -> None:
        """Count a call that a limit refused."""
        self._refusals(limit).inc()

    def loaded(self, limit: int, queueing_s: float | None) -> None:
        """Show how many calls may be under way, and measure how long they queue."""
        self._calls_limit.set(limit)
        if queueing_s is not None:
            self._queueing.observe(queueing_s)

    def grpc_lean(self, *, is_lean: bool) -> None:
        """Show whether unary calls take the lean way."""
        self._lean.set(is_lean)

    def reloaded(self, files: str, outcome: str) -> None:
        """Count a look that found files changed."""
        self._reloads.labels(files, outcome).inc()

    def task_ended(self, task: str) -> None:
        """Count a background task that ended unasked."""
        self._ended.labels(task).inc()

    def gap(self, reason: str) -> None:
        """Count a gap."""
        self._gaps.labels(reason).inc()

    def outbox(self, length: int, oldest_age_ms: int, dead: int) -> None:
        """Show the length and age of the outboxes."""
        self._outbox.set(length)
        self._oldest.set(oldest_age_ms / 1_000)
        self._dead.set(dead)

    def pipeline(self, queue: QueueDepth | None, totals: DrainTotals, sessions: int) -> None:
        """Show the messages, the counts of all drains, and the sessions in the store."""
        self._readings.queue = queue
        self._readings.totals = totals
        self._sessions.set(sessions)

    def reached(self, what: Literal["store", "database"], *, is_up: bool) -> None:
        """Show whether a store was reached at the latest look."""
        self._readings.up[what] = is_up

    def pool(self, name: str, lent: Callable[[], int], limit: int) -> None:
        """Show how many connections of a pool are in use, whenever it is asked for."""
        self._readings.pools[name] = (lent, limit)

    def serving(self, calls_under_way: Callable[[], int], is_ready: Callable[[], bool]) -> None:
        """Show what a server is doing, whenever it is asked for."""
        under_way = "Calls begun whose answers are not sent yet, streams included."
        self._gauge("calls_under_way", under_way).set_function(calls_under_way)
        self._gauge("ready", "Whether the server says that it is SERVING.").set_function(is_ready)

    def passing_on(self, calls_under_way: Callable[[], int]) -> None:
        """Show what a gateway is doing, whenever it is asked for."""
        under_way = "Calls that have been passed on and not ended, streams included."
        self._gauge("gateway_calls_under_way", under_way).set_function(calls_under_way)
        self._passed = self._histogram("gateway_call_seconds", "Time of calls through the gateway.", "method", "code")

    def gateway_call(self, method: str, code: str, seconds: float) -> None:
        """Measure a call that was passed on."""
        self._passed.labels(method, code).observe(seconds)

    def committed(self, calls: int) -> None:
        """Measure a transaction."""
        self._batches.observe(calls)

    def broker(self, *, is_up: bool) -> None:
        """Show whether the broker can be reached."""
        self._readings.up["broker"] = is_up

    def store_memory(self, share: float) -> None:
        """Show how full the store is."""
        self._memory.set(share)

    def store_log(self, held_bytes: int, pending_fsyncs: int, delayed_fsyncs: int) -> None:
        """Show how far the store's log is behind."""
        self._held.set(held_bytes)
        self._syncs.set(pending_fsyncs)
        self._delays.set(delayed_fsyncs)
