"""`synckairos audit` run on a trail of five lives."""

from itertools import chain
from pathlib import Path

from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import DatabaseOptions
from synckairos.adapters.postgres.trail.lines import encode_record
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail
from synckairos.application.trail.audit import AuditRecord
from testing.harness.audit_lives import life
from testing.harness.processes.commands import Finished, synckairos

NO_REDIS = "redis://127.0.0.1:1"
LIVES = 5
RECORDS = list(chain.from_iterable(life(number) for number in range(LIVES)))
LINES = [encode_record(record) for record in RECORDS]


async def write(url: str, records: list[AuditRecord]) -> None:
    """Write records to a trail."""
    database = Database(DatabaseOptions(url, pool_min=0))
    await PostgresAuditTrail(database).write(records)
    await database.close()


async def audit(url: str, *arguments: str, cwd: Path) -> Finished:
    """Run `synckairos audit` on a database; there is no Redis."""
    return await synckairos(
        "audit", *arguments, redis_url=NO_REDIS, cwd=cwd, SYNCKAIROS_DATABASE_URL=url, SYNCKAIROS_DATABASE_TLS="auto"
    )
