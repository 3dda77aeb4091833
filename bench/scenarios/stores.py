"""The store: lateness of expiries, the cost of size, memory in Redis, and the start of a server."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from google.protobuf.field_mask_pb2 import FieldMask
from redis.asyncio import Redis

from bench.load.jobs import CallsJob, Lane
from bench.load.load_pool import Measurement
from bench.scenarios.base import CALLERS, Calls, Scenario
from bench.scenarios.calls import SWITCH, switches
from bench.seeding import EVENT_WINDOW, Seed, seed
from bench.testbed import SERVICE, Testbed
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.values import codec
from synckairos.devstack import RedisServer
from synckairos.domain.events import EventType
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.processes.server_process import ServerProcess

EXPIRING_A_SECOND: Final = 200
PREPARED_A_SECOND: Final = 500
"""Sessions that are to expire, made ready at least; the first of them expires when all are."""
UPDATE: Final = SERVICE + "UpdateSession"
HALF: Final = 0.5


@dataclass
class _Load(Calls):
    """Switches of given sessions at a given rate, beside something else."""

    paths: tuple[str, ...] = (SWITCH,)
    ids: tuple[str, ...] = ()

    async def lanes(self, testbed: Testbed) -> list[Lane]:
        """Every caller switches its own sessions in turn."""
        del testbed
        return switches(self.ids, self.callers)


@dataclass
class Expiry(Scenario):
    """Sessions running out while others are switched."""

    takes_turns: ClassVar[bool] = False

    async def measure(self, testbed: Testbed) -> Measurement:
        """Let sessions expire beside the load, then read from the store when that was noticed, and how often."""
        sizes, prefix = testbed.sizes, self.name
        dying = int(sizes.expiring_s * EXPIRING_A_SECOND)
        with testbed.own_server(prefix) as server:
            ids = await seed(testbed.redis_url, prefix, Seed(sizes.running - min(dying, sizes.running // 2)))
            first_s = time.time() + 1.0 + dying / PREPARED_A_SECOND
            ending, wrong = await _ending(testbed, prefix, server, dying, first_s)
            load = _Load("", "", ids=tuple(ids))
            jobs = load.jobs(testbed, [server.address], await load.lanes(testbed), HALF * testbed.latest["switch"].rate)
            for job in jobs:
                job.run_s = sizes.expiring_s
            await asyncio.sleep(first_s - time.time() - sizes.warm_s)
            measured = await testbed.pool.measure(jobs, testbed.pids([server]))
            await asyncio.sleep(sizes.settle_s)
            measured.latencies, also_wrong = await lateness(testbed.redis_url, prefix, ending)
        measured.errors.update(wrong + also_wrong)
        await testbed.forget(prefix)
        return measured


async def _ending(
    testbed: Testbed, prefix: str, server: ServerProcess, count: int, first_s: float
) -> tuple[list[str], Counter[str]]:
    """Return sessions that expire one after another from `first_s` (seconds since 1970) on, and the errors.

    The server changes each of them once, because the writer of the last change acts first.
    """

    def bank_ms(place: int) -> int:
        return max(1_000, int((first_s + place / EXPIRING_A_SECOND - time.time()) * 1_000))

    ids = await seed(testbed.redis_url, prefix, Seed(count, bank_ms=bank_ms))
    requests = [
        pb.UpdateSessionRequest(session_id=one, labels={"run": "bench"}, update_mask=FieldMask(paths=["labels"]))
        for one in ids
    ]
    job = CallsJob(
        addresses=[server.address],
        connections=1,
        paths=[UPDATE],
        lanes=[[(0, request.SerializeToString()) for request in requests[lane::CALLERS]] for lane in range(CALLERS)],
        warm_s=0.0,
        run_s=max(1.0, first_s - time.time()),
        is_once=True,
    )
    wrong = await testbed.pool.carry_out([job])
    if time.time() > first_s:
        wrong["not ready when the first one expired"] += 1
    return ids, wrong


async def lateness(redis_url: str, prefix: str, ids: list[str]) -> tuple[list[float], Counter[str]]:
    """Return how late each session's expiry was acted on, in seconds, and the errors."""
    keys, wrong, late = Keys(prefix), Counter[str](), []
    async with Redis.from_url(redis_url) as redis:
        for session_id in ids:
            entries: Any = await redis.xrange(keys.of(session_id).events)
            events = [codec.decode_event(session_id, fields[b"e"]) for _, fields in entries]
            ends = [event for event in events if event.type is EventType.SESSION_EXPIRED]
            if len(ends) != 1:
                wrong["expired twice" if ends else "never expired"] += 1
                continue
            by_ms = (ends[0].fired_at or 0) - ends[0].session.updated_at
            late.append(by_ms / 1_000)
            if by_ms < 0:
                wrong["expired too early"] += 1
    return late, wrong


