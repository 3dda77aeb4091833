"""The audit trail: how fast it is written and read, and how fast sessions come back from it."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from uuid import uuid4

import grpc
from redis.asyncio import Redis

from bench.load import samples
from bench.load.load_pool import Measurement
from bench.scenarios.base import Scenario
from bench.seeding import PEER, commit, life, new_writer, spec_of
from bench.testbed import Testbed
from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import database_options
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail
from synckairos.adapters.redis.connections.wire import RedisCommand
from synckairos.adapters.redis.keys import Keys
from synckairos.application.trail.audit import AuditRecord
from synckairos.settings import load_settings
from synckairos.v1 import audit_service_pb2, session_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.audit_service_pb2_grpc import AuditServiceStub
from testing.harness.client import Stub, connect, running_session
from testing.harness.processes.commands import run_command
from testing.harness.processes.deployment import Deployment, fresh_deployment, seconds_until

BATCH: Final = 500
LIFE: Final = 20
"""Events of one session."""
SESSIONS: Final = 10
"""Sessions whose long histories are read."""
PAGE: Final = 50
DEEP: Final = 200
"""Pages read one after another from the middle of a history."""
CREATORS: Final = 64
PATIENCE_S: Final = 120.0
COLUMNS: Final = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = 'sync_events' AND is_generated = 'NEVER'
ORDER BY ordinal_position
"""


async def write(database_url: str, records: list[AuditRecord]) -> float:
    """Write events in batches of a worker's size, after one that opens the connection; return events a second."""
    database = Database(database_options(load_settings(database_url=database_url)))
    try:
        trail = PostgresAuditTrail(database)
        await trail.write(records[:BATCH])
        started = time.perf_counter()
        for first in range(BATCH, len(records), BATCH):
            await trail.write(records[first : first + BATCH])
        return max(0, len(records) - BATCH) / (time.perf_counter() - started)
    finally:
        await database.close()


