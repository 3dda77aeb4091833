"""Redis: whether it keeps what it is given, evicts nothing, and is the store it should be."""

from collections.abc import Iterator, Mapping
from typing import Final

from synckairos.adapters.redis.cluster.identity import COVERAGE, ClusterIdentityGuard
from synckairos.adapters.redis.condition import RedisCondition
from synckairos.adapters.redis.durability import RedisDurability
from synckairos.adapters.redis.identity import StoreLayoutError, strangeness_of
from synckairos.application.errors import StoreUnavailable
from synckairos.application.pipeline.backlog import REFUSING_SHARE, WARNING_SHARE
from synckairos.cli.doctor.findings import Finding, advice, fine, unseen, wrong
from synckairos.composition.redis import Redis, store_guard
from synckairos.settings import Settings

OLDEST: Final = 7
NODE_BYTES: Final = 1_024
SPARE: Final = 1
"""Connections of a server beyond those for commands: the one that hears of changes."""
PERSISTENT: Final = "redis-server --appendonly yes --appendfsync everysec, or CONFIG SET appendonly yes"


async def look_at_store(settings: Settings, redis: Redis) -> list[Finding]:
    """Return what there is to say of Redis."""
    condition = RedisCondition(redis.connections)
    try:
        told = await condition.told()
        configured = await condition.configured()
        name = await _identity(settings, redis, condition)
        lacking = await RedisDurability(*redis).lacks(settings.least_durability)
    except StoreUnavailable as error:
        return [unseen("redis.reach", str(error), "start Redis, or correct SYNCKAIROS_REDIS_URL")]
    if not told:
        remedy = "allow INFO and CONFIG|GET to SyncKairos' account: ACL SETUSER … +info +config|get"
        return [unseen("redis.settings", "its account may not run INFO", remedy), name]
    return [*_judged(told, configured, settings), _durability(told, settings, lacking), name, *await _cluster(redis)]


