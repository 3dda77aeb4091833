"""What the inside reports about itself; whoever composes the process decides where it goes."""

from typing import Protocol


class StoreObserver(Protocol):
    """Hears what becomes of transactions."""

    def conflict(self) -> None:
        """Another process won the race for a session."""

    def unknown_exec(self) -> None:
        """A connection broke during a commit."""

    def broken_commit(self) -> None:
        """A transaction was applied in part: an alarm."""

    def clock_step_back(self) -> None:
        """The authority's clock stepped back by more than a second."""


class SweepObserver(Protocol):
    """Hears what the sweep does."""

    def fired(self, lateness_ms: int) -> None:
        """A boundary was settled this long after it was due."""

    def sweep_failed(self) -> None:
        """A look at the deadlines failed."""

    def repaired(self, entries: int) -> None:
        """Index entries were put right."""


class WatchObserver(Protocol):
    """Hears what the streams do."""

    def watchers(self, count: int) -> None:
        """This many subscriptions are open now."""

    def gap(self, reason: str) -> None:
        """A subscriber was told of a gap."""
