"""The parts of the audit pipeline that servers and workers share, and the service that reads the trail."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from synckairos.adapters.dramatiq.bell import DramatiqBell
from synckairos.adapters.dramatiq.broker import open_broker
from synckairos.adapters.ids import new_change_id
from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import database_options
from synckairos.adapters.postgres.trail.absent import AbsentAuditTrail
from synckairos.adapters.postgres.trail.reader import PostgresAuditReader
from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.counters import RedisDrainCounters
from synckairos.adapters.redis.indexes import RedisSessionIndex
from synckairos.adapters.redis.keys import Keys, partition_of
from synckairos.adapters.redis.outbox import RedisOutbox
from synckairos.adapters.redis.unwritten import RedisUnwritten
from synckairos.application.errors import AuditUnavailable
from synckairos.application.observers import PipelineObserver
from synckairos.application.pipeline.doorbell import Doorbell
from synckairos.application.pipeline.status import PipelineReport
from synckairos.application.pipeline.watch import PipelineWatch
from synckairos.application.ports import AuthorityClock, SessionStore
from synckairos.application.recovery import Recovery
from synckairos.application.trail.audit import AuditReader
from synckairos.composition.redis import Redis
from synckairos.rpc.audit.servicer import AuditServicer
from synckairos.rpc.server import Health
from synckairos.rpc.token_signatures import Signatures
from synckairos.settings import Settings
from synckairos.telemetry import Metrics

BROKER_TIMEOUT_S = 2.0
DATABASE_PATIENCE_S = 2.0
"""For the state of the pipeline; a database that hangs counts as away."""


class PipelineParts(NamedTuple):
    """The parts, put together but not running; the owner closes the bell."""

    outbox: RedisOutbox
    counters: RedisDrainCounters
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
    return PipelineParts(outbox, RedisDrainCounters(connections, keys), bell, doorbell)


def pipeline_report(parts: PipelineParts, database: Database | None) -> PipelineReport:
    """Return the report of the pipeline; without a database it reports that there is none."""
    if database is None:
        return PipelineReport(parts.outbox, parts.counters, None, None)
    return PipelineReport(parts.outbox, parts.counters, parts.bell, database_check(database))


def database_check(database: Database) -> Callable[[], Awaitable[None]]:
    """Return a function that raises AuditUnavailable if the database cannot be used."""

    async def check() -> None:
        try:
            async with asyncio.timeout(DATABASE_PATIENCE_S):
                problem = await database.problem()
        except TimeoutError as error:
            raise AuditUnavailable("the database does not answer") from error
        if problem:
            raise AuditUnavailable(f"the database cannot be used: {problem}")

    return check


def pipeline_watch(
    parts: PipelineParts, redis: Redis, observer: PipelineObserver, database: Database | None
) -> PipelineWatch:
    """Return what feeds the metrics of a process; a server without a database looks at no messages."""
    queue = None if database is None else parts.bell
    check = None if database is None else database_check(database)
    return PipelineWatch(parts.counters, queue, RedisSessionIndex(*redis).count, observer, check)


LOOK_S: Final = 2.0
"""Pause between two looks at whether the trail can be read."""
PATIENCE_S: Final = 5.0
"""For one look; a database that hangs counts as away."""
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


class AuditParts(NamedTuple):
    """The parts; nothing is connected yet, and the owner closes the database, if there is one."""

    servicer: AuditServicer
    reader: AuditReader
    database: Database | None


def audit_parts(
    settings: Settings,
    store: SessionStore,
    clock: AuthorityClock,
    pipeline: PipelineParts,
    connections: RedisConnections,
    keys: Keys,
    signatures: Signatures,
) -> AuditParts:
    """Put the parts together; raises DatabaseOptionsError for a database that can never be reached like this."""
    database = None if settings.database_url is None else Database(database_options(settings))
    reader = AbsentAuditTrail() if database is None else PostgresAuditReader(database)
    recovery = Recovery(store, reader, RedisUnwritten(connections, keys), settings.lifetimes, new_change_id)
    servicer = AuditServicer(reader, pipeline_report(pipeline, database), recovery, clock.now_us, signatures)
    return AuditParts(servicer, reader, database)


async def tell_health(reader: AuditReader, health: Health) -> None:
    """Report for ever whether the trail can be read: a database that answers may still lack its tables."""
    told: bool | None = None
    while True:
        is_ready = await _can_be_read(reader)
        if is_ready is not told:
            await health.set_audit(is_ready=is_ready)
            told = is_ready
        await asyncio.sleep(LOOK_S)


async def _can_be_read(reader: AuditReader) -> bool:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await reader.latest([_NOBODY])
    except (AuditUnavailable, TimeoutError):
        return False
    return True


def show_pools(metrics: Metrics, connections: RedisConnections, database: Database | None) -> None:
    """Let the metrics show how many connections of each pool are in use."""
    metrics.pool("redis", lambda: connections.lent, connections.limit)
    if database is not None:
        metrics.pool("postgres", lambda: database.lent, database.limit)
