"""The audit trail of a deployment that keeps none."""

from typing import NoReturn

from synckairos.application.errors import AuditUnavailable


class AbsentAuditTrail:
    """The port AuditReader without a database: every method raises AuditUnavailable."""

    async def _refuse(self, *_: object) -> NoReturn:
        raise AuditUnavailable("this deployment keeps no audit trail: it has no database")

    events = participant_events = session = sessions = latest = unfinished = _refuse
