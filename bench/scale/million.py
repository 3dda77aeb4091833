"""A million running sessions in one Redis: what they take, and how late they expire."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis

from bench.load import usage
from bench.scenarios.stores import lateness, used
from bench.seeding import Seed, seed
from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.devstack import RedisServer
from testing.harness.processes.server_process import ServerProcess

CONFIGURED: Final = ("--appendonly", "no", "--save", "", "--stream-node-max-bytes", "512")
"""Nodes as small as two events: most of a million sessions at once have few."""
SMALL: Final = 1_000
EXPIRING: Final = 2_000
EXPIRING_A_SECOND: Final = 100.0
LEAD_S: Final = 5.0
"""From the writing of the sessions that expire to the first of them."""
SAMPLED: Final = 1_000
"""Sessions whose keys are weighed one by one."""


class Loaded(NamedTuple):
    """What a store of one size takes and does; `shares` is bytes a session by what they are for."""

    sessions: int
    used_bytes: int
    shares: Mapping[str, float]
    serving_s: float
    """From the start of a server until it serves."""
    server_bytes: int
    late_s: list[float]


async def loaded(folder: Path, sessions: int, expiring: int, on_step: Callable[[str], None]) -> Loaded:
    """Write sessions into a Redis of their own, start a server, let some expire; raises RuntimeError if one errs."""
    with RedisServer(folder / f"redis-{sessions}", extra_args=CONFIGURED) as redis_server:
        async with Redis.from_url(redis_server.url) as redis:
            empty = await used(redis)
            on_step(f"writing {sessions:,} sessions")
            ids = await seed(redis_server.url, "sk", Seed(sessions))
            taken = await used(redis) - empty
            shares = await _shares(redis, Keys("sk"), ids)
        on_step(f"a server on {sessions:,} sessions")
        began = time.monotonic()
        server = ServerProcess(redis_server.url, folder / f"server-{sessions}.log")
        try:
            server.start()
            serving_s = time.monotonic() - began
            late = await _expire(redis_server.url, expiring)
            return Loaded(sessions, taken, shares, serving_s, usage.resident_bytes(server.pid), late)
        finally:
            server.kill()


async def _shares(redis: Redis, keys: Keys, ids: list[str]) -> dict[str, float]:
    """Return bytes a session: of its state and its events, by some of them, and of each index."""
    some = [keys.of(session_id) for session_id in ids[:: max(1, len(ids) // SAMPLED)]]
    sizes: dict[str, list[str]] = {"state": [one.session for one in some], "events": [one.events for one in some]}
    found = {name: await _weight(redis, of) / len(some) for name, of in sizes.items()}
    for index in ("deadlines", "live"):
        every = [keys.partitioned(partition, index) for partition in range(PARTITIONS)]
        found[index] = await _weight(redis, every) / len(ids)
    return found


async def _weight(redis: Redis, names: list[str]) -> int:
    pipeline = redis.pipeline(transaction=False)
    for name in names:
        pipeline.memory_usage(name, samples=0)
    taken: list[Any] = await pipeline.execute()
    return sum(int(one or 0) for one in taken)


async def _expire(redis_url: str, count: int) -> list[float]:
    """Let sessions run out one after another; return how late each was acted on, in seconds."""

    def bank_ms(place: int) -> int:
        return int((LEAD_S + place / EXPIRING_A_SECOND) * 1_000)

    ids = await seed(redis_url, "sk", Seed(count, bank_ms=bank_ms))
    await asyncio.sleep(LEAD_S + count / EXPIRING_A_SECOND + 2.0)
    late, wrong = await lateness(redis_url, "sk", ids)
    if wrong:
        raise RuntimeError(f"sessions did not end as they should: {dict(wrong)}")
    return late
