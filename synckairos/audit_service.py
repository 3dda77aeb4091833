"""What a server composes of the audit trail: the database, who reads it, the service in front of it."""

import asyncio
from typing import Final, NamedTuple

from synckairos.adapters.audit_absent import AbsentAuditTrail
from synckairos.adapters.ids import new_change_id
from synckairos.adapters.postgres_audit_reader import PostgresAuditReader
from synckairos.adapters.postgres_database import Database
from synckairos.adapters.postgres_options import database_options
from synckairos.adapters.redis_connections import RedisConnections
from synckairos.adapters.redis_keys import Keys
from synckairos.adapters.redis_unwritten import RedisUnwritten
from synckairos.application.audit import AuditReader
from synckairos.application.errors import AuditUnavailable
from synckairos.application.ports import AuthorityClock, SessionStore
from synckairos.application.recovery import Recovery
from synckairos.audit_pipeline import PipelineParts, pipeline_report
from synckairos.rpc.audit_servicer import AuditServicer
from synckairos.rpc.server import Health
from synckairos.settings import Settings

LOOK_S: Final = 2.0
"""Between two looks at whether the trail can be read."""
PATIENCE_S: Final = 5.0
"""For one look; a database that hangs counts as one that is away."""
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


class AuditParts(NamedTuple):
    """The parts; nothing is connected yet, and the database, if there is one, is to be closed."""

    servicer: AuditServicer
    reader: AuditReader
    database: Database | None


def audit_parts(
    settings: Settings,
    store: SessionStore,
    clock: AuthorityClock,
    pipeline: PipelineParts,
    connections: RedisConnections,
    keys: Keys,
) -> AuditParts:
    """Put the parts together; raises DatabaseOptionsError for a database that can never be reached like this."""
    database = None if settings.database_url is None else Database(database_options(settings))
    reader = AbsentAuditTrail() if database is None else PostgresAuditReader(database)
    recovery = Recovery(store, reader, RedisUnwritten(connections, keys), settings.lifetimes, new_change_id)
    servicer = AuditServicer(reader, pipeline_report(pipeline, database), recovery, clock.now_us)
    return AuditParts(servicer, reader, database)


async def tell_health(reader: AuditReader, health: Health) -> None:
    """Keep telling whether the trail can be read: tables and all, not only a server that answers."""
    told: bool | None = None
    while True:
        is_ready = await _can_be_read(reader)
        if is_ready is not told:
            await health.set_audit(is_ready=is_ready)
            told = is_ready
        await asyncio.sleep(LOOK_S)


async def _can_be_read(reader: AuditReader) -> bool:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await reader.latest([_NOBODY])
    except (AuditUnavailable, TimeoutError):
        return False
    return True
