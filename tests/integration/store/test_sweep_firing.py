"""What falls due is settled on time although nobody calls: each boundary once, stamped with its due instant."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from synckairos.adapters.ids import new_change_id
from synckairos.application.expiry import Sweep
from synckairos.devstack import RedisServer
from synckairos.domain.commands import AdjustTime
from synckairos.domain.events import Cause, Event, EventType
from synckairos.domain.model import Mode, OnExpire, Session, Status
from synckairos.domain.specification import SessionSpec
from synckairos.domain.timing import Lifetimes
from testing.harness.waiting import eventually
from tests.contract.backends import RedisBackend
from tests.contract.decisions import ask, create, new_id, running, turns_of, two_players
from tests.contract.store_process import StoreProcess, sweeping

PROMPT_MS = 200
"""How late a settlement may be in a test: less than the pause between two looks at the index, so that timers count."""

Open = Callable[..., Any]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What a test opens and does not close itself."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def backend(redis_server: RedisServer, stack: AsyncExitStack) -> RedisBackend:
    """A key prefix of Redis, and its time driven for processes opened through it."""
    return RedisBackend(redis_server.url, stack)


@pytest.fixture
def open_process(redis_server: RedisServer, backend: RedisBackend, stack: AsyncExitStack) -> Open:
    """Opens a process that goes by Redis' real clock."""

    async def open_one(lifetimes: Lifetimes | None = None) -> StoreProcess:
        process = StoreProcess(redis_server.url, backend.prefix, lifetimes=lifetimes)
        return await stack.enter_async_context(process)

    return open_one


def last_event(backend: RedisBackend, session_id: str) -> Event:
    """Return what happened to a session last, without settling anything."""
    return backend.outgoing(session_id)[-1][0]


async def event_of(backend: RedisBackend, session_id: str, version: int) -> Event:
    """Wait until a session has this version, and return the event that led to it."""
    await eventually(lambda: last_event(backend, session_id).session.version >= version)
    return backend.outgoing(session_id)[version - 1][0]


async def running_for(process: StoreProcess, left_ms: int, **fields: object) -> Session:
    """Start a session of two whose first turn has so little time left."""
    session = await running(process.store, two_players(**fields))  # type: ignore[arg-type] # any field
    active = session.active_participant
    assert active is not None
    return await ask(process.store, session.session_id, AdjustTime(active.participant_id, set_ms=left_ms))


def assert_prompt(event: Event, due: int) -> None:
    """Check that an event took effect when it was due, and that a server acted then or a little later."""
    assert event.session.updated_at == due
    assert event.fired_at is not None
    assert due <= event.fired_at <= due + PROMPT_MS


async def test_a_bank_runs_out_though_nobody_calls(backend: RedisBackend, open_process: Open) -> None:
    """The session is expired at its due instant, and a server acted then, not before and hardly after."""
    process = await open_process()
    async with sweeping(process):
        session = await running_for(process, 120)

        event = await event_of(backend, session.session_id, session.version + 1)

    assert (event.type, event.cause) == (EventType.SESSION_EXPIRED, Cause.DEADLINE)
    assert event.session.status is Status.EXPIRED
    assert_prompt(event, session.updated_at + 120)
    assert process.observed.lateness_ms == [event.fired_at - event.session.updated_at]  # type: ignore[operator] # it fired


async def test_a_session_of_another_process_is_fired_from_the_index(backend: RedisBackend, open_process: Open) -> None:
    """Whoever made the last change may be gone: the index tells the others in time."""
    writer, sweeper = await open_process(), await open_process()
    session = await running_for(writer, 700)
    async with sweeping(sweeper):
        event = await event_of(backend, session.session_id, session.version + 1)

    assert_prompt(event, session.updated_at + 700)


