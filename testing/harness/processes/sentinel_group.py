"""A primary, its replicas, and the Sentinels that watch them: local processes."""

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import redis

from synckairos.devstack import RedisServer
from synckairos.devstack.discovery import find_redis
from testing.harness.processes.cluster_group import await_that
from testing.harness.processes.server_process import free_port

SERVICE: Final = "games"
SENTINELS: Final = 3
QUORUM: Final = 2
DOWN_MS: Final = 1_000
"""After so long a silence a Sentinel takes the primary for dead."""


class SentinelGroup:
    """One primary, two replicas, three Sentinels; `url` is how a server is told of them."""

    def __init__(self, directory: Path, *, down_ms: int = DOWN_MS) -> None:
        self._directory = directory
        self._down_ms = down_ms
        self.servers: list[RedisServer] = []
        self._sentinels: list[subprocess.Popen[bytes]] = []
        self._ports = [free_port() for _ in range(SENTINELS)]

    @property
    def url(self) -> str:
        """The primary, whichever that is."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self._ports)}/{SERVICE}/0"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for sentinel in self._sentinels:
            sentinel.kill()
            sentinel.wait()
        for server in self.servers:
            if server.running:
                server.resume()
            server.stop()

    def primary(self) -> RedisServer:
        """Return the server that the first Sentinel names."""
        port = _named_by(self._ports[0])
        return next(server for server in self.servers if server.port == port)

    def is_named(self, server: RedisServer) -> bool:
        """Whether any Sentinel names a server: they hear of a failover one after another."""
        return any(_named_by(port) == server.port for port in self._ports)

    def await_another(self, former: RedisServer) -> RedisServer:
        """Wait until the Sentinels name another server, and return it."""
        await_that(lambda: self.primary() is not former, "nobody took over")
        return self.primary()

    def _start(self) -> None:
        first = self._server()
        for _ in range(2):
            self._server("--replicaof", f"127.0.0.1 {first.port}", "--repl-diskless-sync-delay", "0")
        for place, port in enumerate(self._ports):
            folder = self._directory / f"sentinel{place}"
            folder.mkdir()
            settings = folder / "sentinel.conf"
            settings.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
                f"sentinel monitor {SERVICE} 127.0.0.1 {first.port} {QUORUM}\n"
                f"sentinel down-after-milliseconds {SERVICE} {self._down_ms}\n"
                f"sentinel failover-timeout {SERVICE} 5000\n"
            )
            self._sentinels.append(self._sentinel(place))
        self._await_agreement()

    def _sentinel(self, place: int) -> subprocess.Popen[bytes]:
        """Start a Sentinel, which keeps what it knows in its settings."""
        folder = self._directory / f"sentinel{place}"
        with (folder / "log").open("ab") as log:
            command = [str(find_redis()), str(folder / "sentinel.conf"), "--sentinel"]
            return subprocess.Popen(command, stdout=log, stderr=log)

    def _server(self, *extra: str) -> RedisServer:
        folder = self._directory / f"redis{len(self.servers)}"
        server = RedisServer(folder, extra_args=("--repl-diskless-sync-delay", "0", *extra))
        server.start()
        self.servers.append(server)
        return server

    def _await_agreement(self) -> None:
        """Wait until every Sentinel knows the others and both replicas."""
        await_that(lambda: all(map(self._knows_all, self._ports)), "the Sentinels do not find each other")

    def _knows_all(self, port: int) -> bool:
        try:
            with redis.Redis(port=port, decode_responses=True) as client:
                state = client.sentinel_master(SERVICE)
        except redis.RedisError:
            return False
        return (state["num-slaves"], state["num-other-sentinels"]) == (2, SENTINELS - 1)


def _named_by(sentinel: int) -> int:
    with redis.Redis(port=sentinel) as client:
        _, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
    return int(port)
