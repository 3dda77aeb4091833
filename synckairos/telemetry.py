"""Structured logs and metrics."""

import logging
import sys
from collections.abc import Iterable
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
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
LATENESS_BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.015, 0.03, 0.05, 0.1, 0.25, 1.0, 10.0, 60.0)


def configure_logging(level: str, log_format: str) -> None:
    """Send structured logs to standard error: as JSON, or in colour for a person at a terminal."""
    number = logging.getLevelNamesMapping()[level.upper()]
    for_people = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if for_people else structlog.processors.JSONRenderer()
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


class _Totals(Collector):
    """The counts of all drains of the deployment, as every process reads them; nothing before the first reading."""

    def __init__(self) -> None:
        self.totals: DrainTotals | None = None

    def collect(self) -> Iterable[Metric]:
        """Yield one counter for each count."""
        for name, text in TOTALS.items() if self.totals is not None else ():
            yield CounterMetricFamily(f"synckairos_audit_{name}", text, value=getattr(self.totals, name))


class Metrics:
    """Prometheus metrics of one process; the observer of calls, store, sweep and streams."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._calls = Histogram(
            "synckairos_call_seconds", "Time of unary calls and streams.", ("method", "code", "reason"),
            buckets=LATENCY_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._call_labels: dict[tuple[str, str, str], Histogram] = {}
        self._lateness = Histogram(
            "synckairos_expiry_lateness_seconds", "How long after its due instant a boundary was settled.",
            buckets=LATENESS_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._conflicts = self._counter("store_conflicts", "Transactions that another process won.")
        self._unknown = self._counter("store_unknown_execs", "Connections that broke during a commit.")
        self._broken = self._counter("store_broken_commits", "Transactions applied in part: an alarm.")
        self._steps = self._counter("clock_steps_back", "Steps back of the authority's clock by more than 1 s.")
        self._sweeps = self._counter("sweep_failures", "Looks or settlements that failed.")
        self._repairs = self._counter("index_repairs", "Index entries that were put right.")
        self._watchers = Gauge("synckairos_watchers", "Subscriptions open now.", registry=self.registry)
        self._outbox = self._gauge("audit_outbox_entries", "Events that are not in the audit trail yet.")
        self._oldest = self._gauge("audit_oldest_seconds", "For how long the oldest of them has waited.")
        self._dead = self._gauge("audit_dead_entries", "Events that could not be written: an alarm.")
        self._broker = self._gauge("audit_broker_up", "Whether the latest attempt reached the broker.")
        self._messages = Gauge(
            "synckairos_audit_messages", "Messages to the workers, by state.", ("state",), registry=self.registry
        )
        self._totals = _Totals()
        self.registry.register(self._totals)
        self._sessions = self._gauge(
            "sessions", "Sessions in the store, those that ended and can still be read included."
        )
        self._memory = self._gauge("store_memory_share", "Share of its maxmemory that the store uses.")
        self._ended = Counter(
            "synckairos_tasks_ended", "Background work that ended unasked: an alarm.", ("task",), registry=self.registry
        )
        self._held = self._gauge("store_log_held_bytes", "Bytes answered that the store's log has not written.")
        self._syncs = self._gauge("store_log_pending_fsyncs", "Syncs of the store's log under way.")
        self._delays = self._gauge("store_log_delayed_fsyncs", "Writes held back for a sync that took over 2 s, ever.")
        self._lean = self._gauge("grpc_lean", "Whether unary calls take the lean way, past grpc.aio's own loop.")
        self._reloads = Counter(
            "synckairos_reloads", "Looks that found files changed, by outcome; broken ones are not used: an alarm.",
            ("files", "outcome"), registry=self.registry,
        )  # fmt: skip
        self._gaps = Counter("synckairos_gaps", "Gaps sent to subscribers.", ("reason",), registry=self.registry)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"synckairos_{name}", text, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"synckairos_{name}", text, registry=self.registry)

    def call(self, method: str, code: str, reason: str, seconds: float) -> None:
        """Count a finished call."""
        key = (method, code, reason)
        labelled = self._call_labels.get(key)
        if labelled is None:
            labelled = self._call_labels[key] = self._calls.labels(*key)
        labelled.observe(seconds)

    def conflict(self) -> None:
        """Count a lost race."""
        self._conflicts.inc()

    def unknown_exec(self) -> None:
        """Count a broken commit connection."""
        self._unknown.inc()

    def broken_commit(self) -> None:
        """Count a partly applied transaction."""
        self._broken.inc()

    def clock_step_back(self) -> None:
        """Count a step back of the clock."""
        self._steps.inc()

    def fired(self, lateness_ms: int) -> None:
        """Measure the lateness of a settlement."""
        self._lateness.observe(lateness_ms / 1_000)

    def sweep_failed(self) -> None:
        """Count a failed look or settlement."""
        self._sweeps.inc()

    def repaired(self, entries: int) -> None:
        """Count repaired index entries."""
        self._repairs.inc(entries)

    def watchers(self, count: int) -> None:
        """Show how many subscriptions are open."""
        self._watchers.set(count)

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
        self._messages.clear()
        for state, depth in queue._asdict().items() if queue is not None else ():
            self._messages.labels(state).set(depth)
        self._totals.totals = totals
        self._sessions.set(sessions)

    def broker(self, *, is_up: bool) -> None:
        """Show whether the broker can be reached."""
        self._broker.set(is_up)

    def store_memory(self, share: float) -> None:
        """Show how full the store is."""
        self._memory.set(share)

    def store_log(self, held_bytes: int, pending_fsyncs: int, delayed_fsyncs: int) -> None:
        """Show how far the store's log is behind."""
        self._held.set(held_bytes)
        self._syncs.set(pending_fsyncs)
        self._delays.set(delayed_fsyncs)
