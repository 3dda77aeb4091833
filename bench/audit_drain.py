"""How fast one worker process moves events from the outbox into PostgreSQL, and whether it stays ahead of a server.

    python -m bench.audit_drain [--events 200000] [--mutations 20000]

The baseline in the same run is the bare write: the same kind of events, already decoded, written by this process.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final
from uuid import uuid4

import typer
from redis.asyncio import Redis
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.load import Load
from synckairos.adapters.ids import new_change_id
from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import database_options
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.store.writes import CommitWriter
from synckairos.adapters.redis.wire import Command
from synckairos.application.audit import AuditRecord
from synckairos.application.ports import Decision, Reading, Request
from synckairos.domain import creation, transitions
from synckairos.domain.commands import Caller, Start, Switch
from synckairos.domain.events import Author, Event
from synckairos.domain.model import Mode
from synckairos.domain.specification import ParticipantSpec, SessionSpec
from synckairos.domain.timing import Lifetimes
from synckairos.settings import load_settings
from testing.harness.deployment import Deployment, fresh_deployment

BATCH: Final = 500
LIFE: Final = 20
"""Events of one session."""
BASELINE: Final = 20_000
CALLER: Final = Caller(Author("bench"))
PEER: Final = "ipv4:127.0.0.1:50000"


def life(now_us: int) -> Iterator[tuple[Reading, Event]]:
    """Yield the events of one session of two participants, each with what the store held before it."""
    players = tuple(ParticipantSpec(str(uuid4()), total_time_ms=600_000) for _ in range(2))
    spec = SessionSpec(Mode.PER_PARTICIPANT, players, increment_ms=2_000)
    event = creation.create(str(uuid4()), spec, CALLER, now_us, new_change_id)
    yield Reading(None, now_us), event
    for step in range(1, LIFE):
        before, at = event.session, now_us + step * 1_000_000
        command = Start() if step == 1 else Switch()
        (event,) = transitions.decide(before, command, CALLER, at // 1_000, new_change_id, Lifetimes()).events
        yield Reading(before, at), event


def outbox_entries(events: int) -> Iterator[Command]:
    """Yield the commands that put so many events into the outbox, exactly as a commit does."""
    keys, writer = Keys(), CommitWriter(Lifetimes(), event_window=1, request_ttl_ms=1)
    now_us = time.time_ns() // 1_000
    for _ in range(0, events, LIFE):
        for reading, event in life(now_us):
            own = keys.of(event.session.session_id)
            request = Request(request_id=str(uuid4()), fingerprint=bytes(16), peer=PEER)
            commit = writer.commit(own, event.session.session_id, request, reading, Decision(None, [event]))
            for command in commit.commands:
                if command[:2] == ("XADD", own.outbox):
                    yield command


def _bar(total: int, name: str) -> tuple[Progress, Callable[[int], None]]:
    columns: tuple[Any, ...] = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task(name, total=total)
    return progress, lambda done: progress.update(task, completed=done)


async def fill(stack: Deployment, events: int) -> None:
    """Fill the outbox as if servers had."""
    progress, show = _bar(events, "filling")
    with progress:
        async with Redis.from_url(stack.redis.url) as redis:
            pipeline = redis.pipeline(transaction=False)
            for done, command in enumerate(outbox_entries(events), start=1):
                pipeline.execute_command(*command)
                if done % 1_000 == 0:
                    await pipeline.execute()
                    show(done)
            await pipeline.execute()


async def bare_writes(stack: Deployment) -> float:
    """Return how many decoded events a second this process writes, in batches as the worker's."""
    records = [
        AuditRecord(event, str(uuid4()), PEER)
        for _ in range(BASELINE // LIFE)
        for _, event in life(time.time_ns() // 1_000)
    ]
    database = Database(database_options(load_settings(database_url=stack.postgres.url)))
    try:
        trail = PostgresAuditTrail(database)
        await trail.write(records[:BATCH])
        started = time.perf_counter()
        for first in range(BATCH, len(records), BATCH):
            await trail.write(records[first : first + BATCH])
        return (len(records) - BATCH) / (time.perf_counter() - started)
    finally:
        await database.close()


async def drain(stack: Deployment, events: int) -> float:
    """Start one worker process on a full outbox; return its events a second from the first one written on."""
    progress, show = _bar(events, "draining")
    started, first = 0.0, events
    with progress:
        stack.start_worker(worker_processes="1")
        while True:
            left = await stack.outbox_length()
            show(events - left)
            if left < events and not started:
                started, first = time.perf_counter(), left
            if left == 0:
                return first / (time.perf_counter() - started)
            # Looking takes CPU time from what is looked at: often at both ends only.
            await asyncio.sleep(0.5 if events / 10 < left < events else 0.05)


async def race(stack: Deployment, mutations: int) -> tuple[float, int, float]:
    """Load one server fully beside the worker; return mutations a second, the longest outbox, seconds until empty."""
    server = stack.start_server()
    progress, show = _bar(mutations, "racing")
    longest = 0
    with progress:
        load = Load([server.address], mutations, on_progress=show)
        async with load.running():
            while len(load.ledger.told) < mutations:
                longest = max(longest, await stack.outbox_length())
                await asyncio.sleep(0.1)
        ended = time.perf_counter()
        while await stack.outbox_length():
            await asyncio.sleep(0.02)
    if load.ledger.other:
        raise AssertionError(f"calls failed: {dict(load.ledger.other)}")
    return len(load.ledger.told) / load.seconds, longest, time.perf_counter() - ended


async def measure(events: int, mutations: int) -> bool:
    """Measure and print; return whether the aims are met."""
    async with fresh_deployment() as stack:
        bare = await bare_writes(stack)
        await fill(stack, events)
        drained = await drain(stack, events)
        (rows,) = await stack.query("SELECT count(*) AS n FROM sync_events")
        missing = BASELINE + events - rows["n"]
        rate, longest, behind = await race(stack, mutations)
    sys.stdout.write(
        f"bare writes, batches of {BATCH}: {bare:,.0f} events/s\n"
        f"one worker process: {drained:,.0f} events/s, {drained / bare:.2f} of that; {missing} missing\n"
        f"beside one server under full load, {rate:,.0f} mutations/s on the same cores: the outbox had {longest:,} "
        f"entries at most and was empty {behind:.2f} s after the last call\n"
    )
    return drained >= 12_000 and missing == 0 and longest < rate


def main(
    events: Annotated[int, typer.Option(help="Events to drain.")] = 200_000,
    mutations: Annotated[int, typer.Option(help="Mutations of the race.")] = 20_000,
) -> None:
    """Measure the drain."""
    sys.exit(0 if asyncio.run(measure(events, mutations)) else 1)


if __name__ == "__main__":
    typer.run(main)
