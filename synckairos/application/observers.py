"""What the use cases report about themselves; the composition decides where it goes."""

from typing import Literal, Protocol

from synckairos.application.pipeline.status import DrainTotals, QueueDepth


class StoreObserver(Protocol):
    """Hears of transactions."""

    def committed(self, calls: int) -> None:
        """A transaction has carried out so many calls."""

    def conflict(self) -> None:
        """Another process won the race for a session."""

    def unknown_exec(self) -> None:
        """A connection broke during a commit."""

    def durability_unmet(self) -> None:
        """Changes of a session are stored, but were not as durable as asked in time."""

    def broken_commit(self) -> None:
        """A transaction was applied in part: an alarm."""

    def clock_step_back(self) -> None:
        """The authority's clock stepped back by more than a second."""


class SweepObserver(Protocol):
    """Hears of the sweep."""

    def fired(self, lateness_ms: int) -> None:
        """A boundary was settled this long after it was due."""

    def sweep_failed(self) -> None:
        """A look at the deadlines failed."""

    def repaired(self, entries: int) -> None:
        """Index entries were put right."""


class WatchObserver(Protocol):
    """Hears of streams."""

    def watchers(self, count: int) -> None:
        """This many subscriptions are open now."""

    def tick_dropped(self) -> None:
        """A tick gave way to a newer one before it was read."""

    def gap(self, reason: str) -> None:
        """A subscriber was told of a gap."""


class PipelineObserver(Protocol):
    """Hears of the audit pipeline."""

    def outbox(self, length: int, oldest_age_ms: int, dead: int) -> None:
        """The number of waiting entries, the age of the oldest, and the number of dead ones."""

    def reached(self, what: Literal["store", "database"], *, is_up: bool) -> None:
        """Redis or PostgreSQL can be reached, or not any more."""

    def broker(self, *, is_up: bool) -> None:
        """The broker of the doorbell messages can be reached, or not any more."""

    def pipeline(self, queue: QueueDepth | None, totals: DrainTotals, sessions: int) -> None:
        """The messages (None: the broker cannot be reached), the counts of all drains, the sessions in the store."""

    def store_memory(self, share: float) -> None:
        """The store uses this share (0 to 1) of the memory it may use."""

    def store_log(self, held_bytes: int, pending_fsyncs: int, delayed_fsyncs: int) -> None:
        """The store's log holds back bytes, has syncs under way, and has ever held back so many writes for its disk."""
