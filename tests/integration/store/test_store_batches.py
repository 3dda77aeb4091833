"""Changes that share a transaction: each of them as if it were alone, whatever happens to the others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from random import Random

import pytest
from google.protobuf.struct_pb2 import Struct

from synckairos.adapters.redis.connections.pool import Lease
from synckairos.adapters.redis.connections.wire import RedisCommand, Reply
from synckairos.adapters.redis.keys import SessionKeys, partition_of
from synckairos.adapters.redis.store import scheduler
from synckairos.adapters.redis.store.batching import MOST
from synckairos.adapters.redis.store.decisions import MOST_BYTES
from synckairos.adapters.redis.store.writes import Commit
from synckairos.adapters.redis.values.codec import encode_session
from synckairos.application.errors import CommitBroken, OutcomeUnknown, SessionUnreadable
from synckairos.application.ports import Decision, Reading, Request
from synckairos.devstack import RedisServer
from synckairos.domain.commands import Complete, Create, Switch, Update
from synckairos.domain.errors import InvalidStateTransition
from synckairos.domain.model import Session
from testing.harness.fakes.fake_clock import FakeClock
from tests.contract.decisions import CALLER, ask, asking, new_id, running, stored, two_players, until
from tests.contract.lines import Line, broken_line, is_commit, lose_commit, lose_reply
from tests.contract.store_process import StoreProcess
from tests.integration.store.test_store_machine import LossyConnections

Lose = Callable[..., None]

NOBODY = Request()


@pytest.fixture
async def line(redis_server: RedisServer) -> AsyncIterator[Line]:
    """A process with a line that can be looked at and broken."""
    async with broken_line(redis_server, timeout_s=0.5) as line:
        yield line


class Seen:
    """The chunks that the process behind the proxy sends."""

    def __init__(self, line: Line) -> None:
        self.chunks: list[bytes] = []
        line.proxy.on_client_data = self._note

    def _note(self, data: bytes) -> bytes:
        self.chunks.append(data)
        return data

    @property
    def commits(self) -> list[bytes]:
        """Those that carry a transaction."""
        return [chunk for chunk in self.chunks if is_commit(chunk)]

    def holders_of(self, session: Session) -> list[int]:
        """Return which commits a session is in."""
        name = session.session_id.encode()
        return [place for place, chunk in enumerate(self.commits) if b"session:" + name in chunk]


async def switch(line: Line, session: Session, seconds: float = 10.0) -> Session:
    """Switch by the process behind the proxy."""
    answer = await line.process.sessions.change(session.session_id, Switch(), CALLER, NOBODY, until(seconds))
    assert answer.session is not None
    return answer.session


async def several(line: Line, count: int) -> list[Session]:
    """Start this many sessions."""
    return [await running(line.process.store) for _ in range(count)]


async def together(line: Line, first: Session, calls: Sequence[Awaitable[object]]) -> list[object]:
    """Make calls while a change of another session is under way, so that they are ready when the next batch closes."""
    ahead = asyncio.ensure_future(switch(line, first))
    await asyncio.sleep(0)
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    await ahead
    return outcomes


def meddle(line: Line, session: Session) -> None:
    """Let another process change a session right before the next commit that holds it arrives."""
    theirs = session._replace(version=session.version + 1, change_id=new_id())

    def interfere(data: bytes) -> bytes:
        if is_commit(data) and session.session_id.encode() in data:
            line.proxy.on_client_data = None
            line.redis.set(line.process.keys.of(session.session_id).session, encode_session(theirs), keepttl=True)
        return data

    line.proxy.on_client_data = interfere


async def test_sessions_that_come_together_share_a_transaction(line: Line) -> None:
    """What comes while an exchange is under way goes with the next one, at most 32 sessions at once."""
    first, *others = await several(line, 41)
    seen = Seen(line)

    await together(line, first, [switch(line, one) for one in others])

    assert [sum(one.session_id.encode() in chunk for one in others) for chunk in seen.commits] == [0, MOST, 40 - MOST]
    for session in others:
        line.assert_consistent(session.session_id, session.version + 1)
    await line.assert_released()


async def test_a_lone_caller_waits_for_nobody(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing under way an exchange begins within two turns of the event loop, and no timer is needed for it."""
    session = await running(line.process.store)
    begun: list[str] = []
    exchange = Lease.exchange

    async def note(lease: Lease, commands: Sequence[RedisCommand]) -> list[Reply]:
        begun.append(str(commands[0][0]))
        return await exchange(lease, commands)

    monkeypatch.setattr(Lease, "exchange", note)
    for call in (switch(line, session), line.process.store.read([session.session_id])):
        begun.clear()
        task = asyncio.ensure_future(call)
        for _ in range(2):
            await asyncio.sleep(0)
        assert len(begun) == 1
        await task


