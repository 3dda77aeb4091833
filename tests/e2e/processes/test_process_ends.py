"""How workers and servers end: in bounded time, with all its processes, whatever has failed or is stuck meanwhile."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.adapters.redis.keys import Keys
from synckairos.cli.migration import migrations_folder
from synckairos.composition.server_process import CLOSE_S
from synckairos.composition.worker import END_S
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.devstack.child_server import ChildServer
from synckairos.domain.commands import Start
from testing.harness.builders import Game, per_participant
from testing.harness.fakes.outbox_fields import fields_of
from testing.harness.processes.databases import own_database
from testing.harness.processes.server_process import ServerProcess
from testing.harness.processes.worker_process import WorkerProcess

PARTITION = 7


async def ended(worker: WorkerProcess, seconds: float = END_S + 2.0) -> float:
    """Wait until no process of the worker's group is left, and return how long that took; fails if it takes longer."""
    started = time.monotonic()
    while True:
        took = time.monotonic() - started
        _ = worker.running  # takes the exit status of the first one
        try:
            os.killpg(worker.pid, 0)
        except ProcessLookupError:
            return took
        assert took < seconds, f"processes are left after {took:.1f} s\n{worker.tail()}"
        await asyncio.sleep(0.05)  # the wait on a condition with a deadline


def children(worker: WorkerProcess) -> list[int]:
    """Return the worker processes below the supervisor."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == worker.pid:
                found.append(int(entry.name))
    return found


@pytest.fixture
async def worker(
    own_redis: RedisServer, postgres_server: PostgresServer, tmp_path: Path
) -> AsyncIterator[WorkerProcess]:
    """A worker with two stores."""
    async with own_database(postgres_server) as url:
        await apply_migrations(url, migrations_folder())
        with WorkerProcess(own_redis.url, tmp_path / "worker.log", database_url=url) as worker:
            yield worker


async def put_events(redis: RedisServer) -> None:
    """Be the commits of a session."""
    game = Game(per_participant())
    game.ok(0, Start())
    async with Redis.from_url(redis.url) as client:
        for event in game.events:
            fields = {name.decode(): value for name, value in fields_of(event)}
            await client.xadd(Keys().partitioned(PARTITION, "outbox"), fields)  # type: ignore[arg-type] # any names


async def claimed(redis: RedisServer) -> None:
    """Wait until the worker is at work on the partition."""
    broker = redis.url.removesuffix("/0") + "/1"
    async with Redis.from_url(broker) as client, asyncio.timeout(30):
        while not await client.exists(f"{Keys().prefix}:claimed:{PARTITION}"):  # noqa: ASYNC110 - with a deadline
            await asyncio.sleep(0.02)


def _to_the_supervisor(worker: WorkerProcess) -> None:
    os.kill(worker.pid, signal.SIGTERM)


def _to_all(worker: WorkerProcess) -> None:
    os.killpg(worker.pid, signal.SIGTERM)


def _without_supervisor(worker: WorkerProcess) -> None:
    os.kill(worker.pid, signal.SIGKILL)


def _twice(worker: WorkerProcess) -> None:
    for child in children(worker):
        os.kill(child, signal.SIGTERM)
    os.kill(worker.pid, signal.SIGTERM)


@pytest.mark.parametrize(
    ("gone", "tell"),
    [
        (RedisServer.kill, _to_the_supervisor),
        (RedisServer.kill, _twice),
        (RedisServer.pause, _to_all),
        (RedisServer.pause, _without_supervisor),
    ],
    ids=["gone, told once", "gone, told twice", "frozen, all told", "frozen, supervisor killed"],
)
async def test_a_worker_ends_without_its_broker(
    worker: WorkerProcess,
    own_redis: RedisServer,
    gone: Callable[[RedisServer], None],
    tell: Callable[[WorkerProcess], None],
) -> None:
    """Redis, with the broker in it, is away when a worker is told to end, however often and through whom."""
    gone(own_redis)
    try:
        await asyncio.to_thread(worker.await_log, "connection error")
        await asyncio.to_thread(tell, worker)
        await ended(worker)
    finally:
        own_redis.start()
        own_redis.resume()


@pytest.mark.parametrize("gone", [ChildServer.kill, ChildServer.pause], ids=["gone", "frozen"])
async def test_a_server_ends_without_its_stores(
    own_redis: RedisServer, server_directory: Path, tmp_path: Path, gone: Callable[[ChildServer], None]
) -> None:
    """Neither Redis nor PostgreSQL answers when a server is told to end; it ends as ever."""
    with PostgresServer(server_directory / "postgres") as postgres:
        await apply_migrations(postgres.url, migrations_folder())
        server = ServerProcess(own_redis.url, tmp_path / "server.log", database_url=postgres.url)
        try:
            with server:
                server.await_answer("SERVING")
                gone(own_redis)
                gone(postgres)
                server.await_answer("NOT_SERVING")

                assert await asyncio.to_thread(server.stop, CLOSE_S) == 0, server.tail()
        finally:
            for store in (own_redis, postgres):
                store.start()
                store.resume()
        postgres.stop()
        postgres.wipe()


async def test_a_server_takes_signals_of_one_moment_for_one(own_redis: RedisServer, tmp_path: Path) -> None:
    """A terminal that closes hangs up twice, and a service manager may signal both us and our parent."""
    with ServerProcess(own_redis.url, tmp_path / "server.log") as server:
        server.await_answer("SERVING")
        os.kill(server.pid, signal.SIGHUP)

        assert await asyncio.to_thread(server.stop, CLOSE_S) == 0, server.tail()


async def test_a_worker_ends_in_the_middle_of_a_batch(
    own_redis: RedisServer, server_directory: Path, tmp_path: Path
) -> None:
    """PostgreSQL stands still under a batch, then Redis does: neither can ever be told what became of it."""
    with PostgresServer(server_directory / "postgres") as postgres:
        await apply_migrations(postgres.url, migrations_folder())
        with WorkerProcess(own_redis.url, tmp_path / "worker.log", database_url=postgres.url) as worker:
            await asyncio.to_thread(worker.await_log, "partitions_made")
            postgres.pause()
            await put_events(own_redis)
            await claimed(own_redis)
            own_redis.pause()
            try:
                os.killpg(worker.pid, signal.SIGTERM)
                await ended(worker)
            finally:
                postgres.resume()
                own_redis.resume()
        postgres.stop()
        postgres.wipe()
