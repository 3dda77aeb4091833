"""A primary and its replica, of which either can be frozen, killed and take the other's place: local processes."""

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import redis

from synckairos.devstack import RedisServer

PATIENCE_S: Final = 30.0
PROMPTLY: Final = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")


class ReplicaPair:
    """One primary, one replica; `more` are arguments of both."""

    def __init__(self, directory: Path, *more: str) -> None:
        self._directory = directory
        self._more = more
        self._made = 0
        self.link_port = 0
        """Where the replica finds the primary, if not at its own port."""
        self.primary = self._server()
        self.replica = self._server()

    def __enter__(self) -> Self:
        try:
            self.primary.start()
            self.replica.start()
            self.follow()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for server in (self.replica, self.primary):  # a primary that ends waits for its replica
            server.stop()

    def follow(self) -> None:
        """Let the replica follow the primary, and wait until it does."""
        with redis.Redis(port=self.replica.port) as client:
            client.execute_command("REPLICAOF", "127.0.0.1", str(self.link_port or self.primary.port))
        until = time.monotonic() + PATIENCE_S
        while not self._follows():
            assert time.monotonic() < until, "the replica does not follow"
            time.sleep(0.01)  # the wait on a condition with a deadline, from outside the processes

    def fail_over(self) -> None:
        """Kill the primary, let the replica take its place, and give it a new, empty replica."""
        self.primary.kill()
        with redis.Redis(port=self.replica.port) as client:
            client.execute_command("REPLICAOF", "NO", "ONE")
        self.primary, self.replica = self.replica, self._server()
        self.replica.start()
        self.follow()

    def _server(self) -> RedisServer:
        self._made += 1
        return RedisServer(self._directory / f"redis{self._made}", extra_args=(*PROMPTLY, *self._more))

    def _follows(self) -> bool:
        with redis.Redis(port=self.primary.port) as primary, redis.Redis(port=self.replica.port) as replica:
            told: Any = primary.info("replication")
            seen: Any = replica.info("replication")
        first = told.get("slave0")
        return seen["master_link_status"] == "up" and first is not None and first["state"] == "online"
