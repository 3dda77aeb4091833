"""The worker as an operator meets it: what it refuses, what it waits for, and what becomes of dead entries."""

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.adapters.redis.keys import Keys
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.domain.commands import Start, Switch
from synckairos.domain.events import Event
from testing.harness.builders import Game, per_participant
from testing.harness.fakes.outbox_fields import fields_of
from testing.harness.processes.commands import Finished, synckairos
from testing.harness.processes.databases import ask, own_database
from testing.harness.processes.server_process import free_port
from testing.harness.processes.worker_process import WorkerProcess

OUTBOX, DEAD = (Keys().partitioned(7, name) for name in ("outbox", "dead"))


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with the tables of the trail."""
    async with own_database(postgres_server) as url:
        await apply_migrations(url, migrations_folder())
        yield url


def played() -> list[Event]:
    """Return a few events of a session."""
    game = Game(per_participant())
    game.ok(0, Start())
    game.ok(1_000, Switch())
    return game.events


async def put(redis: RedisServer, *entries: dict[str, bytes]) -> None:
    """Be commits."""
    async with Redis.from_url(redis.url) as client:
        for fields in entries:
            await client.xadd(OUTBOX, fields)  # type: ignore[arg-type] # redis-py wants names of any kind


def fields(event: Event) -> dict[str, bytes]:
    """Return the entry of an event."""
    return {name.decode(): value for name, value in fields_of(event)}


async def count(url: str) -> int:
    """Return how many events the trail holds."""
    ((found,),) = await ask(url, "SELECT count(*) FROM sync_events")
    return int(found)


async def until(condition: Callable[[], Awaitable[bool]], worker: WorkerProcess, seconds: float = 30) -> None:
    """Wait until the condition holds."""
    ends = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < ends, worker.tail()
        await asyncio.sleep(0.05)  # the wait on a condition with a deadline


async def test_a_worker_without_a_database_is_refused(own_redis: RedisServer, tmp_path: Path) -> None:
    """It has nothing to write to, and says which variable is missing."""
    done = await synckairos("worker", redis_url=own_redis.url, cwd=tmp_path)

    assert done.returncode == 1
    assert "SYNCKAIROS_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["worker", "serve"])
async def test_a_broker_in_the_database_of_the_store_is_refused(
    own_redis: RedisServer, tmp_path: Path, command: str
) -> None:
    """Dramatiq would walk over every key of every session."""
    done = await synckairos(
        command,
        redis_url=own_redis.url,
        cwd=tmp_path,
        SYNCKAIROS_BROKER_URL=own_redis.url.replace("127.0.0.1", "localhost"),
        SYNCKAIROS_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
    )

    assert done.returncode == 1
    assert "SYNCKAIROS_BROKER_URL" in done.stderr


async def test_a_worker_waits_for_redis_and_for_postgresql(
    own_redis: RedisServer, session_directory: Path, tmp_path: Path
) -> None:
    """The order of starting does not matter: first the worker, then PostgreSQL, then Redis."""
    await put(own_redis, *map(fields, played()))
    own_redis.stop()
    postgres = PostgresServer(session_directory / "postgres-that-comes-late")
    postgres.start()
    await apply_migrations(postgres.url, migrations_folder())
    postgres.stop()
    worker = WorkerProcess(own_redis.url, tmp_path / "worker.log", database_url=postgres.url)
    try:
        with worker:
            await asyncio.to_thread(postgres.start)
            await asyncio.to_thread(own_redis.start)

            async def is_written() -> bool:
                return await count(postgres.url) == 3

            await until(is_written, worker)
    finally:
        postgres.stop()
        postgres.wipe()

    assert "Traceback" not in worker.tail()


@pytest.mark.parametrize("key", ["dramatiq:sk-audit", "dramatiq:sk-audit.msgs"])
async def test_garbage_in_the_database_of_the_broker_stops_no_drain(
    own_redis: RedisServer, database: str, tmp_path: Path, key: str
) -> None:
    """Nobody can ring any more, so the worker's own looks take everything to the trail."""
    async with Redis.from_url(own_redis.url.removesuffix("/0") + "/1") as broker:
        await broker.set(key, b"\xff garbage")
        with WorkerProcess(own_redis.url, tmp_path / "worker.log", database_url=database) as worker:
            await put(own_redis, *map(fields, played()))

            async def is_written() -> bool:
                return await count(database) == 3

            await until(is_written, worker)