@dataclass
class Sized(_Load):
    """Switching, in a store of some size, with a server of its own that stays for all rounds."""

    server_place: int = -1

    async def prepare(self, testbed: Testbed) -> None:
        """Fill a part of the store and start a server on it."""
        self.ids = tuple(await seed(testbed.redis_url, self.name, Seed(self.size)))
        self.server_place = len(testbed.deployment.servers)
        testbed.deployment.start_server(redis_prefix=self.name)

    async def finish(self, testbed: Testbed) -> None:
        """Stop the server and empty its part of the store."""
        self.servers(testbed)[0].stop()
        await testbed.forget(self.name)

    def servers(self, testbed: Testbed) -> Sequence[ServerProcess]:
        """Return the server of this size."""
        return [testbed.deployment.servers[self.server_place]]


@dataclass
class Weight(Scenario):
    """The memory of sessions and of retained events in Redis, with everything around them."""

    takes_turns: ClassVar[bool] = False

    async def measure(self, testbed: Testbed) -> Measurement:
        """Write sessions without and with their events and look at the memory used."""
        count = testbed.sizes.weighed
        plain = await self._grown(testbed, Seed(count, switches=lambda _: 1, has_events=False))
        full = await self._grown(testbed, Seed(count, switches=_past_the_window))
        return Measurement(
            extra={"bytes_per_session": plain / count, "bytes_per_event": (full - plain) / count / EVENT_WINDOW}
        )

    async def _grown(self, testbed: Testbed, sessions: Seed) -> int:
        """Return by how many bytes they let a Redis grow that has no other use and writes no log."""
        directory = testbed.deployment.directory / self.name
        with RedisServer(directory, extra_args=("--appendonly", "no")) as server:
            async with Redis.from_url(server.url) as redis:
                before = await used(redis)
                await seed(server.url, self.name, sessions)
                return await used(redis) - before


def _past_the_window(place: int) -> int:
    """Return different ages, because the memory that a stream frees depends on how much has gone through it."""
    return EVENT_WINDOW + 4 + place % 40


async def used(redis: Redis) -> int:
    """Return the bytes of memory that a Redis uses."""
    info = await redis.info("memory")
    return int(info["used_memory"])


@dataclass
class Start(Scenario):
    """From the start of the process until it serves."""

    takes_turns: ClassVar[bool] = False

    async def measure(self, testbed: Testbed) -> Measurement:
        """Start servers, one after another."""
        latencies = []
        for _ in range(testbed.sizes.starts):
            began = time.monotonic()
            with testbed.own_server(self.name):
                latencies.append(time.monotonic() - began)
        await testbed.forget(self.name)
        return Measurement(calls=len(latencies), seconds=sum(latencies), latencies=latencies)


def sized(large: int) -> list[Scenario]:
    """Return the scenarios of a small and of a large store."""
    return [
        Sized("size_small", "SwitchCycle, 1 000 live sessions", size=1_000, only_on_request=True),
        Sized("size_large", f"SwitchCycle, {large:,} live sessions", ("size_small",), size=large),
    ]


def stores() -> list[Scenario]:
    """Return the other ones."""
    return [
        Expiry("expiry", "lateness of expiries, 200 a second, switches at half the maximum", ("switch",)),
        Weight("weight", "memory in Redis"),
        Start("start", "from the start of a server until it serves"),
    ]
