"""What operators do to the trail itself, kept beside it: discarding an entry, erasing a person's data."""

from typing import Final

from msgspec.json import encode as encode_json

from synckairos.adapters.postgres.database import Database, Statement
from synckairos.application.trail.audit import OperatorAction

RECORD: Final = Statement(
    "audit: record action",
    """
    INSERT INTO sync_operator_actions (id, action, operator, reason, details, tenant)
    VALUES ($1::uuid, $2, $3, $4, $5::jsonb, $6)
    ON CONFLICT (id) DO NOTHING
    """,
)


class PostgresOperatorActions:
    """The record of what operators did."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, action: OperatorAction) -> None:
        """Keep an action, once however often it is recorded; raises AuditUnavailable, AuditRefused."""
        await self._database.fetch(RECORD, *values_of(action))


def values_of(action: OperatorAction) -> tuple[str, str, str, str, str, str]:
    """Return the values of RECORD."""
    # The one character that JSONB cannot hold; an entry's bytes are in hexadecimal digits anyway.
    details = encode_json(action.details).decode().replace("\\u0000", "\\ufffd")
    return action.action_id, action.name, action.operator, action.reason, details, action.tenant
