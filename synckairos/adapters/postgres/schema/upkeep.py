"""What is done to the tables beside their migrations: rights, and partitions that exist before their month begins."""

import asyncio
import random
from typing import Final

import asyncpg
import structlog

from synckairos.adapters.postgres.options import DatabaseOptions
from synckairos.adapters.postgres.schema.book import MigrationOptions, connected, take_lock
from synckairos.adapters.postgres.schema.files import MigrationError
from synckairos.adapters.postgres.schema.partitions import ensure_partitions
from synckairos.adapters.postgres.schema.rights import Accounts, grant_rights

EVERY_S: Final = 86_400.0
RETRY_S: Final = 60.0

_log = structlog.get_logger(__name__)


async def prepare_tables(database_url: str, options: MigrationOptions, accounts: Accounts) -> None:
    """Give the accounts their rights, and make the partitions of the months ahead; does nothing without the tables.

    A worker that does not own the tables cannot make partitions. Raises MigrationError.
    """
    async with connected(database_url, options) as connection:
        await take_lock(connection, options)
        if not await connection.fetchval("SELECT to_regclass('sync_events')"):
            return
        for name in await grant_rights(connection, accounts):
            options.tell(f"gave {name} the rights it needs")
        try:
            made = await ensure_partitions(connection)
        except asyncpg.LockNotAvailableError:
            options.tell("no partitions were made, since readers hold the table: they can be made later")
        else:
            if made:
                options.tell(f"made {', '.join(made)}")


async def keep_partitions_ahead(options: DatabaseOptions, every_s: float = EVERY_S, retry_s: float = RETRY_S) -> None:
    """Make partitions now and once a day, until cancelled; a database that is away or not migrated is tried again.

    Uses a connection of its own each time: nothing of a pool is held, and its statement timeout does not count. Any
    number of processes may run this; where they do not own the tables, they only say what is missing. A month without
    a partition costs nothing but space in the DEFAULT one, so that a failure is a warning, told once.
    """
    terms = MigrationOptions(
        schema=options.schema, tls=options.tls, connect_s=options.connect_timeout_s, ssh=options.ssh
    )
    told = ""
    while True:
        pause = every_s
        try:
            async with connected(options.url, terms) as connection:
                made = await ensure_partitions(connection)
            told = ""
            if made:
                _log.info("partitions_made", partitions=made)
        except MigrationError as error:
            pause = retry_s
            if str(error) != told:
                told = str(error)
                _log.warning("partitions_not_made", problem=told)
        await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311 - spreads processes out, keeps no secret