async def test_calls_of_one_session_share_a_transaction(line: Line) -> None:
    """Twelve switches of one session: a version each, in the order they came, in one transaction."""
    first, session = await several(line, 2)
    seen = Seen(line)

    answers = await together(line, first, [switch(line, session) for _ in range(12)])

    assert [one.version for one in answers] == list(range(session.version + 1, session.version + 13))  # type: ignore[attr-defined] # all are sessions
    assert len(seen.commits) == 2
    line.assert_consistent(session.session_id, session.version + 12)
    due = dict(await line.other.deadlines.due_before(10**15, 1_000))
    assert due[session.session_id] == answers[-1].resumed_at + 600_000 - _used(answers[-1])  # type: ignore[attr-defined, arg-type] # a session


def _used(session: Session) -> int:
    """Return how much of its bank the active participant has used."""
    assert session.active is not None
    return session.participants[session.active].clock.used_ms


async def test_a_call_is_judged_by_what_those_before_it_lead_to(line: Line) -> None:
    """In one transaction: the switch behind the end is refused, the ones before it are stored."""
    first, session = await several(line, 2)
    seen = Seen(line)

    answers = await together(
        line,
        first,
        [
            line.process.sessions.change(session.session_id, command, CALLER, NOBODY, until())
            for command in (Switch(), Complete(), Switch())
        ],
    )

    assert isinstance(answers[2], InvalidStateTransition)
    assert len(seen.commits) == 2
    assert line.stored(session.session_id) == answers[1].session  # type: ignore[attr-defined] # an answer
    line.assert_consistent(session.session_id, session.version + 2)


async def test_copies_of_a_request_in_one_transaction(line: Line) -> None:
    """The second one finds the first one's answer, although it is not stored yet."""
    first, session = await several(line, 2)
    request = Request(new_id(), bytes(16))

    answers = await together(
        line,
        first,
        [line.process.sessions.change(session.session_id, Switch(), CALLER, request, until()) for _ in range(3)],
    )

    assert [one.replayed for one in answers] == [False, True, True]  # type: ignore[attr-defined] # all are answers
    assert {one.session for one in answers} == {line.stored(session.session_id)}  # type: ignore[attr-defined] # the same
    line.assert_consistent(session.session_id, session.version + 1)


