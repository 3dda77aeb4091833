"""Hints over the sharded pub/sub of a cluster: each session's from the node that has it."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from redis.crc import key_slot

from synckairos.adapters.redis.cluster.connections import ClusterConnections
from synckairos.adapters.redis.feed import RedisFeed, head_of
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.values.codec import HEAD_BYTES
from synckairos.application.errors import ShardUnavailable, StoreUnavailable
from synckairos.application.ports import Hint, Since
from synckairos.domain.model import Head

LOOK_S: Final = 0.2
"""Pause between two looks at whether the channels are where their slots are."""


class ClusterFeed:
    """A feed of each node that has sessions which are watched; a session goes with its slot."""

    def __init__(self, connections: ClusterConnections, keys: Keys, *, connect_timeout_s: float = 1.0) -> None:
        self._connections = connections
        self._keys = keys
        self._timeout_s = connect_timeout_s
        self._feeds: dict[str, RedisFeed] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._where: dict[str, str] = {}
        """The node that each watched session is heard from; empty while nobody has its slot."""
        self._on_hint: Callable[[Hint], None] | None = None
        self._reader = RedisFeed(connections.url_of(""), connections, keys)
        self._changed = asyncio.Event()
        connections.topology.on_change(self._changed.set)

    async def subscribe(self, session_id: str) -> None:
        """Ask for hints about a session; returns once they flow, raises ShardUnavailable if they do not in time."""
        node = self._where[session_id] = self._node_of(session_id)
        if not node:
            self._connections.doubt()
            raise ShardUnavailable("no node of the cluster has the session's slot", session_id=session_id)
        try:
            await self._feed(node).subscribe(session_id)
        except StoreUnavailable as error:
            self._connections.doubt()
            raise ShardUnavailable(str(error), session_id=session_id) from error

    def unsubscribe(self, session_id: str) -> None:
        """Stop asking for hints about a session."""
        node = self._where.pop(session_id, "")
        if node in self._feeds:
            self._feeds[node].unsubscribe(session_id)

    async def since(self, session_id: str, version: int) -> Since:
        """Return the retained events from a version on, oldest first, and the session; raises as RedisFeed does."""
        return await self._reader.since(session_id, version)

    async def heads(self, session_ids: Sequence[str]) -> list[Head | None]:
        """Return the present heads of the sessions, None for missing or unreadable ones and for those of a lost node.

        Raises StoreUnavailable if no node answers.
        """
        answers = await self._connections.answers(
            [("GETRANGE", self._keys.of(session_id).session, 0, HEAD_BYTES - 1) for session_id in session_ids]
        )
        problems = [answer.problem for answer in answers if answer.problem is not None]
        if problems and len(problems) == len(answers):
            raise problems[0]
        found = [answer.replies[0] if answer.problem is None else None for answer in answers]
        return [head_of(reply) if reply else None for reply in found]

    async def listen(self, on_hint: Callable[[Hint], None]) -> None:
        """Deliver hints for ever, from whichever nodes have the sessions that are watched.

        Raises whatever ends the listening to one node.
        """
        self._on_hint = on_hint
        for node in self._feeds:
            self._listen_to(node, is_told=True)
        on_hint(Hint("", None))
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._changed.wait()
                self._changed.clear()
                for task in self._tasks.values():
                    if task.done():
                        task.result()
                self._follow()
        finally:
            self._on_hint = None
            tasks = list(self._tasks.values())
            self._tasks.clear()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _follow(self) -> None:
        """Ask the nodes that have the slots now, and doubt what was missed until they are heard."""
        moved = [session_id for session_id, node in self._where.items() if node != self._node_of(session_id)]
        for session_id in moved:
            self.unsubscribe(session_id)
            node = self._where[session_id] = self._node_of(session_id)
            if node:
                self._feed(node).want(session_id).add_done_callback(partial(self._doubt, session_id))

    def _doubt(self, session_id: str, confirmed: asyncio.Future[None]) -> None:
        if self._on_hint is not None and not confirmed.cancelled():
            self._on_hint(Hint(session_id, None))

    def _node_of(self, session_id: str) -> str:
        return self._connections.node_of(key_slot(self._keys.of(session_id).updates.encode()))

    def _feed(self, node: str) -> RedisFeed:
        feed = self._feeds.get(node)
        if feed is None:
            feed = self._feeds[node] = RedisFeed(
                self._connections.url_of(node),
                self._connections,
                self._keys,
                connect_timeout_s=self._timeout_s,
                is_cluster=True,
                on_lost=self._connections.doubt,
            )
            self._listen_to(node, is_told=False)
        return feed

    def _listen_to(self, node: str, *, is_told: bool) -> None:
        if self._on_hint is not None and node not in self._tasks:
            listening = self._feeds[node].listen(self._on_hint, is_told=is_told)
            self._tasks[node] = asyncio.get_running_loop().create_task(listening, name=f"feed of {node}")
            self._tasks[node].add_done_callback(lambda _: self._changed.set())
