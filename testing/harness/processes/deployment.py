"""One deployment as processes of its own: Redis, PostgreSQL, servers and workers, each stopped and killed at will."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import asyncpg

from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.outbox import RedisOutbox
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer, RedisServer
from testing.harness.processes.child_process import HEALTHY
from testing.harness.processes.server_process import ServerProcess
from testing.harness.processes.worker_process import WorkerProcess
from testing.harness.stores import connections_to

BROKER_DATABASE: Final = 1
AnyRedis = TypeVar("AnyRedis", bound=RedisServer)


@dataclass
class Deployment:
    """The parts of one deployment; `settings` are those of every server and worker."""

    directory: Path
    redis: RedisServer
    postgres: PostgresServer
    database_url: str
    settings: dict[str, str] = field(default_factory=dict)
    servers: list[ServerProcess] = field(default_factory=list)
    workers: list[WorkerProcess] = field(default_factory=list)

    @property
    def addresses(self) -> list[str]:
        """Where the servers listen."""
        return [server.address for server in self.servers]

    @property
    def store_url(self) -> str:
        """Where the sessions are kept."""
        return self.redis.url

    @property
    def broker_url(self) -> str:
        """Dramatiq's own database, in the same Redis."""
        return self.redis.url.removesuffix("0") + str(BROKER_DATABASE)

    def spawn_server(self, redis_url: str = "", module: Sequence[str] = HEALTHY, **settings: str) -> ServerProcess:
        """Start one more server without waiting for it."""
        log = self.directory / f"server{len(self.servers)}.log"
        server = ServerProcess(redis_url or self.store_url, log, module=module, **self._settings(settings))
        self.servers.append(server)
        server.spawn()
        return server

    def start_server(self, **settings: str) -> ServerProcess:
        """Start one more server and wait until it serves."""
        server = self.spawn_server(**settings)
        server.await_answer("SERVING")
        return server

    def start_worker(self, module: Sequence[str] = HEALTHY, **settings: str) -> WorkerProcess:
        """Start one more worker; if it logs at `info`, wait until it works."""
        log = self.directory / f"worker{len(self.workers)}.log"
        worker = WorkerProcess(self.store_url, log, module=module, **self._settings(settings))
        self.workers.append(worker)
        worker.start()
        return worker

    def _settings(self, more: dict[str, str]) -> dict[str, str]:
        own = {"database_url": self.database_url, "broker_url": self.broker_url, "log_level": "warning"}
        return {**own, **self.settings, **more}

    async def migrate(self) -> None:
        """Create the schema of the audit trail."""
        await apply_migrations(self.database_url, migrations_folder())

    async def query(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """Ask PostgreSQL."""
        connection = await asyncpg.connect(self.database_url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
            return rows
        finally:
            await connection.close()

    async def outbox_length(self) -> int:
        """Return how many events wait for PostgreSQL."""
        connections = connections_to(self.store_url, limit=1)
        try:
            return (await RedisOutbox(connections, Keys()).backlog()).length
        finally:
            await connections.close()

    async def is_drained(self) -> bool:
        """Whether no event waits for PostgreSQL."""
        return await self.outbox_length() == 0

    async def stop(self) -> None:
        """Kill the workers and servers, whatever state they are in."""
        for worker in self.workers:
            worker.kill()
        for server in self.servers:
            server.kill()


@asynccontextmanager
async def fresh_stores(
    redis_in: Callable[[Path], AnyRedis],
) -> AsyncIterator[tuple[Path, AnyRedis, PostgresServer]]:
    """Yield a directory with a Redis and a PostgreSQL running in it; both are stopped and wiped afterwards."""
    directory = _open_directory()
    try:
        with ExitStack() as exits:
            redis = redis_in(directory / "redis")
            exits.callback(redis.stop)
            await asyncio.to_thread(redis.start)
            postgres = PostgresServer(directory / "postgres")
            exits.callback(postgres.wipe)
            exits.callback(postgres.stop)
            await asyncio.to_thread(postgres.start)
            yield directory, redis, postgres
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _open_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="synckairos-"))
    directory.chmod(0o711)  # as root, PostgreSQL runs as another account
    return directory


@asynccontextmanager
async def fresh_deployment() -> AsyncIterator[Deployment]:
    """Yield a deployment with fresh, migrated stores, without servers and workers yet."""
    async with fresh_stores(RedisServer) as (directory, redis, postgres):
        deployment = Deployment(directory, redis, postgres, postgres.url)
        await deployment.migrate()
        try:
            yield deployment
        finally:
            await deployment.stop()


async def seconds_until(condition: Callable[[], Awaitable[bool]], seconds: float, description: str) -> float:
    """Wait until the condition holds; return how many seconds that took, or fail with the description."""
    started = time.monotonic()
    while not await condition():
        if time.monotonic() - started > seconds:
            raise AssertionError(f"not within {seconds:.0f} s: {description}")
        await asyncio.sleep(0.05)
    return time.monotonic() - started
