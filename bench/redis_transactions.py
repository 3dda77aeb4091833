"""The floor under a switch: its two round trips to Redis, by the product's own connections, without all the rest.

WATCH, GET and TIME are written together, then MULTI, the very commands of a switch, and EXEC. Nothing is decoded or
decided, and no gRPC is involved.
"""

import asyncio
import time
from itertools import count
from typing import Final

import uvloop

from bench.jobs import Go, Ready, Result, TransactionJob, orders, pack, read_order, write
from bench.seeding import commit, life, new_writer, spec_of
from synckairos.adapters.redis.connections import RedisConnections
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.wire import RedisCommand

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


async def _transactions(job: TransactionJob) -> Result:
    connections = RedisConnections(job.redis_url, wait_s=5.0, exchange_timeout_s=5.0)
    keys, now_us = Keys(job.prefix), time.time_ns() // 1_000
    sessions = [_Session(keys, now_us) for _ in range(job.sessions)]
    write(Ready())
    go = await asyncio.to_thread(read_order, orders())
    at = go.at if isinstance(go, Go) else time.monotonic()
    begin, end = at + job.warm_s, at + job.warm_s + job.run_s
    latencies: list[float] = []
    failed = counted = 0

    async def caller(own: list[_Session]) -> None:
        nonlocal failed, counted
        place = 0
        while (started := time.monotonic()) < end:
            is_committed = await _switch(connections, own[place % len(own)])
            now = time.monotonic()
            place += 1
            failed += not is_committed
            if begin <= now:
                counted += now < end
                latencies.append(now - started)

    await asyncio.sleep(at - time.monotonic())
    cpu = time.process_time()
    await asyncio.gather(*(caller(sessions[lane :: job.callers]) for lane in range(job.callers)))
    cpu = (time.process_time() - cpu) * job.run_s / (job.warm_s + job.run_s)
    await connections.close()
    errors = {"not committed": failed} if failed else {}
    return Result(calls=counted, latencies=pack(latencies), errors=errors, cpu_s=cpu)


def carry_out_transactions(job: TransactionJob) -> None:
    """Carry out the job and report."""
    write(uvloop.run(_transactions(job)))