async def test_what_was_due_before_the_start_is_made_good_at_once(backend: RedisBackend, open_process: Open) -> None:
    """After an outage of all servers: stamped with the due instant, the lateness beside it."""
    process = await open_process()
    session = await running_for(process, 50)
    due = session.updated_at + 50
    await eventually(lambda: redis_ms(backend) > due + 30)
    async with sweeping(process):
        event = await event_of(backend, session.session_id, session.version + 1)

    assert event.session.updated_at == due
    assert event.fired_at is not None
    assert event.fired_at >= due + 30


def redis_ms(backend: RedisBackend) -> int:
    """Return Redis' time in ms."""
    now: Any = backend.redis.time()
    return int(now[0]) * 1_000 + int(now[1]) // 1_000


async def test_a_chain_of_turns_keeps_its_schedule(backend: RedisBackend, open_process: Open) -> None:
    """Every advance at a whole multiple of the cycle: late or not, the next one is not delayed by it."""
    process = await open_process()
    async with sweeping(process):
        session = await running(process.store, turns_of(1_000))
        first = await event_of(backend, session.session_id, session.version + 1)
        second = await event_of(backend, session.session_id, session.version + 2)

    assert [first.type, second.type] == [EventType.CYCLE_SWITCHED] * 2
    assert_prompt(first, session.updated_at + 1_000)
    assert_prompt(second, session.updated_at + 2_000)
    assert len(backend.outgoing(session.session_id)) == second.session.version


@pytest.mark.parametrize(
    ("on_expire", "types"),
    [
        (OnExpire.NOTIFY, [EventType.OVERTIME_STARTED]),
        (OnExpire.ELIMINATE, [EventType.PARTICIPANT_EXPIRED, EventType.SESSION_COMPLETED]),
    ],
    ids=["NOTIFY", "ELIMINATE"],
)
async def test_what_happens_at_zero_is_the_rules(
    backend: RedisBackend, open_process: Open, on_expire: OnExpire, types: list[EventType]
) -> None:
    """Overtime starts once; an elimination that leaves one is two versions at one instant."""
    process = await open_process()
    async with sweeping(process):
        session = await running_for(process, 80, on_expire=on_expire)
        await event_of(backend, session.session_id, session.version + len(types))

    events = [event for event, _, _ in backend.outgoing(session.session_id)][session.version :]
    assert [event.type for event in events] == types
    for event in events:
        assert_prompt(event, session.updated_at + 80)


async def test_an_idle_session_is_cancelled(backend: RedisBackend, open_process: Open) -> None:
    """Nobody started it in time: cancelled with its cause, at the instant its time was up."""
    process = await open_process(Lifetimes(idle_ms=150))
    async with sweeping(process):
        session = await create(process.store)
        event = await event_of(backend, session.session_id, 2)

    assert (event.type, event.cause) == (EventType.SESSION_CANCELLED, Cause.IDLE)
    assert_prompt(event, session.updated_at + 150)


async def test_a_session_that_would_run_for_ever_is_cancelled(backend: RedisBackend, open_process: Open) -> None:
    """A stopwatch without a limit ends when nobody has called it for its idle time."""
    process = await open_process(Lifetimes(running_idle_ms=150))
    async with sweeping(process):
        session = await running(process.store, SessionSpec(Mode.COUNT_UP))
        event = await event_of(backend, session.session_id, session.version + 1)

    assert (event.type, event.cause) == (EventType.SESSION_CANCELLED, Cause.IDLE)
    assert_prompt(event, session.updated_at + 150)


async def test_the_last_writer_acts_and_the_others_stand_by(backend: RedisBackend, open_process: Open) -> None:
    """Of two servers the one that made the last change fires, on the dot; the other one finds nothing to do."""
    writer, other = await open_process(), await open_process()
    async with sweeping(writer), sweeping(other):
        for left_ms in range(600, 1_000, 40):
            session = await running_for(writer, left_ms)
        await event_of(backend, session.session_id, session.version + 1)

    fired = (len(writer.observed.lateness_ms), len(other.observed.lateness_ms))
    assert sum(fired) == 10
    assert fired[0] >= 8, fired
    assert writer.observed.failures + other.observed.failures == 0


