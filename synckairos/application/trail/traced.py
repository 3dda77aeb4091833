"""Spans of the way of events into the audit trail: each one's wait in its outbox, and the write they share."""

from collections.abc import Sequence

from synckairos.application.tracing import Tracing
from synckairos.application.trail.audit import AuditRecord, AuditTrail, Written


class TracedTrail:
    """A trail whose writes are followed, as far as what they write is."""

    def __init__(self, inner: AuditTrail, tracing: Tracing) -> None:
        self._inner = inner
        self._tracing = tracing

    async def write(self, records: Sequence[AuditRecord]) -> Written:
        """Write the records in one transaction; raises AuditUnavailable, AuditRefused."""
        followed = [(record.trace, record.event.session.updated_at) for record in records if record.trace]
        waits = self._tracing.waited("outbox", followed)
        with self._tracing.shared(
            "audit write", waits, {"db.system.name": "postgresql", "synckairos.events": len(records)}
        ):
            return await self._inner.write(records)
