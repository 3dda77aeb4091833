"""The floor under a switch: its two round trips to Redis, by the product's own connections, without all the rest.

WATCH, GET and TIME are written together, then MULTI, the very commands of a switch, and EXEC. Nothing is decoded or
decided, and no gRPC is involved.
"""

import asyncio
import time
from itertools import count, cycle
from typing import Final

import uvloop

from bench.load.jobs import Result, TransactionJob
from bench.seeding import commit, life, new_writer, spec_of
from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.connections.wire import RedisCommand
from synckairos.adapters.redis.keys import Keys

VERSION: Final = count(1_000)
"""Entries of a stream must rise; all else of a commit can be said again and again."""


class _Session:
    """A session and the commands of one switch of it."""

    def __init__(self, keys: Keys, now_us: int) -> None:
        *_, (before, event) = life(spec_of(2), now_us, switches=1)
        own = keys.of(event.session.session_id)
        self.reads: list[RedisCommand] = [("WATCH", own.session), ("GET", own.session), ("TIME",)]
        self._commands = commit(own, new_writer(), now_us, before, event)
        self._place = next(n for n, command in enumerate(self._commands) if command[:2] == ("XADD", own.events))
        self._id = f"{event.session.version}-0"

    def writes(self) -> list[RedisCommand]:
        """Return the commands of the next switch."""
        commands = list(self._commands)
        version = f"{next(VERSION)}-0"
        commands[self._place] = tuple(version if part == self._id else part for part in commands[self._place])
        return [("MULTI",), *commands, ("EXEC",)]


async def _switch(connections: RedisConnections, session: _Session) -> bool:
    async with connections.lease(session.reads) as (lease, _):
        *_, results = await lease.exchange(session.writes())
    return isinstance(results, list) and not any(isinstance(result, Exception) for result in results)


class Transactions:
    """Carries out the transactions of one job."""

    def __init__(self, job: TransactionJob) -> None:
        self._job = job
        keys, now_us = Keys(job.prefix), time.time_ns() // 1_000
        self._sessions = [_Session(keys, now_us) for _ in range(job.sessions)]
        self._result = Result()

    def run(self, at: float) -> Result:
        """Call from `at` (monotonic seconds) on; measuring begins after the warm-up."""
        uvloop.run(self._run(at))
        return self._result

    def close(self) -> None:
        """Nothing is left open."""

    async def _run(self, at: float) -> None:
        job = self._job
        connections = RedisConnections(job.redis_url, wait_s=5.0, exchange_timeout_s=5.0)
        await asyncio.sleep(at - time.monotonic())
        cpu = time.process_time()
        own = (self._sessions[lane :: job.callers] for lane in range(job.callers))
        await asyncio.gather(*(self._call(connections, sessions, at + job.warm_s) for sessions in own))
        self._result.cpu_s = (time.process_time() - cpu) * job.run_s / (job.warm_s + job.run_s)
        await connections.close()

    async def _call(self, connections: RedisConnections, sessions: list[_Session], begin: float) -> None:
        result, end = self._result, begin + self._job.run_s
        for session in cycle(sessions):
            started = time.monotonic()
            if started >= end:
                return
            if not await _switch(connections, session):
                result.errors["not committed"] += 1
            now = time.monotonic()
            if begin <= now:
                result.calls += now < end
                result.latencies.append(now - started)
