"""The one way to open a connection, for the pool and for commands on the schema."""

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import asyncpg

from synckairos.adapters.postgres.tunnel import Address, tunnelled

DEFAULT_PORT: Final = 5_432

if TYPE_CHECKING:
    from synckairos.adapters.postgres.options import Tls

    # Generic for the type checker alone.
    OwnConnection = asyncpg.Connection[asyncpg.Record]


def target_of(url: str) -> Address:
    """Return where a URL's database listens, as the other end of a tunnel sees it; raises ValueError."""
    parts = urlsplit(url)
    return Address(parts.hostname or "127.0.0.1", parts.port or DEFAULT_PORT)


async def open_connection(
    url: str,
    tls: "Tls | None",
    timeout_s: float,
    settings: dict[str, str],
    command_timeout_s: float | None = None,
    ssh: str = "",
) -> "OwnConnection":
    """Connect, with these settings of the server, through `ssh` if given; raises what asyncpg raises, and OSError."""
    try:
        way = {} if not ssh else (await tunnelled(ssh, target_of(url)))._asdict()
        return await asyncpg.connect(
            url, ssl=tls, timeout=timeout_s, command_timeout=command_timeout_s, server_settings=settings, **way
        )
    except ValueError as error:
        if isinstance(error, OSError | asyncpg.InterfaceError | UnicodeError):
            raise
        # For a port that is no number, quoting the URL.
        raise asyncpg.ClientConfigurationError("the URL cannot be read") from None
