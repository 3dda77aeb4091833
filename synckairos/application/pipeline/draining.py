"""From the outbox to the audit trail: read, write in one transaction, remove, until nothing is left.

Interrupted work is done again: an entry leaves only after the commit, and writing is idempotent. An entry that can
never be written must not hold up the rest: a refused batch is halved until that entry stands alone, and it is buried
with its reason.
"""

import contextlib
import time
from collections.abc import Sequence

import structlog

from synckairos.application.errors import AuditRefused, StoreUnavailable
from synckairos.application.pipeline.status import DrainCounters
from synckairos.application.trail.audit import AuditRecord, AuditTrail, Outbox, OutboxEntry

_log = structlog.get_logger(__name__)


class Drain:
    """Moves events to the audit trail; any number may work on the same partitions."""

    def __init__(self, outbox: Outbox, trail: AuditTrail, counters: DrainCounters, *, batch: int) -> None:
        self._outbox = outbox
        self._trail = trail
        self._counters = counters
        self._batch = batch
        self._is_stopping = False

    def stop(self) -> None:
        """Finish the present batch and begin no other; may be called from another thread."""
        self._is_stopping = True

    async def run(self, partitions: Sequence[int], until: float) -> list[int]:
        """Drain until nothing is left, or until `until` (monotonic seconds); return the partitions that may hold more.

        Raises AuditUnavailable and StoreUnavailable; entries written by then have been removed.
        """
        left = list(partitions)
        while left and not self._is_stopping and time.monotonic() < until:
            batch = await self._outbox.read(left, max(1, self._batch // len(left)))
            await self._carry(batch.entries)
            left = sorted(batch.more)
        return left

    async def _carry(self, entries: Sequence[OutboxEntry]) -> None:
        readable: list[tuple[OutboxEntry, AuditRecord]] = []
        for entry in entries:
            if entry.record is None:
                await self._bury(entry, entry.problem)
            else:
                readable.append((entry, entry.record))
        for start in range(0, len(readable), self._batch):
            await self._write(readable[start : start + self._batch])

    async def _write(self, readable: Sequence[tuple[OutboxEntry, AuditRecord]]) -> None:
        try:
            written = await self._trail.write([record for _, record in readable])
        except AuditRefused as refused:
            if len(readable) == 1:
                await self._bury(readable[0][0], str(refused))
                return
            middle = len(readable) // 2
            await self._write(readable[:middle])
            await self._write(readable[middle:])
            return
        await self._outbox.remove([entry for entry, _ in readable])
        # Of a cluster, the node that has the counts may be away: no partition of another one waits for that.
        with contextlib.suppress(StoreUnavailable):
            await self._counters.wrote(written)

    async def _bury(self, entry: OutboxEntry, reason: str) -> None:
        _log.error("audit_entry_buried", partition=entry.partition, entry=entry.entry_id, reason=reason)
        await self._outbox.bury(entry, reason)
        with contextlib.suppress(StoreUnavailable):
            await self._counters.buried(reason)
