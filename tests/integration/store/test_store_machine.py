"""Random play against the real store: two processes, driven time, breaking connections, every version audited.

The machine and its books are those of the domain's own test; here they are told of the events in the outbox.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Any, ClassVar, Final, TypeVar

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from redis.exceptions import ConnectionError as RedisConnectionError

from synckairos.adapters.redis.cluster.connections import ClusterConnections
from synckairos.adapters.redis.connections.pool import Lease, RedisConnections
from synckairos.adapters.redis.connections.wire import RedisCommand
from synckairos.adapters.redis.connections.wire import Reply as RedisReply
from synckairos.adapters.redis.values import codec
from synckairos.application.ports import Request
from synckairos.domain.commands import Caller, Create
from synckairos.domain.commands import Command as Verb
from synckairos.domain.errors import Refusal
from synckairos.domain.events import Author, Event
from synckairos.domain.model import Mode, Session
from synckairos.domain.specification import SessionSpec
from synckairos.domain.timing import Lifetimes
from synckairos.redis_urls import cluster_url
from testing.harness.fakes.fake_clock import FakeClock
from testing.harness.fakes.fake_redis_time import DrivenClusterConnections, DrivenConnections
from tests.contract.decisions import new_id, until
from tests.contract.store_process import StoreProcess
from tests.unit.domain.session_machine import Host, Reply, SessionMachine

PLAY: Final = settings(
    max_examples=14,
    stateful_step_count=40,
    derandomize=True,
    database=None,
)
LOSSES: Final = (None,) * 6 + ("reply", "commit")
WINDOW: Final = 16

ValueT = TypeVar("ValueT")


class Lossy(RedisConnections):
    """Connections that break during a commit now and then, before or after it has reached Redis."""

    losses = 0
    random: Random

    @asynccontextmanager
    async def lease(self, commands: Sequence[RedisCommand]) -> AsyncIterator[tuple[Lease, list[RedisReply]]]:
        """Lend a connection that may break."""
        async with super().lease(commands) as (lease, replies):
            lease.exchange = self._breaking(lease.exchange)  # type: ignore[method-assign] # of this lease alone
            yield lease, replies

    def _breaking(self, exchange: Callable[..., Awaitable[list[RedisReply]]]) -> Callable[..., Any]:
        async def exchange_or_break(commands: Sequence[RedisCommand]) -> list[RedisReply]:
            loss = self.random.choice(LOSSES) if commands[0] == ("MULTI",) else None
            self.losses += loss is not None
            replies = await exchange(commands) if loss != "commit" else []
            if loss:
                raise RedisConnectionError(f"the {loss} was lost")
            return replies

        return exchange_or_break


class LossyConnections(Lossy, DrivenConnections):
    """Those to one Redis."""


class LossyClusterConnections(Lossy, DrivenClusterConnections):
    """Those to a cluster."""


class Table:
    """Two processes on one store, on an event loop of their own, and a clock for both."""

    def __init__(self, url: str) -> None:
        self.clock = FakeClock()
        self.random = Random(7)
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        prefix = f"m{new_id()[:12]}"
        kind = LossyConnections if cluster_url(url) is None else LossyClusterConnections
        self.connections: list[LossyConnections | LossyClusterConnections] = [kind(url, self.clock) for _ in range(2)]
        for connections in self.connections:
            connections.random = self.random
        self.processes = [StoreProcess(url, prefix, connections) for connections in self.connections]
        for process in self.processes:
            self.run(self._stack.enter_async_context(process))

    def run(self, work: Awaitable[ValueT]) -> ValueT:
        """Wait for something."""
        return self._loop.run_until_complete(_awaited(work))

    def close(self) -> None:
        """Close the connections."""
        self.run(self._stack.aclose())
        self._loop.close()


async def _awaited(work: Awaitable[ValueT]) -> ValueT:
    return await work


class StoreHost:
    """Keeps a session in Redis; each call goes to one process or the other."""

    def __init__(self, table: Table) -> None:
        self.lifetimes = Lifetimes()
        self._table = table
        self._session_id = new_id()
        self._keys = table.processes[0].keys.of(self._session_id)
        self._last_entry = b"-"
        self._events: list[Event] = []

    @property
    def now(self) -> int:
        """What time it is."""
        return self._table.clock.ms

    def advance(self, ms: int) -> None:
        """Set the clock forward, or a little back."""
        self._table.clock.advance(ms)

    def create(self, spec: SessionSpec) -> Event:
        """Make the session."""
        caller = Caller(Author("player"))
        answer = self._run(
            lambda process: process.sessions.create(self._session_id, Create(spec), caller, Request(), until())
        )
        (created,) = self._new_events(answer.session)
        return created

    def execute(self, command: Verb | None, caller: Caller) -> Reply:
        """Ask for a change, or just look, and collect what was stored."""
        try:
            if command is None:
                view = self._run(lambda process: process.sessions.get(self._session_id))
                return Reply(view.session, view.now, self._new_events(view.session))
            answer = self._run(
                lambda process: process.sessions.change(self._session_id, command, caller, Request(), until())
            )
        except Refusal as refusal:
            stored = self._stored()
            return Reply(stored, max(self.now, stored.updated_at), self._new_events(stored), refusal)
        assert answer.session is not None
        return Reply(answer.session, answer.now, self._new_events(answer.session))

    def _run(self, call: Callable[[StoreProcess], Awaitable[ValueT]]) -> ValueT:
        return self._table.run(call(self._table.random.choice(self._table.processes)))

    def _ask(self, command: RedisCommand) -> Any:
        (reply,) = self._table.run(self._table.processes[0].connections.run([command]))
        return reply

    def _stored(self) -> Session:
        return codec.decode_session(self._session_id, self._ask(("GET", self._keys.session)))

    def _new_events(self, replied: Session | None) -> list[Event]:
        """Return what has come into the outbox, having checked that every place tells the same."""
        entries = self._ask(("XRANGE", self._keys.outbox, self._last_entry, "+"))
        new = [codec.decode_event(self._session_id, of[3]) for _, of in entries if of[1].decode() == self._session_id]
        if entries:
            self._last_entry = b"(" + entries[-1][0]
        self._events += new
        retained = [
            codec.decode_event(self._session_id, of[1]) for _, of in self._ask(("XRANGE", self._keys.events, "-", "+"))
        ]
        assert retained == self._events[-WINDOW:]
        assert self._stored() == self._events[-1].session == replied
        return new


@pytest.fixture(params=["redis_server", "redis_cluster"])
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """Where sessions are played."""
    table = Table(request.getfixturevalue(request.param).url)
    yield table
    table.close()


class StoreMachine(SessionMachine):
    """The machine on the store."""

    table: ClassVar[Table]

    def make_host(self) -> Host:
        """Keep the next session in Redis."""
        return StoreHost(self.table)


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_random_play(table: Table, mode: Mode) -> None:
    """Whatever is asked, of whichever process, over whatever connection: every version once, every book balanced."""
    machine = type(f"{mode.name}StoreMachine", (StoreMachine,), {"mode": mode, "table": table})

    is_cluster = isinstance(table.connections[0], ClusterConnections)
    run_state_machine_as_test(machine, settings=settings(PLAY, max_examples=4) if is_cluster else PLAY)

    assert sum(connections.losses for connections in table.connections) > 10
