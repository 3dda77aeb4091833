"""Which node of a cluster has which slot, read from any node that answers, once for all who wait for it."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import structlog
from redis.exceptions import RedisError

from synckairos.adapters.redis.connections.connector import LOST, Connector
from synckairos.adapters.redis.connections.replies import checked
from synckairos.adapters.redis.connections.wire import Reply, Wire
from synckairos.adapters.redis.keys import SLOTS
from synckairos.application.errors import StoreUnavailable
from synckairos.redis_urls import ClusterUrl

Address: TypeAlias = tuple[str, int]

MOST_ASKED: Final = 3
"""Nodes asked at once; the first that answers is believed, and put right by MOVED if it was behind."""
SEEK_S: Final = (0.025, 1.0)
"""Shortest and longest pause between two readings while somebody is away."""
SEEK_SHARE: Final = 0.01
"""Of the time it has been away: the pause between."""

_log = structlog.get_logger(__name__)


class Topology:
    """The primary of each slot, as far as this process knows."""

    def __init__(self, url: ClusterUrl, name: str, timeout_s: float) -> None:
        self._url = url
        self._name = name
        self._timeout_s = timeout_s
        self._primaries: list[Address | None] = [None] * SLOTS
        self._nodes: set[Address] = set()
        self._reading: asyncio.Task[None] | None = None
        self._seeking: asyncio.Task[None] | None = None
        self._is_closed = False
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call the listener whenever a slot turns out to have another primary."""
        self._listeners.append(listener)

    def primary(self, slot: int) -> Address | None:
        """Return the primary of a slot; None for a slot that nobody has, or before the first reading."""
        return self._primaries[slot]

    def primaries(self) -> set[Address]:
        """Return the primaries of all slots."""
        return {address for address in self._primaries if address is not None}

    def holders(self) -> set[Address | None]:
        """Return the primaries of all slots, and None if there are slots without one."""
        return set(self._primaries)

    def refresh(self) -> asyncio.Task[None]:
        """Return the reading under way, begun now if there is none; it fails with StoreUnavailable if no node answers.

        Whoever waits for it must shield it: others do, too.
        """
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self._read())
            self._reading.add_done_callback(_told_of)
        return self._reading

    def seek(self, is_anyone_away: Callable[[], bool]) -> None:
        """Read again and again while somebody is away, so that whoever takes that place is known soon."""
        if not self._is_closed and (self._seeking is None or self._seeking.done()):
            self._seeking = asyncio.ensure_future(self._seek(is_anyone_away))
            self._seeking.add_done_callback(_told_of)

    def close(self) -> None:
        """Read and seek no longer."""
        self._is_closed = True
        for task in (self._seeking, self._reading):
            if task is not None:
                task.cancel()

    async def _seek(self, is_anyone_away: Callable[[], bool]) -> None:
        began = time.monotonic()
        while is_anyone_away():
            await asyncio.wait([self.refresh()])
            away_s = time.monotonic() - began
            await asyncio.sleep(min(max(SEEK_S[0], SEEK_SHARE * away_s), SEEK_S[1]))

    async def _read(self) -> None:
        known = sorted(self._nodes)
        random.shuffle(known)
        for asked in (known[:MOST_ASKED], list(self._url.nodes)):
            if await self._take_from(asked):
                return
        raise StoreUnavailable("no node of the cluster answers")

    async def _take_from(self, nodes: Iterable[Address]) -> bool:
        tasks = [asyncio.ensure_future(self._ask(node)) for node in nodes]
        try:
            for answer in asyncio.as_completed(tasks):
                with contextlib.suppress(*LOST, RedisError, StoreUnavailable):
                    self._take(*(await answer))
                    return True
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return False

    async def _ask(self, node: Address) -> tuple[Address, Reply]:
        connection = await Connector(self._url.of(*node), self._name, self._timeout_s).open()
        wire = Wire(connection, self._timeout_s)
        try:
            (ranges,) = checked(await wire.exchange([("CLUSTER", "SLOTS")]))
        finally:
            wire.close()
        return node, ranges

    def _take(self, asked: Address, ranges: Reply) -> None:
        before, self._primaries = self._primaries, [None] * SLOTS
        self._nodes = set()
        for begin, end, *nodes in ranges:
            found = [address for host, port, *_ in nodes if (address := _address(host, port, asked)) is not None]
            self._nodes.update(found)
            primary = _address(nodes[0][0], nodes[0][1], asked)
            self._primaries[begin : end + 1] = [primary] * (end + 1 - begin)
        if self._primaries != before:
            _log.info("cluster_topology", primaries=len(self.primaries()), slots=SLOTS - self._primaries.count(None))
            for listener in self._listeners:
                listener()


def _told_of(task: asyncio.Task[None]) -> None:
    """Look at how a task has ended, for whoever waited for it may be gone; what nobody expects is told."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, StoreUnavailable):
        _log.error("topology_not_read", exc_info=error)


def _address(host: bytes | None, port: int, asked: Address) -> Address | None:
    """Return where a node says it is: an unnamed host is the one that was asked, `?` is nowhere."""
    name = bytes(host).decode() if host else asked[0]
    return None if name == "?" else (name, port)