async def test_messages_that_nobody_can_read_stop_no_drain(
    own_redis: RedisServer, database: str, tmp_path: Path
) -> None:
    """More of them than may wait: they are passed over, and the next ring gets through."""
    queue = "dramatiq:sk-audit"
    garbage = [b"\xff", b"[]", b'"x"', b'{"queue_name":1}', b"[" * 100_000]
    async with Redis.from_url(own_redis.url.removesuffix("/0") + "/1") as broker:
        for place in range(70):
            await broker.hset(f"{queue}.msgs", f"m{place}", garbage[place % len(garbage)])  # type: ignore[misc] # as redis-py's stubs have it
            await broker.rpush(queue, f"m{place}")  # type: ignore[misc] # as above
        await put(own_redis, *map(fields, played()))
        with WorkerProcess(own_redis.url, tmp_path / "worker.log", database_url=database) as worker:

            async def is_written() -> bool:
                return await count(database) == 3

            await until(is_written, worker)


async def test_the_metrics_of_a_worker_show_the_whole_pipeline(
    own_redis: RedisServer, database: str, tmp_path: Path
) -> None:
    """One of its processes answers for both, with the counts of the deployment and the events of each."""
    port = free_port()
    worker = WorkerProcess(
        own_redis.url, tmp_path / "worker.log", database_url=database,
        worker_processes="2", worker_metrics_listen=f"127.0.0.1:{port}",
    )  # fmt: skip

    async def shows(port: int, line: str) -> bool:
        try:
            return line in (await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/metrics"))
        except OSError:
            return False

    with worker:
        await put(own_redis, *map(fields, played()))
        await until(lambda: shows(port, "synckairos_audit_written_total 3.0"), worker)
        assert await shows(port, 'synckairos_audit_messages{state="waiting"} 0.0')
        await until(lambda: shows(port, "synckairos_audit_dead_entries 0.0"), worker)
        assert await shows(port, "synckairos_audit_broker_up 1.0")
        assert await shows(port, "synckairos_audit_database_up 1.0")
        assert not await shows(port + 1, "synckairos")
        for path, word in (("/healthz", "LIVE"), ("/readyz", "SERVING")):
            assert await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}{path}") == f"{word}\n"


def fetch(url: str) -> str:
    """Return what a URL answers."""
    with urllib.request.urlopen(url, timeout=5) as reply:
        return str(reply.read().decode())


async def dead(*arguments: str, redis: RedisServer, cwd: Path) -> Finished:
    """Run `synckairos audit dead`."""
    return await synckairos("audit", "dead", *arguments, redis_url=redis.url, cwd=cwd)


async def test_dead_entries_are_listed_shown_and_replayed(
    own_redis: RedisServer, database: str, tmp_path: Path
) -> None:
    """An entry nobody can read is set aside, the rest is written; replayed, it is judged anew."""
    events = [fields(event) for event in played()]
    strange = {"s": b"nobody", "e": b"\xff\x00"}
    await put(own_redis, events[0], strange, *events[1:])
    async with Redis.from_url(own_redis.url) as client:
        with WorkerProcess(own_redis.url, tmp_path / "worker.log", database_url=database) as worker:

            async def is_buried(times: int = 1) -> bool:
                return await client.xlen(OUTBOX) == 0 and await client.xlen(DEAD) == times

            await until(is_buried, worker)
            listed = await dead("list", redis=own_redis, cwd=tmp_path)
            entry = json.loads(listed.stdout)
            shown = await dead("show", entry["id"], redis=own_redis, cwd=tmp_path)
            missing = await dead("show", "7/1-1", redis=own_redis, cwd=tmp_path)
            wrong = await dead("show", "64/x", redis=own_redis, cwd=tmp_path)
            replayed = await dead("replay", entry["id"], redis=own_redis, cwd=tmp_path)

            async def is_buried_again() -> bool:
                ids = [raw_id.decode() for raw_id, _ in await client.xrange(DEAD)]
                return len(ids) == 1 and ids != [entry["id"].split("/")[1]]

            await until(is_buried_again, worker)

    everything = json.loads(shown.stdout)
    assert await count(database) == 3
    assert (entry["reason"], entry["session_id"]) == (everything["problem"], None)
    assert [(bytes.fromhex(one["name"]).decode(), bytes.fromhex(one["value"])) for one in everything["fields"]] == [
        *strange.items()
    ]
    assert (missing.returncode, wrong.returncode) == (1, 2)
    assert (replayed.returncode, replayed.stdout.strip()) == (0, "1 replayed")