@dataclass
class TrailWrites(Scenario):
    """Events that are decoded already, written by one task of this process."""

    only_on_request: bool = True

    async def measure(self, testbed: Testbed) -> Measurement:
        """Write them."""
        now_us = time.time_ns() // 1_000
        lives = [life(spec_of(2), now_us, LIFE - 2) for _ in range(testbed.sizes.written // LIFE)]
        records = [AuditRecord(event, str(uuid4()), PEER) for events in lives for _, event in events]
        rate = await write(testbed.deployment.database_url, records)
        return Measurement(calls=len(records), seconds=len(records) / rate)


def outbox_entries(events: int) -> Iterator[RedisCommand]:
    """Yield the commands that put events into the outbox, exactly as commits do."""
    keys, writer, now_us = Keys(), new_writer(), time.time_ns() // 1_000
    for _ in range(0, events, LIFE):
        for before, event in life(spec_of(2), now_us, LIFE - 2):
            own = keys.of(event.session.session_id)
            for command in commit(own, writer, now_us, before, event, str(uuid4())):
                if command[:2] == ("XADD", own.outbox):
                    yield command


@dataclass
class Drain(Scenario):
    """A full outbox, and one worker process that is started on it."""

    takes_turns: ClassVar[bool] = False
    only_on_request: bool = True

    async def measure(self, testbed: Testbed) -> Measurement:
        """Count from the first event written on; every event has to become a row."""
        deployment, events = testbed.deployment, testbed.sizes.drained
        await testbed.empty_outbox()
        rows = await testbed.stored_events()
        await self._fill(testbed, events)
        worker = deployment.start_worker(worker_processes="1")
        try:
            measured = await self._until_empty(deployment, events)
        finally:
            worker.kill()
        if missing := rows + events - await testbed.stored_events():
            measured.errors["events that were never written"] += missing
        return measured

    async def _fill(self, testbed: Testbed, events: int) -> None:
        async with Redis.from_url(testbed.redis_url) as redis:
            pipeline = redis.pipeline(transaction=False)
            for done, command in enumerate(outbox_entries(events), start=1):
                pipeline.execute_command(*command)
                if done % 1_000 == 0:
                    await pipeline.execute()
            await pipeline.execute()

    async def _until_empty(self, deployment: Deployment, events: int) -> Measurement:
        started, first = 0.0, events
        while left := await deployment.outbox_length():
            if left < events and not started:
                started, first = time.perf_counter(), left
            # Every look takes CPU time from the worker: look often at both ends only.
            await asyncio.sleep(0.5 if events / 10 < left < events else 0.05)
        return Measurement(calls=first, seconds=time.perf_counter() - started)


@dataclass
class Pages(Scenario):
    """Pages in the middle of long histories, over gRPC; `extra` has the first pages."""

    takes_turns: ClassVar[bool] = False
    only_on_request: bool = True
    ids: tuple[str, ...] = ()

    async def prepare(self, testbed: Testbed) -> None:
        """Multiply one real event into those of SESSIONS sessions, a second apart."""
        _, event = next(life(spec_of(2), time.time_ns() // 1_000, 0))
        await write(testbed.deployment.database_url, [AuditRecord(event, "", PEER)])
        self.ids = tuple(str(uuid4()) for _ in range(SESSIONS))
        query = testbed.deployment.query
        columns = [row["column_name"] for row in await query(COLUMNS)]
        written = {"session_id": "s.id", "version": "v", "id": "gen_random_uuid()"}
        written["timestamp"] = "t.timestamp + v * interval '1 second'"
        values = ", ".join(written.get(name, f't."{name}"') for name in columns)
        names = ", ".join(f'"{name}"' for name in columns)
        await query(
            f"INSERT INTO sync_events ({names}) SELECT {values} "
            "FROM unnest($1::text[]::uuid[]) AS s(id), generate_series(1, $2::bigint) AS v, "
            "(SELECT * FROM sync_events WHERE session_id = $3::text::uuid) AS t",
            self.ids,
            testbed.sizes.stored // SESSIONS,
            event.session.session_id,
        )
        await query("ANALYZE sync_events")

    async def measure(self, testbed: Testbed) -> Measurement:
        """Read first pages, then go through one history and time the pages behind its middle."""
        async with grpc.aio.insecure_channel(testbed.server().address) as channel:
            stub: Any = AuditServiceStub(channel)
            await _page(stub, self.ids[0])  # opens the connection
            first = [(await _page(stub, one))[0] for one in self.ids for _ in range(10)]
            token, latencies = "", []
            skipped = testbed.sizes.stored // SESSIONS // PAGE // 2
            for place in range(skipped + min(DEEP, skipped)):
                seconds, token = await _page(stub, self.ids[0], token)
                if place >= skipped:
                    latencies.append(seconds)
        cuts = samples.summary(first)
        return Measurement(
            calls=len(latencies),
            seconds=sum(latencies),
            latencies=latencies,
            extra={"first_p50_ms": cuts["p50"] * 1_000, "first_p99_ms": cuts["p99"] * 1_000},
        )


async def _page(stub: Any, session_id: str, token: str = "") -> tuple[float, str]:
    """Read one page; return the seconds it took and the token of the next one."""
    request = audit_service_pb2.ListSessionEventsRequest(session_id=session_id, page_size=PAGE, page_token=token)
    started = time.perf_counter()
    page = await stub.ListSessionEvents(request)
    return time.perf_counter() - started, page.next_page_token


@dataclass
class Recovery(Scenario):
    """A Redis that lost everything under running sessions, and `synckairos recover --all`."""

    takes_turns: ClassVar[bool] = False
    only_on_request: bool = True

    async def measure(self, testbed: Testbed) -> Measurement:
        """Create, drain, flush, recover and compare, on a deployment of its own."""
        async with fresh_deployment() as deployment:
            server = deployment.start_server()
            deployment.start_worker()
            async with connect(server.address) as stub:
                await _create_running(stub, testbed.sizes.recovered)
                await seconds_until(deployment.is_drained, PATIENCE_S, "the outbox is empty")
                before = await _everything(stub)
                async with Redis.from_url(deployment.redis.url) as redis:
                    await redis.flushall()
                seconds = await _recover(deployment)
                await asyncio.to_thread(server.await_answer, "SERVING")
                errors = _differences(before, await _everything(stub))
        return Measurement(calls=len(before), seconds=seconds, latencies=[seconds], errors=errors)


async def _create_running(stub: Stub, sessions: int) -> None:
    places = asyncio.Semaphore(CREATORS)

    async def one() -> None:
        async with places:
            session = await running_session(stub)
            await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session.session_id))

    await asyncio.gather(*(one() for _ in range(sessions)))


async def _everything(stub: Stub) -> dict[str, session_pb2.Session]:
    """Return every session that the store holds, by id."""
    found: dict[str, session_pb2.Session] = {}
    token = ""
    while True:
        page = await stub.ListSessions(pb.ListSessionsRequest(page_size=500, page_token=token))
        found.update((session.session_id, session) for session in page.sessions)
        token = page.next_page_token
        if not token:
            return found


async def _recover(deployment: Deployment) -> float:
    """Run the command and return its seconds, its start included."""
    command = (sys.executable, "-m", "synckairos", "recover", "--all", "--policy", "continue")
    urls = {"SYNCKAIROS_REDIS_URL": deployment.redis.url, "SYNCKAIROS_DATABASE_URL": deployment.database_url}
    started = time.monotonic()
    done = await run_command(*command, cwd=deployment.directory, seconds=PATIENCE_S, **urls)
    if done.returncode:
        raise AssertionError(f"`synckairos recover --all` failed: {done.stderr}")
    return time.monotonic() - started


def _differences(before: dict[str, session_pb2.Session], after: dict[str, session_pb2.Session]) -> Counter[str]:
    """Count the sessions that are not as they were, with clocks compared to the millisecond."""
    wrong: Counter[str] = Counter()
    for session_id, was in before.items():
        now = after.get(session_id)
        if now is None:
            wrong["sessions that did not come back"] += 1
        elif now.deadline_at != was.deadline_at or now.active_participant_id != was.active_participant_id:
            wrong["sessions with another deadline or another one active"] += 1
        elif now.epoch <= was.epoch or now.version != was.version + 1:
            wrong["sessions with a wrong epoch or version"] += 1
    return wrong


def trail() -> list[Scenario]:
    """Return all of them."""
    return [
        TrailWrites("trail_writes", f"events written in batches of {BATCH}, without a worker"),
        Drain("drain", "a full outbox, drained by one worker process", ("trail_writes",)),
        Pages("pages", f"ListSessionEvents, pages of {PAGE} in the middle of long histories"),
        Recovery("recovery", "sessions brought back after FLUSHALL; times of the whole command"),
    ]
