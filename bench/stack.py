"""Everything a deployment has, as processes of its own: Redis, PostgreSQL, servers, workers."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg
from redis.asyncio import Redis

from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer, RedisServer
from testing.harness.server_process import ServerProcess
from testing.harness.worker_process import WorkerProcess

BROKER_DATABASE: Final = 1


@dataclass
class Stack:
    """One deployment; its parts may be stopped, killed and started again."""

    directory: Path
    redis: RedisServer
    postgres: PostgresServer
    servers: list[ServerProcess] = field(default_factory=list)
    workers: list[WorkerProcess] = field(default_factory=list)

    @property
    def addresses(self) -> list[str]:
        """Where the servers listen."""
        return [server.address for server in self.servers]

    @property
    def broker_url(self) -> str:
        """Dramatiq's own database, in the same Redis."""
        return self.redis.url.removesuffix("0") + str(BROKER_DATABASE)

    async def outbox_length(self) -> int:
        """Return how many events wait for PostgreSQL."""
        async with Redis.from_url(self.redis.url) as client, client.pipeline(transaction=False) as pipeline:
            for partition in range(PARTITIONS):
                pipeline.xlen(Keys().partitioned(partition, "outbox"))
            return sum(await pipeline.execute())

    async def is_drained(self) -> bool:
        """Whether no event waits for PostgreSQL."""
        return await self.outbox_length() == 0

    async def query(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """Ask PostgreSQL."""
        connection = await asyncpg.connect(self.postgres.url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
            return rows
        finally:
            await connection.close()

    def start_server(self, **settings: str) -> ServerProcess:
        """Start one more server and wait until it serves."""
        log = self.directory / f"server{len(self.servers)}.log"
        server = ServerProcess(
            self.redis.url,
            log,
            database_url=self.postgres.url,
            broker_url=self.broker_url,
            **{"log_level": "warning", **settings},
        )
        self.servers.append(server)
        server.spawn()
        server.await_answer("SERVING")
        return server

    def start_worker(self, **settings: str) -> WorkerProcess:
        """Start one more worker."""
        log = self.directory / f"worker{len(self.workers)}.log"
        worker = WorkerProcess(
            self.redis.url,
            log,
            database_url=self.postgres.url,
            broker_url=self.broker_url,
            **{"log_level": "warning", **settings},
        )
        self.workers.append(worker)
        worker.start()
        return worker

    def close(self) -> None:
        """Stop what still runs, the workers first."""
        for worker in self.workers:
            worker.__exit__(None, None, None)
        for server in self.servers:
            server.__exit__(None, None, None)


@contextmanager
def stack_of_processes() -> Iterator[Stack]:
    """Yield a fresh deployment without servers and workers yet; everything is stopped and wiped at the end."""
    directory = Path(tempfile.mkdtemp(prefix="synckairos-bench-"))
    directory.chmod(0o711)  # as root, PostgreSQL runs as another account
    try:
        with ExitStack() as exits:
            redis = RedisServer(directory / "redis")
            redis.start()
            exits.callback(redis.stop)
            postgres = PostgresServer(directory / "postgres")
            postgres.start()
            exits.callback(postgres.wipe)
            exits.callback(postgres.stop)
            stack = Stack(directory, redis, postgres)
            exits.callback(stack.close)
            yield stack
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def migrate(stack: Stack) -> None:
    """Create the schema of the audit trail."""
    await apply_migrations(stack.postgres.url, migrations_folder())
