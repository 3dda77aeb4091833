"""Whether the store's disk keeps up: while it does not, the end of the store's process loses answered changes."""

from typing import Final

import structlog

from synckairos.application.observers import PipelineObserver

LOOKS: Final = 3
"""Looks in a row, a second apart, that must agree: a sync that is under way at one of them is nothing unusual."""

_log = structlog.get_logger(__name__)


class DiskWatch:
    """Tells metrics, log and health when answered changes wait for the store's disk."""

    def __init__(self, observer: PipelineObserver) -> None:
        self._observer = observer
        self._delayed: int | None = None
        self._looks = 0
        """In a row: with a sync under way or another sign (positive), or without any (negative)."""
        self.is_slow = False

    def note(self, held_bytes: int, pending_fsyncs: int, delayed_fsyncs: int, *, is_written: bool) -> None:
        """Take note of a look at the store's log; `is_written` says whether its latest write went well."""
        self._observer.store_log(held_bytes, pending_fsyncs, delayed_fsyncs)
        is_behind = not is_written or (self._delayed is not None and delayed_fsyncs > self._delayed)
        self._delayed = delayed_fsyncs
        self._looks = max(0, self._looks) + 1 if pending_fsyncs or is_behind else min(0, self._looks) - 1
        if is_behind or self._looks >= LOOKS:
            self._turn(is_slow=True, delayed_fsyncs=delayed_fsyncs)
        elif self._looks <= -LOOKS:
            self._turn(is_slow=False, delayed_fsyncs=delayed_fsyncs)

    def _turn(self, *, is_slow: bool, delayed_fsyncs: int) -> None:
        if is_slow != self.is_slow:
            self.is_slow = is_slow
            _log.log(40 if is_slow else 20, "store_disk", is_slow=is_slow, delayed_fsyncs=delayed_fsyncs)