def _judged(told: Mapping[str, str], configured: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    yield _version(told)
    yield _role(told)
    yield from _persistence(told, configured)
    yield _fsyncs(told)
    yield from _memory(told)
    yield _clients(told, settings)
    yield _nodes(configured)


def _version(told: Mapping[str, str]) -> Finding:
    version = told.get("redis_version", "0")
    if int(version.partition(".")[0]) < OLDEST:
        return wrong("redis.version", f"Redis {version} is too old", "run Redis 7.0 or newer, or Valkey")
    return fine("redis.version", f"Redis {version}")


def _role(told: Mapping[str, str]) -> Finding:
    if told.get("role") != "master":
        return wrong(
            "redis.role", "this is a replica, which takes no writes", "name the primary in SYNCKAIROS_REDIS_URL"
        )
    return fine("redis.role", "primary")


def _persistence(told: Mapping[str, str], configured: Mapping[str, str]) -> Iterator[Finding]:
    if told.get("aof_enabled") != "1":
        yield wrong("redis.persistence", "appendonly is off: a restart loses every session", PERSISTENT)
        return
    if told.get("aof_last_write_status", "ok") != "ok":
        yield wrong("redis.persistence", "the latest write of the log failed", "make room on the disk of Redis' log")
    else:
        yield fine("redis.persistence", "appendonly is on")
    policy = configured.get("appendfsync")
    if policy is None:
        yield advice("redis.appendfsync", "its account may not run CONFIG GET", "see that appendfsync is not `no`")
    elif policy == "no":
        what = "appendfsync is no: a power loss takes what the system has not written, often half a minute"
        yield wrong("redis.appendfsync", what, "CONFIG SET appendfsync everysec, and the same in redis.conf")
    else:
        yield fine("redis.appendfsync", f"appendfsync is {policy}")


def _durability(told: Mapping[str, str], settings: Settings, lacking: str) -> Finding:
    chosen, wanted = settings.durability, settings.least_durability.replicas
    if lacking:
        remedy = "redis-server --appendonly yes --appendfsync always, 7.2 or newer; or SYNCKAIROS_DURABILITY=memory"
        return wrong("redis.durability", f"SYNCKAIROS_DURABILITY is {chosen}: {lacking}", remedy)
    there = int(told.get("connected_slaves", 0))
    if there < wanted:
        what = f"SYNCKAIROS_DURABILITY is {chosen}, and {there} replicas are connected: every outcome is unknown"
        return wrong("redis.durability", what, "connect more replicas, or lower SYNCKAIROS_DURABILITY")
    return fine("redis.durability", f"changes are answered with the durability {chosen}")


def _fsyncs(told: Mapping[str, str]) -> Finding:
    delayed = int(told.get("aof_delayed_fsync", 0))
    if delayed:
        what = f"{delayed} writes were held back for a sync of over 2 s since Redis started"
        return advice("redis.fsync", what, "if it rises: a faster disk for the log, or appendfsync always")
    return fine("redis.fsync", "no write was held back for the disk")


def _memory(told: Mapping[str, str]) -> Iterator[Finding]:
    policy = told.get("maxmemory_policy", "")
    if policy != "noeviction":
        what = f"maxmemory-policy is {policy or 'unknown'}: Redis may drop live sessions"
        yield wrong("redis.eviction", what, "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf")
    else:
        yield fine("redis.eviction", "maxmemory-policy is noeviction")
    limit = int(told.get("maxmemory", 0))
    if not limit:
        what = "maxmemory is not set: servers cannot refuse changes before the machine is out of memory"
        yield advice("redis.memory", what, "CONFIG SET maxmemory to what Redis may take")
        return
    used = int(told.get("used_memory", 0)) - int(told.get("mem_not_counted_for_evict", 0))
    share, what = used / limit, f"{used / limit:.0%} of maxmemory ({limit >> 20} MB) is used"
    if share >= REFUSING_SHARE:
        yield wrong("redis.memory", f"{what}: changes are refused", "raise maxmemory, and see why the outbox is long")
    elif share >= WARNING_SHARE:
        yield advice("redis.memory", what, "raise maxmemory, or see why the outbox is long")
    else:
        yield fine("redis.memory", what)


def _clients(told: Mapping[str, str], settings: Settings) -> Finding:
    most, one = int(told.get("maxclients", 0)), settings.redis_max_connections + SPARE
    if most and most < one:
        what = f"maxclients is {most}, and one server may open {one} connections"
        return wrong("redis.clients", what, "raise maxclients, or lower SYNCKAIROS_REDIS_MAX_CONNECTIONS")
    return fine("redis.clients", f"maxclients has room for {most // one if most else 'some'} servers")


def _nodes(configured: Mapping[str, str]) -> Finding:
    size = configured.get("stream-node-max-bytes")
    if size is not None and int(size) != NODE_BYTES:
        what = f"stream-node-max-bytes is {size}: retained events take up to twice the memory"
        return advice("redis.stream-nodes", what, f"CONFIG SET stream-node-max-bytes {NODE_BYTES}")
    return fine("redis.stream-nodes", f"stream-node-max-bytes is {size or 'not shown to this account'}")


async def _cluster(redis: Redis) -> list[Finding]:
    """Return what there is to say of a cluster; nothing of a single server."""
    guard = store_guard(redis)
    if not isinstance(guard, ClusterIdentityGuard):
        return []
    try:
        await guard.open(may_init=False)
        requires_all = await guard.requires_full_coverage()
    except (StoreUnavailable, StoreLayoutError):
        return []  # said of the store's name
    findings = [fine("redis.coverage", "a lost shard stops no other")]
    if requires_all:
        what = f"{COVERAGE} is yes: one lost shard stops all"
        findings = [wrong("redis.coverage", what, f"CONFIG SET {COVERAGE} no at every node, and in its redis.conf")]
    if guard.lost:
        what = f"partitions have lost their data: {', '.join(map(str, sorted(guard.lost)))}"
        cure = "synckairos recover --all brings them back, synckairos store init --partition accepts the loss"
        findings.append(wrong("redis.partitions", what, cure))
    else:
        findings.append(fine("redis.partitions", "every partition has the store's name"))
    return findings


async def _identity(settings: Settings, redis: Redis, condition: RedisCondition) -> Finding:
    """Return whether the store has its name; raises StoreUnavailable."""
    identity = await store_guard(redis).identity()
    if identity is not None:
        if strangeness := strangeness_of(identity):
            return wrong("redis.store", strangeness, "use the program that laid the store out, or another store")
        return fine("redis.store", "the store has its name")
    if settings.store_init == "auto" and await condition.is_empty():
        remedy = "nothing, if it is new; SYNCKAIROS_STORE_INIT=never keeps a lost store from looking new"
        return advice("redis.store", "the store is empty: the first server will give it a name", remedy)
    remedy = "synckairos recover --all, or synckairos store init to accept the loss"
    return wrong("redis.store", "the store has no name: it lost its data, or a recovery has not finished", remedy)
