"""What the contract tests run against: the fake store, and Redis on a clock that the test drives."""

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from itertools import chain
from typing import Any, Protocol

from redis import Redis
from redis.exceptions import MovedError

from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.adapters.redis.values import codec
from synckairos.application.ports import DeadlineIndex, Hint, SessionFeed, SessionIndex, SessionStore
from synckairos.domain.events import Event
from synckairos.domain.model import Session
from synckairos.domain.tenancy import bare_id
from synckairos.redis_urls import cluster_url
from testing.harness.fakes.fake_clock import FakeClock
from testing.harness.fakes.fake_redis_time import DrivenClusterConnections, DrivenConnections
from testing.harness.fakes.fake_store import (
    NEVER,
    FakeData,
    FakeDeadlineIndex,
    FakeSessionFeed,
    FakeSessionIndex,
    FakeSessionStore,
    Kept,
)
from tests.contract.decisions import new_id
from tests.contract.store_process import StoreProcess

REPAIR_LOOKS = 2 * PARTITIONS
"""Looks that walk through both indexes of every partition of a small store."""


class ListeningFeed(SessionFeed, Protocol):
    """A feed, and how it is driven."""

    async def listen(self, on_hint: Callable[[Hint], None]) -> None:
        """Deliver hints for ever."""
        ...


class Backend(Protocol):
    """Shared data, ports on them, and what no port allows: to look at everything and to do damage."""

    clock: FakeClock

    async def store(self) -> SessionStore:
        """Return the store of one more process."""
        ...

    async def index(self) -> SessionIndex: ...

    async def deadlines(self) -> DeadlineIndex: ...

    async def feed(self) -> ListeningFeed: ...

    def overwrite(self, session: Session) -> None:
        """Be another process that has just stored this session."""
        ...

    def contents(self) -> Any:
        """Return everything held, to be compared."""
        ...

    def outgoing(self, session_id: str) -> list[tuple[Event, str, str]]:
        """Return the events on their way to the audit trail, with the request id and the peer of each."""
        ...

    def lives_ms(self, what: str, session_id: str, request_id: str = "") -> int:
        """Return for how long a `session`, its `events` or a `request` is held; -1 for ever, -2 if it is not."""
        ...

    def damage(self, session: Session, *, deadline: int | None, is_live: bool) -> None:
        """Set a session's index entries to what they should not be."""
        ...


class FakeBackend:
    """The store in memory."""

    def __init__(self) -> None:
        self.data = FakeData()
        self.clock = self.data.clock

    async def store(self) -> SessionStore:
        return FakeSessionStore(self.data)

    async def index(self) -> SessionIndex:
        return FakeSessionIndex(self.data)

    async def deadlines(self) -> DeadlineIndex:
        return FakeDeadlineIndex(self.data)

    async def feed(self) -> ListeningFeed:
        return FakeSessionFeed(self.data)

    def overwrite(self, session: Session) -> None:
        self.data.put(session)

    def contents(self) -> Any:
        data = self.data
        return dict(data.sessions), dict(data.events), list(data.outbox), dict(data.deadlines), set(data.live)

    def outgoing(self, session_id: str) -> list[tuple[Event, str, str]]:
        sent = [one for one in self.data.outbox if one.event.session.session_id == session_id]
        return [(one.event, one.request.request_id, one.request.peer) for one in sent]

    def lives_ms(self, what: str, session_id: str, request_id: str = "") -> int:
        found: dict[str, Kept[Any] | None] = {
            "session": self.data.sessions.get(session_id),
            "events": self.data.events.get(session_id),
            "request": self.data.requests.get((session_id, request_id)),
        }
        kept = found[what]
        if kept is None:
            return -2
        return -1 if kept.until == NEVER else kept.until - self.clock.ms

    def damage(self, session: Session, *, deadline: int | None, is_live: bool) -> None:
        self.data.deadlines.pop(session.session_id, None)
        if deadline is not None:
            self.data.deadlines[session.session_id] = deadline
        if not is_live:
            self.data.live = {one for one in self.data.live if one.session_id != session.session_id}


class ClusterClient:
    """A client of each node; that of redis-py for clusters leaves a connection open when it is closed."""

    def __init__(self, nodes: list[Redis]) -> None:
        self._nodes = nodes

    def scan_iter(self, match: str, count: int) -> Iterator[bytes]:
        """Return the keys of all nodes that match."""
        return chain.from_iterable(node.scan_iter(match, count) for node in self._nodes)

    def __getattr__(self, name: str) -> Any:
        """Return a command that begins with its key, for the node that has it."""

        def ask(key: str, *args: Any, **options: Any) -> Any:
            for node in self._nodes:
                with suppress(MovedError):
                    return getattr(node, name)(key, *args, **options)
            raise AssertionError(f"nobody has {key}")

        return ask


def _client(url: str, stack: AsyncExitStack) -> Redis | ClusterClient:
    cluster = cluster_url(url)
    if cluster is None:
        return stack.enter_context(Redis.from_url(url))
    return ClusterClient([stack.enter_context(Redis.from_url(cluster.of(*node))) for node in cluster.nodes])


class RedisBackend:
    """Redis under a key prefix of its own; every port is another process'."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.clock = FakeClock()
        self.prefix = f"c{new_id()[:12]}"
        self.redis = _client(url, stack)
        self._url = url
        self._stack = stack
        self._keys = Keys(self.prefix)

    async def process(self) -> StoreProcess:
        """Open one more process."""
        driven = DrivenConnections if cluster_url(self._url) is None else DrivenClusterConnections
        connections = driven(self._url, self.clock)
        return await self._stack.enter_async_context(StoreProcess(self._url, self.prefix, connections))

    async def store(self) -> SessionStore:
        return (await self.process()).store

    async def index(self) -> SessionIndex:
        return (await self.process()).index

    async def deadlines(self) -> DeadlineIndex:
        return (await self.process()).deadlines

    async def feed(self) -> ListeningFeed:
        return (await self.process()).feed

    def overwrite(self, session: Session) -> None:
        self.redis.set(self._keys.of(session.session_id).session, codec.encode_session(session), keepttl=True)

    def contents(self) -> Any:
        return {key: self.redis.dump(key) for key in self.redis.scan_iter(f"{self.prefix}:*", count=1_000)}

    def outgoing(self, session_id: str) -> list[tuple[Event, str, str]]:
        entries: Any = self.redis.xrange(self._keys.of(session_id).outbox)
        return [
            (codec.decode_event(session_id, of[b"e"]), of.get(b"q", b"").decode(), of.get(b"p", b"").decode())
            for _, of in entries
            if of[b"s"].decode() == session_id
        ]

    def lives_ms(self, what: str, session_id: str, request_id: str = "") -> int:
        keys = self._keys.of(session_id)
        key = {"session": keys.session, "events": keys.events, "request": keys.request_prefix + request_id}[what]
        remaining: Any = self.redis.pttl(key)
        return int(remaining)

    def damage(self, session: Session, *, deadline: int | None, is_live: bool) -> None:
        keys = self._keys.of(session.session_id)
        self.redis.zrem(keys.deadlines, session.session_id)
        if deadline is not None:
            self.redis.zadd(keys.deadlines, {session.session_id: deadline})
        if not is_live:
            members: Any = self.redis.zrange(keys.live, 0, -1)
            for member in members:
                if codec.unpack_id(member[8:]) == bare_id(session.session_id):
                    self.redis.zrem(keys.live, member)
