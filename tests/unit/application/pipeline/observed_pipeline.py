"""What the audit pipeline has reported."""

from dataclasses import dataclass, field
from typing import Literal

from synckairos.application.pipeline.status import DrainTotals, QueueDepth


@dataclass
class ObservedPipeline:
    """PipelineObserver that keeps every report."""

    outboxes: list[tuple[int, int, int]] = field(default_factory=list)
    brokers: list[bool] = field(default_factory=list)
    pipelines: list[tuple[QueueDepth | None, DrainTotals, int]] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def outbox(self, length: int, oldest_age_ms: int, dead: int) -> None:
        """Keep it."""
        self.outboxes.append((length, oldest_age_ms, dead))

    def reached(self, what: Literal["store", "database"], *, is_up: bool) -> None:
        """Keep nothing of it."""

    def broker(self, *, is_up: bool) -> None:
        """Keep it."""
        self.brokers.append(is_up)

    def pipeline(self, queue: QueueDepth | None, totals: DrainTotals, sessions: int) -> None:
        """Keep it."""
        self.pipelines.append((queue, totals, sessions))

    def store_memory(self, share: float) -> None:
        """Keep it."""
        self.shares.append(share)

    def store_log(self, held_bytes: int, pending_fsyncs: int, delayed_fsyncs: int) -> None:
        """The store's log is so far behind."""
        self.log = (held_bytes, pending_fsyncs, delayed_fsyncs)
