"""The broker of the doorbell messages: Dramatiq on a Redis database of its own.

Dramatiq's upkeep runs KEYS, so it never shares a database with sessions. The id of a message lies in the list of its
queue until a worker takes it; the message itself stays in a hash until it is acknowledged.
"""

from collections.abc import Sequence
from typing import Any, Final

import redis
from dramatiq import Message, Middleware
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import dq_name, xq_name
from dramatiq.errors import ConnectionClosed
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from synckairos.application.pipeline.status import QueueDepth
from synckairos.redis_urls import plain, sentinel_url

NAMESPACE: Final = "dramatiq"
ACTOR: Final = "drain_outbox"
ATTEMPTS: Final = 5
"""Of a message, the first one included."""
MIN_BACKOFF_MS: Final = 2_000
MAX_BACKOFF_MS: Final = 60_000
HEARTBEAT_TIMEOUT_MS: Final = 15_000
"""A worker that is silent for longer counts as dead, and its messages are given to others."""
MAINTENANCE_ALWAYS: Final = 1_000_000
"""Every fetch of a million looks for dead workers: with fewer, the messages of a dead one may lie for minutes."""
DEAD_MESSAGE_TTL_MS: Final = 86_400_000
"""How long a message that was given up is kept; nothing is lost with it, for it was only a hint."""


class _Client(redis.Redis):
    """Makes a silent server look like an unreachable one: Dramatiq tries again only after the latter."""

    def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as in the base class
        try:
            return redis.Redis.execute_command(self, *args, **options)
        except redis.TimeoutError as error:
            raise redis.ConnectionError(str(error)) from error


class _Broker(RedisBroker):
    """Makes a broker that is away look like it to a worker that stops, too: Dramatiq forgot to."""

    def do_requeue(self, queue_name: str, *message_ids: str) -> None:
        """Give messages back that were fetched and not begun; raises ConnectionClosed."""
        try:
            self._dispatch("requeue")(queue_name, *message_ids)  # type: ignore[no-untyped-call] # Dramatiq's
        except redis.ConnectionError as error:
            raise ConnectionClosed(error) from None


def queue_of(prefix: str) -> str:
    """Return the queue of the deployment whose keys begin with this prefix; several may share a broker."""
    return f"{prefix}-audit"


def open_broker(url: str, middleware: Sequence[Middleware] = (), *, timeout_s: float) -> RedisBroker:
    """Return a broker; nothing is connected yet."""
    return _Broker(  # type: ignore[no-untyped-call] # Dramatiq's
        client=_Client(connection_pool=_pool(url, timeout_s)),
        namespace=NAMESPACE,
        middleware=list(middleware),
        heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
        maintenance_chance=MAINTENANCE_ALWAYS,
        dead_message_ttl=DEAD_MESSAGE_TTL_MS,
    )


def _pool(url: str, timeout_s: float) -> redis.ConnectionPool:
    limits: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    own = {"client_name": "synckairos-broker", "protocol": 2, **limits}
    named = sentinel_url(url)
    if named is None:
        return redis.ConnectionPool.from_url(plain(url), **own)
    sentinels = Sentinel(list(named.sentinels), sentinel_kwargs={**named.options, **limits})
    of_primary = parse_url(named.primary)
    for name in ("host", "connection_class"):
        of_primary.pop(name, None)  # Sentinel says where it is, and `ssl` what speaks to it
    return SentinelConnectionPool(named.service, sentinels, ssl=named.is_encrypted, **of_primary, **own)


class DoorbellQueue:
    """The messages of one deployment; every method raises redis.RedisError."""

    def __init__(self, broker: RedisBroker, prefix: str) -> None:
        self._broker = broker
        self._name = queue_of(prefix)

    def send(self, partitions: Sequence[int]) -> None:
        """Queue a message."""
        message: Message[None] = Message(self._name, ACTOR, args=(list(partitions),), kwargs={}, options={})
        self._broker.enqueue(message)

    def depth(self) -> QueueDepth:
        """Return how many messages there are."""
        with self._broker.client.pipeline(transaction=False) as pipe:
            pipe.llen(f"{NAMESPACE}:{self._name}")
            pipe.hlen(f"{NAMESPACE}:{self._name}.msgs")
            pipe.hlen(f"{NAMESPACE}:{dq_name(self._name)}.msgs")
            pipe.zcard(f"{NAMESPACE}:{xq_name(self._name)}")
            waiting, known, delayed, dead = pipe.execute()
        return QueueDepth(waiting, max(0, known - waiting), delayed, dead)
