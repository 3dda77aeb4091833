"""Commands that read the audit trail, run on five lives."""

import asyncio
import os
from itertools import chain
from pathlib import Path

from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import DatabaseOptions
from synckairos.adapters.postgres.trail.lines import encode_record
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail
from synckairos.application.trail.audit import AuditRecord
from testing.harness.audit_lives import life
from testing.harness.processes.commands import Finished, synckairos
from testing.harness.processes.warm_commands import program

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


async def on_terminal(url: str, *arguments: str, cwd: Path) -> str:
    """Run `synckairos` as if on a wide terminal and return what is to be seen there."""
    master, slave = os.openpty()
    process = await asyncio.create_subprocess_exec(
        program(), *arguments, cwd=cwd, stdout=slave,
        env={**os.environ, "SYNCKAIROS_DATABASE_URL": url, "COLUMNS": "220", "TERM": "xterm", "NO_COLOR": "1"},
    )  # fmt: skip
    os.close(slave)
    seen = await asyncio.to_thread(_read_all, master)
    os.close(master)
    assert await process.wait() == 0, seen
    return seen


def _read_all(master: int) -> str:
    seen = b""
    try:
        while chunk := os.read(master, 65_536):
            seen += chunk
    except OSError:
        # A terminal whose other end is closed is an error on Linux.
        pass
    return seen.decode()
