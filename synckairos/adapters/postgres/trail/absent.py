"""The audit trail of a deployment that keeps none."""

from collections.abc import Sequence
from typing import NoReturn

from synckairos.application.errors import AuditUnavailable
from synckairos.application.trail.audit import (
    AuditedEvent,
    AuditedSession,
    EventQuery,
    ParticipantQuery,
    SessionAudit,
    SessionQuery,
)
from synckairos.domain.model import Session


class AbsentAuditTrail:
    """The port AuditReader without a database: every method raises AuditUnavailable."""

    async def events(self, _query: EventQuery) -> list[AuditedEvent]:
        """Raise AuditUnavailable."""
        _refuse()

    async def participant_events(self, _query: ParticipantQuery) -> list[AuditedEvent]:
        """Raise AuditUnavailable."""
        _refuse()

    async def session(self, _session_id: str) -> SessionAudit | None:
        """Raise AuditUnavailable."""
        _refuse()

    async def sessions(self, _query: SessionQuery) -> list[AuditedSession]:
        """Raise AuditUnavailable."""
        _refuse()

    async def latest(self, _session_ids: Sequence[str]) -> list[Session | None]:
        """Raise AuditUnavailable."""
        _refuse()

    async def unfinished(self, _after: str, _count: int) -> list[Session]:
        """Raise AuditUnavailable."""
        _refuse()


def _refuse() -> NoReturn:
    raise AuditUnavailable("this deployment keeps no audit trail: it has no database")
