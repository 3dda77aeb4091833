"""Primaries with replicas, of which each can be held back, killed, frozen and taken back: local processes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from synckairos.devstack import RedisServer
from testing.harness.processes.cluster_group import await_that

ANSWER_S: Final = 5.0
NOBODY: Final = ("masteruser", "nobody", "masterauth", "nobody")
"""Whom no primary knows: a replica that says so is not let in."""


class ReplicatedRedis(ABC):
    """What clusters and Sentinels have in common; everything waits, and raises AssertionError where it is in vain."""

    servers: list[RedisServer]

    @property
    @abstractmethod
    def url(self) -> str:
        """How a server of SyncKairos is told of them."""

    @abstractmethod
    def partitions_of(self, primary: RedisServer) -> list[int]:
        """Return the partitions that a primary has; none stands for all."""

    @abstractmethod
    def take_back(self, former: RedisServer) -> None:
        """Start a primary that was killed, or let a frozen one go on, and wait until all is as it should be."""

    def primary_at(self, place: int) -> RedisServer:
        """Return one of the primaries."""
        primaries = [server for server in self.servers if is_primary(server)]
        return primaries[place % len(primaries)]

    def replicas_of(self, primary: RedisServer) -> list[RedisServer]:
        """Return those that follow a primary."""
        roles = {server: role_of(server) for server in self.servers}
        return [server for server, role in roles.items() if role and role[0] == "slave" and role[2] == primary.port]

    def hold_back(self, primary: RedisServer, replicas: Sequence[RedisServer]) -> None:
        """Let nothing more reach the replicas of a primary."""
        for replica in replicas:
            ask(replica, "CONFIG", "SET", *NOBODY)
        ask(primary, "CLIENT", "KILL", "TYPE", "replica")

    def let_follow(self, replicas: Sequence[RedisServer]) -> None:
        """Let replicas that were held back follow again, whoever is their primary by now."""
        for replica in replicas:
            ask(replica, "CONFIG", "SET", "masteruser", "", "masterauth", "")

    def await_promotion(self, replicas: Sequence[RedisServer]) -> None:
        """Wait until one of them has become a primary."""
        await_that(lambda: any(is_primary(replica) for replica in replicas), "nobody took over")


def ask(server: RedisServer, *command: str | int) -> Any:
    """Return a server's reply to a command, texts decoded; raises what redis-py raises."""
    retry = Retry(NoBackoff(), 0)
    with redis.Redis(port=server.port, decode_responses=True, socket_timeout=ANSWER_S, retry=retry) as client:
        client.response_callbacks.clear()
        return client.execute_command(*command)


def role_of(server: RedisServer) -> Any:
    """Return the reply to ROLE; None if the server does not answer."""
    try:
        return ask(server, "ROLE") if server.running else None
    except redis.RedisError:
        return None


def is_primary(server: RedisServer) -> bool:
    """Whether a server takes itself for a primary."""
    role = role_of(server)
    return role is not None and role[0] == "master"


def has_written(server: RedisServer) -> bool:
    """Whether a server's log holds all it has answered.

    One that has just been sent everything by its primary has no log of that until it has written it anew.
    """
    told = ask(server, "INFO", "persistence").split()
    return set(told) >= {"aof_buffer_length:0", "aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"}
