"""The one way to open a connection, for the pool and for commands on the schema."""

from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from synckairos.adapters.postgres.options import Tls

    # Generic for the type checker alone.
    OwnConnection = asyncpg.Connection[asyncpg.Record]


async def open_connection(
    url: str, tls: "Tls | None", timeout_s: float, settings: dict[str, str], command_timeout_s: float | None = None
) -> "OwnConnection":
    """Connect, with these settings of the server; raises what asyncpg raises, and OSError."""
    try:
        return await asyncpg.connect(
            url, ssl=tls, timeout=timeout_s, command_timeout=command_timeout_s, server_settings=settings
        )
    except ValueError as error:
        if isinstance(error, OSError | asyncpg.InterfaceError | UnicodeError):
            raise
        # For a port that is no number, quoting the URL.
        raise asyncpg.ClientConfigurationError("the URL cannot be read") from None
