"""The work of a worker, done at once and in the process of the test."""

from collections.abc import Callable, Sequence

from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import database_options
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail
from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.adapters.redis.outbox import RedisOutbox
from synckairos.application.trail.audit import AuditRecord, AuditTrail
from synckairos.settings import Settings
from testing.harness.stores import connections_to

COUNT = 1_000


async def drain(
    settings: Settings,
    lost: Sequence[AuditRecord] = (),
    through: Callable[[AuditTrail], AuditTrail] = lambda trail: trail,
) -> None:
    """Write the entries of the outboxes to the trail, or `through` what is made of it, and `lost` records besides."""
    connections = connections_to(settings.redis_url.get_secret_value(), limit=2)
    database = Database(database_options(settings)._replace(pool_min=0))
    outbox = RedisOutbox(connections, Keys(settings.redis_prefix))
    trail = through(PostgresAuditTrail(database))
    try:
        await trail.write(list(lost))
        while entries := (await outbox.read(range(PARTITIONS), COUNT)).entries:
            await trail.write([entry.record for entry in entries if entry.record is not None])
            await outbox.remove(entries)
    finally:
        await database.close()
        await connections.close()
