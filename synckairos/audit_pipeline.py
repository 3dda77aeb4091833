"""What servers and workers compose of the way to the audit trail: outboxes, ledger, doorbell."""

import asyncio
from typing import NamedTuple

from synckairos.adapters.dramatiq_broker import open_broker
from synckairos.adapters.dramatiq_doorbell import DramatiqBell
from synckairos.adapters.postgres_database import Database
from synckairos.adapters.redis_connections import RedisConnections
from synckairos.adapters.redis_keys import Keys, partition_of
from synckairos.adapters.redis_ledger import RedisLedger
from synckairos.adapters.redis_outbox import RedisOutbox
from synckairos.application.doorbell import Doorbell
from synckairos.application.errors import AuditUnavailable
from synckairos.application.pipeline import PipelineReport
from synckairos.application.telemetry import PipelineObserver
from synckairos.settings import Settings

BROKER_TIMEOUT_S = 2.0
DATABASE_PATIENCE_S = 2.0
"""For saying how the pipeline is doing; a database that hangs counts as one that is away."""


class PipelineParts(NamedTuple):
    """The parts, put together but not running; the bell is to be closed."""

    outbox: RedisOutbox
    ledger: RedisLedger
    bell: DramatiqBell
    doorbell: Doorbell


def pipeline_parts(
    settings: Settings, connections: RedisConnections, keys: Keys, observer: PipelineObserver
) -> PipelineParts:
    """Put the parts together; nothing is connected yet."""
    broker = open_broker(settings.broker.get_secret_value(), timeout_s=BROKER_TIMEOUT_S)
    outbox = RedisOutbox(connections, keys)
    bell = DramatiqBell(broker, keys.prefix)
    doorbell = Doorbell(bell, outbox, partition_of, observer)
    return PipelineParts(outbox, RedisLedger(connections, keys), bell, doorbell)


def pipeline_report(parts: PipelineParts, database: Database | None) -> PipelineReport:
    """Return what tells how the pipeline is doing; without a database, that there is none."""
    if database is None:
        return PipelineReport(parts.outbox, parts.ledger, None, None)

    async def check() -> None:
        try:
            async with asyncio.timeout(DATABASE_PATIENCE_S):
                health = await database.health()
        except TimeoutError as error:
            raise AuditUnavailable("the database does not answer") from error
        if not health.is_up:
            raise AuditUnavailable(f"the database cannot be used: {health.problem}")

    return PipelineReport(parts.outbox, parts.ledger, parts.bell, check)
