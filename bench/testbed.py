"""Everything that the scenarios of a run share: the deployment, the load processes, the echo and the sessions."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from redis.asyncio import Redis

from bench.load.load_pool import LoadPool, Measurement
from bench.seeding import Seed, seed
from bench.sizes import Sizes
from synckairos.adapters.redis.keys import PARTITIONS, Keys
from testing.harness.processes.deployment import Deployment
from testing.harness.processes.server_process import ServerProcess, free_port

PREFIX: Final = "sk"
SERVICE: Final = "/synckairos.v1.SessionService/"
STOP_S: Final = 10.0


class Echo:
    """The process of the echo server."""

    def __init__(self) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "bench.echo_server", self.address], stdout=subprocess.PIPE, start_new_session=True
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def await_ready(self) -> None:
        """Wait until it listens."""
        assert self._process.stdout is not None  # noqa: S101 - piped
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("the echo server has not started; its last words are above")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Testbed:
    """The deployment and everything that drives it."""

    def __init__(self, deployment: Deployment, pool: LoadPool, echo: Echo, sizes: Sizes) -> None:
        self.deployment = deployment
        self.pool = pool
        self.echo = echo
        self.sizes = sizes
        self.latest: dict[str, Measurement] = {}
        """The last round of every scenario and baseline."""
        self._servers: list[ServerProcess] = []
        self._ids: dict[tuple[str, int], list[str]] = {}

    @property
    def redis_url(self) -> str:
        """The store of all servers, each scenario under a prefix of its own where it needs one."""
        return self.deployment.redis.url

    def server(self, place: int = 0) -> ServerProcess:
        """Return the first, the second, … server of the common store, started when first asked for."""
        while len(self._servers) <= place:
            self._servers.append(self.deployment.start_server())
        return self._servers[place]

    async def sessions(self, count: int, participants: int = 2) -> list[str]:
        """Return running sessions of the common store, the same ones for every scenario that asks for as many."""
        key = (str(participants), count)
        if key not in self._ids:
            self._ids[key] = await seed(self.redis_url, PREFIX, Seed(count, participants))
        return self._ids[key]

    def pids(self, servers: Sequence[ServerProcess]) -> Mapping[str, Sequence[int]]:
        """Return whose CPU time is to be read."""
        return {"server": [server.pid for server in servers], "redis": [self.deployment.redis.pid]}

    async def stored_events(self) -> int:
        """Return how many events the trail holds."""
        (row,) = await self.deployment.query("SELECT count(*) AS rows FROM sync_events")
        return int(row["rows"])

    @contextmanager
    def own_server(self, prefix: str, **settings: str) -> Iterator[ServerProcess]:
        """Yield a fresh server on a part of the store of its own."""
        server = self.deployment.start_server(redis_prefix=prefix, **settings)
        try:
            yield server
        finally:
            server.stop()

    async def empty_outbox(self, prefix: str = PREFIX) -> None:
        """Throw away the events that wait for PostgreSQL, so that no scenario pays for those before it."""
        keys = Keys(prefix)
        async with Redis.from_url(self.redis_url) as redis:
            await redis.unlink(*(keys.partitioned(partition, "outbox") for partition in range(PARTITIONS)))

    async def forget(self, prefix: str) -> None:
        """Remove everything under a prefix that no server uses any more."""
        async with Redis.from_url(self.redis_url) as redis:
            keys: list[bytes] = []
            async for key in redis.scan_iter(match=f"{prefix}:*", count=1_000):
                keys.append(key)
                if len(keys) == 1_000:
                    await redis.unlink(*keys)
                    keys.clear()
            if keys:
                await redis.unlink(*keys)
