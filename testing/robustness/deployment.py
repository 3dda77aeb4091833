"""A deployment that can be broken part by part: servers that reach Redis through a proxy each, a worker, the stores."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer
from testing.harness.server_process import ServerProcess
from testing.harness.tcp_proxy import TcpProxy
from testing.harness.worker_process import WorkerProcess
from testing.robustness.steppable_redis import SteppableRedis

BROKER_DATABASE: Final = 1
HEALTHY: Final = ("synckairos",)
SERVING_S: Final = 30.0
STALL_S: Final = 4.0
"""Longer than any server is frozen, shorter than a slow reader rests."""


@dataclass
class Deployment:
    """The parts of one deployment; `proxies` has the way of each server to Redis, in the servers' order."""

    directory: Path
    redis: SteppableRedis
    postgres: PostgresServer
    database_url: str
    proxies: list[TcpProxy] = field(default_factory=list)
    servers: list[ServerProcess] = field(default_factory=list)
    workers: list[WorkerProcess] = field(default_factory=list)

    @property
    def addresses(self) -> list[str]:
        """Where the servers listen."""
        return [server.address for server in self.servers]

    @property
    def settings(self) -> dict[str, str]:
        """What all processes are told."""
        broker_url = self.redis.url.removesuffix("0") + str(BROKER_DATABASE)
        return {
            "database_url": self.database_url,
            "broker_url": broker_url,
            "log_level": "warning",
            "stream_stall_s": str(STALL_S),
        }

    async def start(self, servers: int, module: Sequence[str] = HEALTHY, worker: Sequence[str] | None = None) -> None:
        """Start servers, and a worker if its module is named; returns once they serve."""
        for place in range(servers):
            proxy = TcpProxy("127.0.0.1", self.redis.port)
            await proxy.start()
            self.proxies.append(proxy)
            log, url = self.directory / f"server{place}.log", f"redis://127.0.0.1:{proxy.port}/0"
            server = ServerProcess(url, log, module=module, **self.settings)
            self.servers.append(server)
            server.spawn()
        if worker is not None:
            self.workers.append(
                WorkerProcess(self.redis.url, self.directory / "worker.log", module=worker, **self.settings)
            )
            self.workers[0].spawn()
        for server in self.servers:
            await asyncio.to_thread(server.await_answer, "SERVING", SERVING_S)

    async def stop(self) -> None:
        """End all processes but the stores, at once."""
        for worker in self.workers:
            worker.__exit__(None, None, None)
        for server in self.servers:
            if server.running:
                server.kill()
        for proxy in self.proxies:
            await proxy.stop()


@asynccontextmanager
async def deployment_of_its_own() -> AsyncIterator[Deployment]:
    """Yield a deployment with fresh stores, without servers and worker yet; everything is stopped and wiped."""
    directory = _open_directory()
    try:
        async with AsyncExitStack() as exits:
            redis = SteppableRedis(directory / "redis")
            exits.callback(redis.stop)
            await asyncio.to_thread(redis.start)
            postgres = PostgresServer(directory / "postgres")
            exits.callback(postgres.wipe)
            exits.callback(postgres.stop)
            await asyncio.to_thread(postgres.start)
            await apply_migrations(postgres.url, migrations_folder())
            deployment = Deployment(directory, redis, postgres, postgres.url)
            exits.push_async_callback(deployment.stop)
            yield deployment
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _open_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="synckairos-robustness-"))
    directory.chmod(0o711)  # as root, PostgreSQL runs as another account
    return directory