async def test_another_server_steps_in_for_a_writer_that_is_gone(backend: RedisBackend, open_process: Open) -> None:
    """The writer stops after its change: the other server fires, a little later than the writer would have."""
    writer, other = await open_process(), await open_process()
    async with sweeping(other):
        async with sweeping(writer):
            session = await running_for(writer, 500)
        event = await event_of(backend, session.session_id, session.version + 1)

    assert len(other.observed.lateness_ms) == 1
    assert other.observed.lateness_ms[0] >= 15
    assert_prompt(event, session.updated_at + 500)


async def test_a_change_moves_the_timer(backend: RedisBackend, open_process: Open) -> None:
    """Time added while the timer is armed: it fires at the new boundary, once, and not at the old one."""
    process = await open_process()
    async with sweeping(process):
        session = await running_for(process, 100)
        active = session.active_participant
        assert active is not None
        later = await ask(process.store, session.session_id, AdjustTime(active.participant_id, set_ms=400))
        event = await event_of(backend, session.session_id, later.version + 1)

    assert_prompt(event, later.updated_at + 400)
    assert len(process.observed.lateness_ms) == 1


async def test_more_boundaries_than_a_transaction_holds(backend: RedisBackend) -> None:
    """250 cycles behind: settled in one go, every advance at its own instant, none left out."""
    process = await backend.process()
    session = await running(process.store, turns_of(1_000))
    backend.clock.advance(250_500)
    await process.store.now_us()
    async with sweeping(process):
        await event_of(backend, session.session_id, session.version + 250)

    events = [event for event, _, _ in backend.outgoing(session.session_id)][session.version :]
    assert [event.session.updated_at for event in events] == [
        session.updated_at + 1_000 * cycle for cycle in range(1, 251)
    ]


async def test_a_thousand_sessions_due_at_the_same_instant(backend: RedisBackend) -> None:
    """Two servers settle them together: each session once, at the instant it was due."""
    processes = [await backend.process(), await backend.process()]
    sessions = [await running(processes[place % 2].store, two_players(10_000)) for place in range(1_000)]
    backend.clock.advance(10_000)
    async with AsyncExitStack() as stack:
        for process in processes:
            await process.store.now_us()
            await stack.enter_async_context(sweeping(process))
        await eventually(lambda: fired(processes) >= 1_000, seconds=30)

    assert fired(processes) == 1_000
    for session in sessions:
        events = [event for event in await retained(processes[0], session.session_id) if event.cause is Cause.DEADLINE]
        assert [event.session.updated_at for event in events] == [session.updated_at + 10_000]
        assert events[0].session.version == session.version + 1


def fired(processes: list[StoreProcess]) -> int:
    """Return how many boundaries the servers have settled."""
    return sum(len(process.observed.lateness_ms) for process in processes)


async def retained(process: StoreProcess, session_id: str) -> list[Event]:
    """Return the events of a session."""
    return (await process.feed.since(session_id, 0)).events


async def test_stopping_leaves_nothing_armed(backend: RedisBackend) -> None:
    """A chain that re-arms itself as it is settled does not outlive the server that settles it."""
    process = await backend.process()
    sweep = Sweep(process.store, process.deadlines, process.clock, process.lifetimes, new_change_id, process.observed)
    process.store.on_commit(sweep.note_commit)
    session = await running(process.store, turns_of(1_000))
    backend.clock.advance(1_000)
    await process.store.now_us()
    sweep._fire(session.session_id, backend.clock.ms)
    sweep.note_commit(new_id(), backend.clock.ms + 500)

    await sweep.stop()

    assert (sweep._armed, sweep._firing) == ({}, {})
    assert last_event(backend, session.session_id).session.version == session.version + 1
