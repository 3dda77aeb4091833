"""Connections opened, by redis-py: to the server that a URL names, or to whatever Sentinels say is the primary."""

import asyncio
from typing import Any, Final

from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig

from synckairos.adapters.redis.connections.wire import discard
from synckairos.redis_urls import plain, sentinel_url

LOST: Final = (RedisConnectionError, RedisTimeoutError, OSError, TimeoutError)
"""The errors of a broken, refused or silent connection."""


class Connector:
    """Opens connections to one Redis; redis-py limits and retries nothing on them: a retry applies a write twice.

    Where Sentinels are named, each new connection goes to whatever is the primary by then.
    """

    def __init__(self, url: str, name: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self.is_led = sentinel_url(url) is not None
        """Whether Sentinels say where the primary is."""
        self._factory = _factory(
            url,
            timeout_s,
            socket_timeout=None,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            client_name=name,
            driver_info=None,  # telling Redis which library this is takes three quarters of what a connection costs
            protocol=2,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )

    async def open(self) -> Connection:
        """Return a connection, authenticated; raises one of LOST, or a RedisError."""
        connection: Connection = self._factory.make_connection()
        try:
            async with asyncio.timeout(self._timeout_s):
                await connection.connect()
        except BaseException:
            discard(connection)
            raise
        return connection

    async def primary(self) -> tuple[str, int] | None:
        """Return where Sentinels say that the primary is; None if there are none, or none of them says."""
        if not isinstance(self._factory, SentinelConnectionPool):
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                host, port = await self._factory.get_master_address()
        except (*LOST, RedisError):
            return None
        return str(host), int(port)

    async def close(self) -> None:
        """Close the connections to Sentinels, which redis-py keeps."""
        if isinstance(self._factory, SentinelConnectionPool):
            await asyncio.gather(*(sentinel.aclose() for sentinel in self._factory.sentinel_manager.sentinels))


def _factory(url: str, timeout_s: float, **options: Any) -> ConnectionPool:  # noqa: ANN401 - redis-py's options
    named = sentinel_url(url)
    if named is None:
        return ConnectionPool.from_url(plain(url), **options)
    # A Sentinel that says nothing leaves time to ask another one.
    patience_s = timeout_s / (len(named.sentinels) + 1)
    sentinels = Sentinel(
        list(named.sentinels),
        sentinel_kwargs={
            **named.options,
            "socket_timeout": patience_s,
            "socket_connect_timeout": patience_s,
            "retry": Retry(NoBackoff(), 0),
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        },
    )
    of_primary: dict[str, Any] = {**parse_url(named.primary)}
    for name in ("host", "connection_class"):
        of_primary.pop(name, None)  # Sentinel says where it is, and `ssl` what speaks to it
    return SentinelConnectionPool(named.service, sentinels, ssl=named.is_encrypted, **of_primary, **options)
