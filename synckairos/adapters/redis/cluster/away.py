"""The nodes of a cluster that were waited for in vain."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

from synckairos.adapters.redis.cluster.topology import Address, Topology
from synckairos.application.errors import StoreUnavailable

PAUSE_S: Final = 0.05
"""Before a node is asked again that could not answer yet; so long others wait for whoever asks it."""


class Away:
    """Nodes that nobody waits for until one answers; whoever takes their place is looked for meanwhile.

    One exchange at a time asks such a node: one that says nothing must not hold up all who come to it, nor take the
    places of others.
    """

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._nodes: set[Address | None] = set()
        self._asked: dict[Address, asyncio.Event] = {}

    def __contains__(self, node: Address | None) -> bool:
        return node in self._nodes

    def give_up(self, nodes: Iterable[Address | None]) -> None:
        """Let those who come next not wait for these; None stands for slots that nobody has."""
        self._nodes.update(nodes)
        self._topology.seek(self._is_anyone_left)

    def forget(self, node: Address | None) -> None:
        """Take note that a node has answered."""
        self._nodes.discard(node)

    @asynccontextmanager
    async def asking(self, node: Address) -> AsyncIterator[None]:
        """Ask a node while the body runs; raises StoreUnavailable if somebody asks it already, and it is still away."""
        if node in self._nodes and (asked := self._asked.get(node)) is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_S):
                    await asked.wait()
        if node not in self._nodes:
            yield
            return
        if node in self._asked:
            raise StoreUnavailable(f"{node[0]}:{node[1]} is away")
        ended = self._asked[node] = asyncio.Event()
        try:
            yield
        finally:
            del self._asked[node]
            ended.set()

    def _is_anyone_left(self) -> bool:
        self._nodes &= self._topology.holders()
        return bool(self._nodes)
