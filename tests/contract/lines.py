"""A process whose line to Redis can be broken at an exact point, and a look at Redis from beside it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from redis import Redis

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.values import codec
from synckairos.devstack import RedisServer
from synckairos.domain.events import Event
from synckairos.domain.model import Session
from testing.harness.processes.tcp_proxy import TcpProxy
from testing.harness.waiting import eventually
from tests.contract.decisions import new_id
from tests.contract.held_watches import HeldWatches
from tests.contract.store_process import StoreProcess


@dataclass
class Line:
    """A process behind a proxy, another one with a line of its own, and Redis itself, all on one key prefix."""

    proxy: TcpProxy
    process: StoreProcess
    other: StoreProcess
    redis: Redis
    watches: HeldWatches

    def stored(self, session_id: str) -> Session | None:
        """Return what Redis holds of a session."""
        raw: Any = self.redis.get(self.process.keys.of(session_id).session)
        return codec.decode_session(session_id, raw) if raw is not None else None

    def sent(self, session_id: str) -> list[Event]:
        """Return the events on their way to the audit trail."""
        entries: Any = self.redis.xrange(self.process.keys.of(session_id).outbox)
        mine = [of for _, of in entries if of[b"s"].decode() == session_id]
        return [codec.decode_event(session_id, of[b"e"]) for of in mine]

    def retained(self, session_id: str) -> list[Event]:
        """Return the events that streams are resumed from."""
        entries: Any = self.redis.xrange(self.process.keys.of(session_id).events)
        return [codec.decode_event(session_id, of[b"e"]) for _, of in entries]

    def assert_consistent(self, session_id: str, version: int) -> None:
        """Check that a session is at this version, one event a version, the same in every place."""
        session = self.stored(session_id)
        assert session is not None
        assert session.version == version
        sent = self.sent(session_id)
        assert [event.session.version for event in sent] == list(range(1, version + 1))
        assert sent[-1].session == session
        retained = self.retained(session_id)
        assert retained == sent[-len(retained) :]

    def watching(self) -> list[str]:
        """Return the kept connections that still hold a WATCH."""
        return self.watches.holders()

    async def assert_released(self) -> None:
        """Check that nothing is held any more: no place in a queue, no connection, no WATCH."""
        for process in (self.process, self.other):
            # The answer comes before the connection is given back.
            await eventually(lambda scheduler=process.store._scheduler: scheduler.queues == {})
            await eventually(lambda slots=process.connections._slots: slots._value == 64)
        # Redis learns a little later that a connection has been closed.
        await eventually(lambda: self.watching() == [])


@contextlib.asynccontextmanager
async def broken_line(server: RedisServer, timeout_s: float = 1.0, **settings: Any) -> AsyncIterator[Line]:
    """Open two processes on a server, one of them behind a proxy."""
    prefix = f"f{new_id()[:12]}"
    async with contextlib.AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(TcpProxy("127.0.0.1", server.port))
        patience: dict[str, Any] = dict.fromkeys(("wait_s", "connect_timeout_s", "exchange_timeout_s"), timeout_s)
        connections = RedisConnections(f"redis://127.0.0.1:{proxy.port}/0", **patience)
        direct = RedisConnections(server.url, **patience)
        redis: Redis = stack.enter_context(Redis.from_url(server.url))
        watches = HeldWatches(redis)
        stack.callback(watches.close)
        other = await stack.enter_async_context(StoreProcess(server.url, prefix, direct, **settings))
        process = await stack.enter_async_context(StoreProcess(server.url, prefix, connections, **settings))
        yield Line(proxy, process, other, redis, watches)


@contextlib.asynccontextmanager
async def probing(*processes: StoreProcess) -> AsyncIterator[None]:
    """Let processes probe their store, as servers do."""
    tasks = [asyncio.create_task(process.guard.watch(process.store.now_us, may_init=False)) for process in processes]
    try:
        yield
    finally:
        assert not any(task.done() for task in tasks), "a guard has stopped watching"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def once(hook: Callable[[bytes], bytes | None], when: Callable[[bytes], bool]) -> Callable[[bytes], bytes | None]:
    """Return a hook that acts on the first chunk for which `when` holds, and lets every other one pass."""
    is_done = False

    def act(data: bytes) -> bytes | None:
        nonlocal is_done
        if is_done or not when(data):
            return data
        is_done = True
        return hook(data)

    return act


def is_commit(data: bytes) -> bool:
    """Whether a client's chunk is a transaction."""
    return b"EXEC" in data


def lose_reply(line: Line, and_then: Callable[[], object] = lambda: None) -> None:
    """Let the next EXEC reach Redis, and cut the connection instead of passing its reply on."""
    committing = False

    def note(data: bytes) -> bytes:
        nonlocal committing
        committing = True
        return data

    def drop(_: bytes) -> None:
        and_then()

    line.proxy.on_client_data = once(note, is_commit)
    line.proxy.on_server_data = once(drop, lambda _: committing)


def lose_commit(line: Line, and_then: Callable[[], object] = lambda: None) -> None:
    """Cut the connection instead of passing the next EXEC on."""

    def drop(_: bytes) -> None:
        and_then()

    line.proxy.on_client_data = once(drop, is_commit)