async def test_a_discarded_entry_is_gone_and_kept_as_a_record(
    own_redis: RedisServer, database: str, tmp_path: Path
) -> None:
    """With a reason, its bytes and who did it, once however often; afterwards the pipeline is not degraded."""
    strange = {"s": b"nobody", "e": b"\xff\x00"}
    async with Redis.from_url(own_redis.url) as client:
        entries = [strange, strange, fields(played()[0]) | {"s": b"\0"}]
        ids = [await client.xadd(DEAD, {"o": b"1-1", "r": b"too new", **entry}) for entry in entries]

    async def run(*arguments: str) -> Finished:
        return await synckairos(
            "audit", *arguments, redis_url=own_redis.url, cwd=tmp_path, SYNCKAIROS_DATABASE_URL=database
        )

    one = f"7/{ids[0].decode()}"
    degraded = await run("status")
    silent = await run("dead", "discard", one, "--reason", " ")
    discarded = await run("dead", "discard", one, "--reason", "a test of ours")
    again = await run("dead", "discard", one, "--reason", "a test of ours")
    every = await run("dead", "discard", "--all", "--reason", "all of them")
    fine = await run("status")

    rows = await ask(
        database,
        "SELECT action, operator, reason, details->>'id', details->>'reason', details->'fields'->1->>'value'"
        " FROM sync_operator_actions ORDER BY done_at",
    )
    assert (degraded.returncode, json.loads(degraded.stdout)["dead_entries"]) == (1, 3)
    assert silent.returncode == 2
    assert (discarded.returncode, discarded.stdout.strip()) == (0, "1 discarded"), discarded.stderr
    assert again.returncode == 1
    assert every.stdout.strip() == "2 discarded"
    assert (fine.returncode, json.loads(fine.stdout)["dead_entries"]) == (0, 0)
    assert [(row[0], row[2], row[4], row[5]) for row in rows] == [
        ("discard", "a test of ours", "too new", "ff00"),
        ("discard", "all of them", "too new", "ff00"),
        ("discard", "all of them", "too new", entries[2]["e"].hex()),
    ]
    assert rows[0][3] == one
    assert "@" in str(rows[0][1])


async def test_without_the_trail_nothing_is_discarded(own_redis: RedisServer, tmp_path: Path) -> None:
    """There would be no record."""
    async with Redis.from_url(own_redis.url) as client:
        await client.xadd(DEAD, {"o": b"1-1", "r": b"too new"})
        done = await dead("discard", "--all", "--reason", "why not", redis=own_redis, cwd=tmp_path)
        left = await client.xlen(DEAD)

    assert (done.returncode, left) == (1, 1)
    assert "SYNCKAIROS_DATABASE_URL" in done.stderr


async def test_all_dead_entries_are_replayed_and_written_once_they_can_be(
    own_redis: RedisServer, database: str, tmp_path: Path
) -> None:
    """Entries buried by mistake, as by an older version, reach the trail after all."""
    async with Redis.from_url(own_redis.url) as client:
        for event in played():
            await client.xadd(DEAD, {"o": b"1-1", "r": b"too new", **fields(event)})
        nothing = await dead("replay", redis=own_redis, cwd=tmp_path)
        listed = await dead("list", redis=own_redis, cwd=tmp_path)
        replayed = await dead("replay", "--all", redis=own_redis, cwd=tmp_path)
        empty = await dead("list", redis=own_redis, cwd=tmp_path)

        with WorkerProcess(own_redis.url, tmp_path / "worker.log", database_url=database) as worker:

            async def is_written() -> bool:
                return await count(database) == 3 and await client.xlen(OUTBOX) == 0

            await until(is_written, worker)

    told = [json.loads(line) for line in listed.stdout.splitlines()]
    assert nothing.returncode == 2
    assert [(one["type"], one["version"]) for one in told] == [
        ("session_created", 1),
        ("session_started", 2),
        ("cycle_switched", 3),
    ]
    assert replayed.stdout.strip() == "3 replayed"
    assert empty.stdout == ""
