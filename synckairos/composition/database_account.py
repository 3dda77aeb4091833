"""What a server's account of the database may do: no more than read, or the log says so."""

import asyncio
import contextlib
from typing import Final

import structlog

from synckairos.adapters.postgres.condition import writer_of_trail
from synckairos.adapters.postgres.database import Database
from synckairos.application.errors import AuditUnavailable

LOOK_S: Final = 2.0
"""Between two attempts, until the database answers and has its tables."""

_log = structlog.get_logger(__name__)


async def tell_account(database: Database) -> None:
    """Warn once of an account that may do more than a server has to, as soon as the database says; for ever."""
    while True:
        with contextlib.suppress(AuditUnavailable):
            if (account := await writer_of_trail(database)) is not None:
                break
        await asyncio.sleep(LOOK_S)
    if account:
        _log.warning(
            "database_account_may_write",
            account=account,
            problem="a server only reads the trail; whoever takes it over can change it with this account",
            remedy="give it an account of its own: docs/operations.md#accounts-of-the-database",
        )
    await asyncio.Event().wait()
