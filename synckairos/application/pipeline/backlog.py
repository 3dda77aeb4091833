"""How full the store may get with changes that have not reached the audit trail.

The store's memory is the buffer while the database is away. Operators are told long before it is full, callers just
before: a refusal with a reason is better than the store's own out-of-memory error, and changes that fall due by
themselves keep the room that is left.
"""

from typing import Final

import structlog

from synckairos.application.errors import AuditBacklog
from synckairos.application.observers import PipelineObserver

WARNING_SHARE: Final = 0.5
REFUSING_SHARE: Final = 0.9
MARGIN: Final = 0.02
"""How far the share must fall below a limit to count as below, so that it is not logged every second."""

_log = structlog.get_logger(__name__)


class BacklogLimit:
    """Keeps how full the store is, and decides whether callers may change anything."""

    def __init__(self, observer: PipelineObserver) -> None:
        self._observer = observer
        self._share = 0.0
        self._limit = 0.0

    def note(self, share: float | None) -> None:
        """Take note of the used share of the store's memory (0 to 1); None if it has no bound or is unknown."""
        self._share = share or 0.0
        self._observer.store_memory(self._share)
        limit = max((one for one in (WARNING_SHARE, REFUSING_SHARE) if self._share >= one), default=0.0)
        if limit == self._limit or self._limit - MARGIN < self._share < self._limit:
            return
        self._limit = limit
        level = {0.0: 20, WARNING_SHARE: 30, REFUSING_SHARE: 50}[limit]
        _log.log(level, "store_memory", share=round(self._share, 3), refusing=limit == REFUSING_SHARE)

    def require(self) -> None:
        """Raise AuditBacklog unless callers may change something."""
        if self._limit == REFUSING_SHARE:
            raise AuditBacklog(
                f"the store is {self._share:.0%} full: changes wait for the audit trail to take what is there"
            )
