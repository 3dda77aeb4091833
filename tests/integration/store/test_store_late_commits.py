"""A commit given up for lost arrives after all, while it is being tried again."""

import os
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any
from unittest.mock import Mock

import pytest

from synckairos.adapters.redis.connections.pool import Lease
from synckairos.adapters.redis.connections.wire import RedisCommand, Reply, Wire, packed
from synckairos.adapters.redis.store import RedisSessionStore
from synckairos.application.errors import OutcomeUnknown
from synckairos.application.ports import Decision, Reading, Request
from synckairos.domain.commands import Switch
from synckairos.domain.model import Session
from tests.contract.backends import RedisBackend
from tests.contract.decisions import Recorded, asking, creating, new_id, running, stored, two_players, until

NOBODY = Request()


class LateCommits:
    """The next commits of the process get stuck on their way, connection and WATCH alive, until delivered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.to_hold = 0
        self._held: list[tuple[Wire, bytes]] = []
        exchange = Lease.exchange

        async def hold_or_exchange(lease: Lease, commands: Sequence[RedisCommand]) -> list[Reply]:
            if self.to_hold and commands[0] == ("MULTI",):
                self.to_hold -= 1
                self._hold(lease, commands)
                raise TimeoutError
            return await exchange(lease, commands)

        monkeypatch.setattr(Lease, "exchange", hold_or_exchange)

    def _hold(self, lease: Lease, commands: Sequence[RedisCommand]) -> None:
        self._held.append((lease._wire, packed(commands)))
        lease._wire = Mock(Wire)  # for the pool to throw away
        lease.is_broken = True

    def deliver(self, place: int) -> None:
        """Let a held commit reach Redis now, and wait until it has been dealt with."""
        wire, packed = self._held[place]
        with socket.socket(fileno=os.dup(wire._transport.get_extra_info("socket").fileno())) as line:
            line.setblocking(True)
            line.sendall(packed)
            assert line.recv(65_536).startswith(b"+OK")

    def close(self) -> None:
        """Close the connections held."""
        for wire, _ in self._held:
            wire.close()


@pytest.fixture
async def store(backend: RedisBackend) -> RedisSessionStore:
    """A process' store."""
    return (await backend.process()).store


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch, store: RedisSessionStore) -> AsyncIterator[LateCommits]:  # noqa: ARG001 - its connections are closed first
    """What can be made to arrive late."""
    late = LateCommits(monkeypatch)
    yield late
    late.close()


class Moves:
    """A decision that lets a second pass with each attempt, and does something right after one of them."""

    def __init__(self, backend: RedisBackend, decision: Recorded) -> None:
        self._backend = backend
        self.decision = decision
        self.after: dict[int, Any] = {}

    def __call__(self, reading: Reading) -> Decision[Session | None]:
        decision = self.decision(reading)
        self._backend.clock.advance(1_000)
        self.after.pop(len(self.decision.readings), lambda: None)()
        return decision


def assert_exactly_once(backend: RedisBackend, before: Session, after: Session | None, answer: Session | None) -> None:
    """Check that one switch is stored, in every place, and that the caller's answer is the one stored."""
    assert after is not None
    assert after.version == before.version + 1
    assert [event.session.version for event, _, _ in backend.outgoing(before.session_id)] == [1, 2, 3]
    assert backend.outgoing(before.session_id)[-1][0].session == after
    assert answer == after


async def test_it_arrives_after_the_retry_has_looked(
    backend: RedisBackend, store: RedisSessionStore, late: LateCommits
) -> None:
    """Between the retry's WATCH and its EXEC: the retry is defeated, and finds that its change is there already."""
    session = await running(store)
    moves = Moves(backend, asking(Switch()))
    moves.after[2] = lambda: late.deliver(0)
    late.to_hold = 1

    answer = await store.transact(session.session_id, NOBODY, moves, until())

    assert_exactly_once(backend, session, await stored(store, session.session_id), answer)


async def test_it_arrives_before_the_retry_looks(
    backend: RedisBackend, store: RedisSessionStore, late: LateCommits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the retry's WATCH: what the retry reads is its own change."""
    session = await running(store)
    moves = Moves(backend, asking(Switch()))
    late.to_hold = 1
    confirm = store._guard.confirm

    async def deliver_and_confirm(*args: Any) -> None:
        late.deliver(0)
        monkeypatch.setattr(store._guard, "confirm", confirm)
        await confirm(*args)

    monkeypatch.setattr(store._guard, "confirm", deliver_and_confirm)
    answer = await store.transact(session.session_id, NOBODY, moves, until())

    assert_exactly_once(backend, session, await stored(store, session.session_id), answer)


@pytest.mark.parametrize("arrives", [0, 1], ids=["the first", "the second"])
async def test_one_of_two_lost_commits_arrives(
    backend: RedisBackend, store: RedisSessionStore, late: LateCommits, arrives: int
) -> None:
    """Two attempts are lost and one of them arrives during the third: that one holds, and is what is answered."""
    session = await running(store)
    moves = Moves(backend, asking(Switch()))
    moves.after[3] = lambda: late.deliver(arrives)
    late.to_hold = 2

    answer = await store.transact(session.session_id, NOBODY, moves, until())
    late.deliver(1 - arrives)

    assert_exactly_once(backend, session, await stored(store, session.session_id), answer)


async def test_it_arrives_when_all_is_done(backend: RedisBackend, store: RedisSessionStore, late: LateCommits) -> None:
    """After the retry's EXEC: its own WATCH defeats it."""
    session = await running(store)
    moves = Moves(backend, asking(Switch()))
    late.to_hold = 1

    answer = await store.transact(session.session_id, NOBODY, moves, until())
    late.deliver(0)

    assert_exactly_once(backend, session, await stored(store, session.session_id), answer)


async def test_a_late_creation(backend: RedisBackend, store: RedisSessionStore, late: LateCommits) -> None:
    """A creation that arrives late is the caller's own session, not one that exists already."""
    session_id = new_id()
    moves = Moves(backend, creating(session_id, two_players()))
    moves.after[2] = lambda: late.deliver(0)
    late.to_hold = 1

    answer = await store.transact(session_id, NOBODY, moves, until())

    after = await stored(store, session_id)
    assert after is not None
    assert answer == after
    assert len(backend.outgoing(session_id)) == 1


async def test_a_retry_that_writes_nothing_does_not_hide_it(
    backend: RedisBackend, store: RedisSessionStore, late: LateCommits
) -> None:
    """Nothing of the retry's would defeat the commit on its way: the caller is told that nobody knows."""
    session = await running(store)
    switch = asking(Switch())
    late.to_hold = 1

    with pytest.raises(OutcomeUnknown):
        await store.transact(
            session.session_id, NOBODY, lambda reading: Decision(None) if switch.decisions else switch(reading), until()
        )
    late.deliver(0)

    assert [event.session.version for event, _, _ in backend.outgoing(session.session_id)] == [1, 2, 3]
