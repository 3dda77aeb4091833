"""What a change must reach before its caller is told, and how a connection waits for it.

Redis counts what a connection has written: WAITAOF and WAIT after its EXEC wait for that, and for all before it.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from synckairos.adapters.redis.connections.wire import RedisCommand, Reply
from synckairos.domain.model import IN_MEMORY, Durability, DurabilityLevel, Session


class Need(NamedTuple):
    """The primary's disk, and so many replicas; false if there is nothing to wait for."""

    disk: bool = False
    replicas: int = 0

    def __bool__(self) -> bool:
        return self.disk or self.replicas > 0

    def joined(self, other: "Need") -> "Need":
        """Return what meets both."""
        return Need(self.disk or other.disk, max(self.replicas, other.replicas))


NOTHING: Final = Need()


class Reached(NamedTuple):
    """What a wait has come to."""

    disk: bool = False
    replicas: int = 0

    def meets(self, need: Need) -> bool:
        """Whether it is enough."""
        return self.replicas >= need.replicas and (self.disk or not need.disk)

    def told(self, need: Need) -> Durability:
        """Return how it is told to whoever needed this much."""
        if need.replicas:
            return Durability(DurabilityLevel.REPLICAS, self.replicas)
        return Durability(DurabilityLevel.FSYNC) if need.disk else IN_MEMORY


class DurabilityRules:
    """The least that every change needs, and how long a wait may take."""

    def __init__(self, least: Durability = IN_MEMORY, timeout_ms: int = 3_000) -> None:
        self.least: Final = _need(least)
        self._timeout_ms = timeout_ms

    def need_of(self, session: Session | None) -> Need:
        """Return what the changes of a session need; of one that is not there, what all do."""
        asked = None if session is None else session.rules.durability
        return self.least if asked is None else self.least.joined(_need(asked))

    def waits(self, need: Need) -> list[RedisCommand]:
        """Return the commands that wait, one after the other."""
        waits: list[RedisCommand] = []
        if need.disk:
            waits.append(("WAITAOF", 1, 0, self._timeout_ms))
        if need.replicas:
            waits.append(("WAIT", need.replicas, self._timeout_ms))
        return waits

    def patience_s(self, waits: Sequence[RedisCommand]) -> float:
        """Return how long these commands may take beyond an exchange."""
        return len(waits) * self._timeout_ms / 1_000


def reached(wait: asyncio.Future[list[Reply]]) -> Reached:
    """Return what a wait that is over has come to; an error, or a broken connection, has reached nothing."""
    replies = [] if wait.exception() else wait.result()
    # WAITAOF tells of two numbers of disks, the first of them here; WAIT of one number of replicas.
    disks = [reply for reply in replies if isinstance(reply, list)]
    replicas = [reply for reply in replies if isinstance(reply, int)]
    return Reached(any(disk[0] >= 1 for disk in disks), max(replicas, default=0))


def _need(durability: Durability) -> Need:
    return Need(durability.level is DurabilityLevel.FSYNC, durability.replicas)