async def test_a_collision_splits_a_batch(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else was faster with one session: the others are stored without it, and it goes alone for a while."""
    monkeypatch.setattr(scheduler, "HOT_S", 60.0)
    first, hot, *others = await several(line, 6)
    meddle(line, hot)

    answers = await together(line, first, [switch(line, one) for one in (hot, *others)])

    assert [one.version for one in answers] == [hot.version + 2, *(one.version + 1 for one in others)]  # type: ignore[attr-defined] # all are sessions
    assert line.process.observed.conflicts == 1
    assert line.stored(hot.session_id) == answers[0]
    for session in others:
        line.assert_consistent(session.session_id, session.version + 1)

    seen = Seen(line)
    await together(line, first, [switch(line, one) for one in (hot, *others)])

    (own,) = seen.holders_of(hot)
    assert not {own}.intersection(place for one in (first, *others) for place in seen.holders_of(one))
    await line.assert_released()


async def test_a_hot_session_comes_back(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """When its time by itself is over, it shares again."""
    monkeypatch.setattr(scheduler, "HOT_S", 0.0)
    first, hot, other = await several(line, 3)
    meddle(line, hot)
    await together(line, first, [switch(line, one) for one in (hot, other)])

    seen = Seen(line)
    await together(line, first, [switch(line, one) for one in (hot, other)])

    assert seen.holders_of(hot) == seen.holders_of(other)


async def test_a_decision_that_fails_is_its_callers_alone(line: Line) -> None:
    """In the middle of a batch, and in the middle of a session's calls: everybody else is served."""
    first, session, *others = await several(line, 5)

    def fail(_: Reading) -> Decision[None]:
        raise ZeroDivisionError

    poisons = [line.process.store.transact(one.session_id, NOBODY, fail, until()) for one in (session, others[0])]
    calls = [
        switch(line, session),
        poisons[0],
        switch(line, session),
        poisons[1],
        *(switch(line, one) for one in others),
    ]
    outcomes = await together(line, first, calls)

    assert [isinstance(one, ZeroDivisionError) for one in outcomes] == [False, True, False, True, *[False] * 3]
    line.assert_consistent(session.session_id, session.version + 2)
    for one in others:
        line.assert_consistent(one.session_id, one.version + 1)
    await line.assert_released()


async def test_more_than_a_batch_holds(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large sessions are stored one after the other, and keep to themselves afterwards."""
    monkeypatch.setattr(scheduler, "LARGE_S", 60.0)
    first, *others = await several(line, 6)
    metadata = Struct()
    metadata["text"] = "x" * 15_000
    update = Update(metadata=metadata.SerializeToString())
    seen = Seen(line)

    await together(line, first, [ask(line.process.store, one.session_id, update) for one in others])

    assert len(seen.commits) > 2
    assert all(len(chunk) < 2 * MOST_BYTES for chunk in seen.commits)
    for session in others:
        line.assert_consistent(session.session_id, session.version + 1)
    seen.chunks.clear()
    await together(line, first, [switch(line, one) for one in others])
    assert all(seen.holders_of(one) != seen.holders_of(first) for one in others)
    await line.assert_released()


async def test_large_sessions_leave_the_batches_of_small_ones_alone(line: Line) -> None:
    """They go by themselves, and what they write does not count for what fits into a batch."""
    first, large, *others = await several(line, 22)
    metadata = Struct()
    metadata["text"] = "x" * 9_900
    update = Update(metadata=metadata.SerializeToString())
    for _ in range(30):
        await ask(line.process.store, large.session_id, update)
    seen = Seen(line)

    await together(line, first, [switch(line, one) for one in others])

    assert [sum(one.session_id.encode() in chunk for one in others) for chunk in seen.commits] == [0, 20]


@pytest.mark.parametrize("lose", [lose_reply, lose_commit], ids=["reply lost", "commit lost"])
async def test_a_batch_of_unknown_outcome_is_applied_exactly_once(line: Line, lose: Lose) -> None:
    """Each session is looked into by itself, calls that shared it together; everybody is answered what is stored."""
    first, busy, *others = await several(line, 6)
    create_id = new_id()

    def lose_the_batch(data: bytes) -> bytes:
        if is_commit(data):
            lose(line)
        return data

    line.proxy.on_client_data = lose_the_batch
    calls = [*(switch(line, busy) for _ in range(4)), *(switch(line, one) for one in others)]
    new = line.process.sessions.create(create_id, Create(two_players()), CALLER, NOBODY, until())
    *answers, created = await together(line, first, [*calls, new])

    assert line.process.observed.unknown == 1
    assert [one.version for one in answers] == [  # type: ignore[attr-defined] # all are sessions
        *range(busy.version + 1, busy.version + 5),
        *(one.version + 1 for one in others),
    ]
    assert answers[3:] == [line.stored(one.session_id) for one in (busy, *others)]
    assert created.session == line.stored(create_id)  # type: ignore[attr-defined] # an answer
    line.assert_consistent(busy.session_id, busy.version + 4)
    line.assert_consistent(create_id, 1)
    for session in others:
        line.assert_consistent(session.session_id, session.version + 1)
    await line.assert_released()


@pytest.mark.parametrize(("lose", "is_applied"), [(lose_reply, True), (lose_commit, False)], ids=["applied", "not"])
async def test_nobody_knows_what_became_of_a_batch(line: Line, lose: Lose, is_applied: bool) -> None:
    """Redis is gone right after the commit: every caller of the batch is told so, and all of it holds or none."""
    first, *others = await several(line, 5)

    def vanish() -> None:
        line.proxy.refuse = True
        line.proxy.cut()

    def lose_the_batch(data: bytes) -> bytes:
        if is_commit(data):
            lose(line, vanish)
        return data

    line.proxy.on_client_data = lose_the_batch
    outcomes = await together(line, first, [switch(line, one) for one in (*others, others[0])])

    assert [type(one) for one in outcomes] == [OutcomeUnknown] * 5
    line.assert_consistent(others[0].session_id, others[0].version + 2 * is_applied)
    for session in others[1:]:
        line.assert_consistent(session.session_id, session.version + is_applied)
    await line.assert_released()


async def test_a_failed_command_is_told_to_its_own_session(line: Line) -> None:
    """Applied in part: an alarm for the session whose outbox is broken, and for nobody else in the batch."""
    first, *others = await several(line, 6)
    broken = next(one for one in others if partition_of(one.session_id) != partition_of(first.session_id))
    outbox = line.process.keys.of(broken.session_id).outbox
    line.redis.rename(outbox, f"{line.process.keys.prefix}:aside")
    line.redis.set(outbox, "no stream")
    hit = [partition_of(one.session_id) == partition_of(broken.session_id) for one in others]

    outcomes = await together(line, first, [switch(line, one) for one in others])

    assert [isinstance(one, CommitBroken) for one in outcomes] == hit
    assert line.process.observed.broken == sum(hit)
    for session, is_hit in zip(others, hit, strict=True):
        after = line.stored(session.session_id)
        assert after is not None
        assert after.version == session.version + 1
        if not is_hit:
            line.assert_consistent(session.session_id, session.version + 1)
    await line.assert_released()


async def test_a_refused_command_is_told_to_its_own_session(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis refuses the whole transaction for one session's part: the others are stored without it."""
    first, wrong, *others = await several(line, 5)
    commit = line.process.writer.commit

    def with_nonsense(keys: SessionKeys, session_id: str, *rest: object) -> Commit:
        made = commit(keys, session_id, *rest)  # type: ignore[arg-type] # as given
        return made._replace(commands=[*made.commands, ("NONSENSE", "x")]) if session_id == wrong.session_id else made

    monkeypatch.setattr(line.process.writer, "commit", with_nonsense)
    outcomes = await together(line, first, [switch(line, one) for one in (wrong, *others)])

    assert [isinstance(one, CommitBroken) for one in outcomes] == [True, *[False] * 3]
    line.assert_consistent(wrong.session_id, wrong.version)
    for session in others:
        line.assert_consistent(session.session_id, session.version + 1)
    await line.assert_released()


async def test_a_caller_that_goes_takes_nobody_along(line: Line) -> None:
    """Cancelled while the batch reads: its own change does not happen, those of the others do."""
    first, gone, *others = await several(line, 5)
    ahead = asyncio.ensure_future(switch(line, first))
    await asyncio.sleep(0)
    calls = [asyncio.ensure_future(switch(line, one)) for one in (gone, *others)]
    reading = asyncio.Event()

    def note(data: bytes) -> bytes:
        if b"WATCH" in data and gone.session_id.encode() in data:
            reading.set()
        return data

    line.proxy.on_client_data = note
    await reading.wait()
    calls[0].cancel()
    outcomes = await asyncio.gather(ahead, *calls, return_exceptions=True)

    assert [isinstance(one, asyncio.CancelledError) for one in outcomes] == [False, True, *[False] * 3]
    line.assert_consistent(gone.session_id, gone.version)
    for session in others:
        line.assert_consistent(session.session_id, session.version + 1)
    await line.assert_released()


async def test_a_busy_session_keeps_nobody_waiting(line: Line) -> None:
    """A hundred callers of one session, and then one of another: it goes with the very next batch."""
    first, busy, quiet = await several(line, 3)
    order: list[str] = []

    async def noted(session: Session) -> None:
        order.append((await switch(line, session)).session_id)

    await together(line, first, [*(noted(busy) for _ in range(100)), noted(quiet)])

    assert order.index(quiet.session_id) < 20
    line.assert_consistent(busy.session_id, busy.version + 100)


async def test_readers_share_an_exchange(line: Line) -> None:
    """Twenty readers behind one: a single chunk, each session in it once, and everybody has its own in its order."""
    sessions = await several(line, 4)
    ids = [one.session_id for one in sessions]
    seen = Seen(line)

    readings = await asyncio.gather(
        line.process.store.read(ids[:1]),
        *(line.process.store.read(ids if place % 2 else ids[::-1]) for place in range(6)),
    )

    assert [[one.session for one in found] for found in readings[1:]] == [sessions[::-1], sessions] * 3
    assert len(seen.chunks) == 2
    assert [seen.chunks[1].count(one.encode()) for one in ids] == [1] * 4


async def test_a_session_that_cannot_be_read_stops_nobody_else(line: Line) -> None:
    """A key of the wrong type: its own readers and writers are told, those that share an exchange are not harmed."""
    session, wrong = await running(line.process.store), new_id()
    line.redis.lpush(line.process.keys.of(wrong).session, "no session")

    async def both(call: Callable[[str], Awaitable[object]]) -> list[object]:
        return await asyncio.gather(
            *(call(one) for one in (session.session_id,) * 2 + (wrong,)), return_exceptions=True
        )

    reads = await both(lambda one: line.process.store.read([one]))
    writes = await both(lambda one: line.process.store.transact(one, NOBODY, asking(Switch()), until()))

    assert [one[0].problem is not None for one in reads if isinstance(one, list)] == [False, False, True]
    assert [isinstance(one, SessionUnreadable) for one in writes] == [False, False, True]
    line.assert_consistent(session.session_id, session.version + 2)
    await line.assert_released()


async def test_two_processes_and_breaking_connections(redis_server: RedisServer) -> None:
    """Callers of both switch the same few sessions while commits get lost: every answer is a version of its own."""
    clock, random, prefix = FakeClock(), Random(11), f"b{new_id()[:12]}"
    connections = [LossyConnections(redis_server.url, clock) for _ in range(2)]
    for one in connections:
        one.random = random
    async with AsyncExitStack() as stack:
        pair = [
            await stack.enter_async_context(StoreProcess(redis_server.url, prefix, one, event_window=2_000))
            for one in connections
        ]
        sessions = [await running(pair[0].store) for _ in range(6)]

        async def caller(place: int) -> list[tuple[str, int]]:
            process, answered = pair[place % 2], []
            for turn in range(100):
                session_id = sessions[(place // 2 + turn) % 6].session_id
                answer = await process.sessions.change(session_id, Switch(), CALLER, NOBODY, until(30))
                assert answer.session is not None
                answered.append((session_id, answer.session.version))
            return answered

        answered = [one for seen in await asyncio.gather(*map(caller, range(48))) for one in seen]
        after = [await stored(pair[1].store, one.session_id) for one in sessions]

    for before, session in zip(sessions, after, strict=True):
        assert session is not None
        versions = sorted(version for session_id, version in answered if session_id == session.session_id)
        assert versions == list(range(before.version + 1, session.version + 1))
        assert sum(one.cycle_count for one in session.participants) == len(versions)
    assert len(answered) == 4_800
    assert sum(one.losses for one in connections) > 5
    assert sum(one.observed.conflicts for one in pair) > 5
