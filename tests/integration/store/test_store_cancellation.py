"""Callers that go away in the middle: nothing stays held, and what was begun is finished or never happened."""

import asyncio
import contextlib

import pytest

from synckairos.application.errors import Contention
from synckairos.application.ports import Decide, Decision, Reading, Request
from synckairos.domain.commands import Switch
from synckairos.domain.model import Session
from testing.harness.waiting import eventually
from tests.contract.decisions import CALLER, asking, running, until
from tests.contract.lines import Line, is_commit

NOBODY = Request()


def switching(line: Line, session: Session, seconds: float = 10.0) -> asyncio.Task[object]:
    """Begin to switch by the process with the slow line."""
    change = line.process.sessions.change(session.session_id, Switch(), CALLER, NOBODY, until(seconds))
    return asyncio.create_task(change)


class Held:
    """Holds back what the client sends, from the first chunk that fits on, and tells when it has come."""

    def __init__(self, line: Line, word: bytes, seconds: float = 0.2) -> None:
        self._line = line
        self._word = word
        self._seconds = seconds
        self.came = asyncio.Event()
        line.proxy.on_server_data = self._look_at_replies
        line.proxy.on_client_data = self._look

    def _look(self, data: bytes) -> bytes:
        if self._word in data and not self.came.is_set():
            self.came.set()
            self._line.proxy.delay(self._seconds)
        return data

    def _look_at_replies(self, data: bytes) -> bytes:
        self._line.proxy.delay(0)
        return data


async def cancelled(task: asyncio.Task[object]) -> None:
    """Cancel a call and wait until it has ended so."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_commit_under_way_is_finished(line: Line) -> None:
    """Cancelled between EXEC and its reply: it is applied, the sweep hears of it, and nothing stays held."""
    session = await running(line.process.store)
    heard: list[tuple[str, int | None]] = []
    line.process.store.on_commit(lambda session_id, boundary: heard.append((session_id, boundary)))
    held = Held(line, b"EXEC")
    call = switching(line, session)
    await held.came.wait()

    await cancelled(call)

    line.assert_consistent(session.session_id, session.version + 1)
    assert [session_id for session_id, _ in heard] == [session.session_id]
    await line.assert_released()
    assert await switching(line, session)
    line.assert_consistent(session.session_id, session.version + 2)


async def test_cancelling_again_and_again_does_not_break_a_commit(line: Line) -> None:
    """An impatient caller gets away no sooner, and does no harm."""
    session = await running(line.process.store)
    held = Held(line, b"EXEC")
    call = switching(line, session)
    await held.came.wait()

    for _ in range(5):
        call.cancel()
        await asyncio.sleep(0)
        assert not call.done()
    await cancelled(call)

    line.assert_consistent(session.session_id, session.version + 1)
    await line.assert_released()


@pytest.mark.parametrize("word", [b"WATCH", b"SETNAME"], ids=["while looking", "while connecting"])
async def test_a_caller_that_goes_before_the_commit_changes_nothing(line: Line, word: bytes) -> None:
    """Cancelled before anything was decided: the session is untouched and the connection is thrown away."""
    session = await running(line.process.store)
    line.process.connections.forget_idle()
    held = Held(line, word)
    call = switching(line, session)
    await held.came.wait()

    await cancelled(call)

    line.assert_consistent(session.session_id, session.version)
    assert line.process.connections._idle == []
    await line.assert_released()
    await eventually(lambda: line.proxy.open_connections == 0)


async def test_callers_that_leave_the_queue_let_the_others_on(line: Line) -> None:
    """Every second of forty waiting callers is cancelled: the other twenty are all served."""
    session = await running(line.process.store)
    held = Held(line, b"EXEC", seconds=0.1)
    first = switching(line, session)
    await held.came.wait()
    waiting = [switching(line, session) for _ in range(40)]
    await asyncio.sleep(0)

    for call in waiting[::2]:
        call.cancel()
    outcomes = await asyncio.gather(first, *waiting, return_exceptions=True)

    assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) == 20
    line.assert_consistent(session.session_id, session.version + 21)
    await line.assert_released()


async def test_waiting_in_the_queue_ends_with_the_callers_time(line: Line) -> None:
    """Who is not served in time is told CONTENTION, and has changed nothing; who holds the turn goes on."""
    session = await running(line.process.store)
    held = Held(line, b"EXEC", seconds=0.3)
    first = switching(line, session)
    await held.came.wait()
    impatient = [switching(line, session, seconds=0.02) for _ in range(10)]
    outcomes = await asyncio.gather(*impatient, return_exceptions=True)
    await first

    assert [type(outcome) for outcome in outcomes] == [Contention] * 10
    line.assert_consistent(session.session_id, session.version + 1)
    await line.assert_released()


def fail(_: Reading) -> Decision[None]:
    """Decide nothing: there is a bug."""
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("decide", "outcome"),
    [(lambda _: Decision(None), contextlib.nullcontext()), (fail, pytest.raises(ZeroDivisionError))],
    ids=["stores nothing", "fails"],
)
async def test_a_decision_without_a_commit_gives_the_connection_back_without_a_watch(
    line: Line, decide: Decide[None], outcome: contextlib.AbstractContextManager[object]
) -> None:
    """It UNWATCHes: the connection is kept, and another caller's transaction does not suffer."""
    session = await running(line.process.store)

    with outcome:
        await line.process.store.transact(session.session_id, NOBODY, decide, until())

    await eventually(lambda: len(line.process.connections._idle) == 1)
    assert line.watching() == []
    await line.assert_released()


async def test_the_commit_is_looked_at_although_its_caller_is_gone(line: Line) -> None:
    """A transaction applied in part is an alarm, whether anybody waits for the answer or not."""
    session = await running(line.process.store)
    line.redis.rename(line.process.keys.of(session.session_id).outbox, f"{line.process.keys.prefix}:aside")
    line.redis.set(line.process.keys.of(session.session_id).outbox, "no stream")
    held = Held(line, b"EXEC")
    call = switching(line, session)
    await held.came.wait()

    await cancelled(call)

    assert line.process.observed.broken == 1
    await line.assert_released()


async def test_a_change_takes_two_round_trips(line: Line) -> None:
    """The chunk that carries MULTI carries EXEC: two round trips a change, not one a command."""
    session = await running(line.process.store)
    chunks: list[bytes] = []
    line.proxy.on_client_data = lambda data: chunks.append(data) or data

    await line.process.store.transact(session.session_id, NOBODY, asking(Switch()), until())

    assert [is_commit(chunk) for chunk in chunks] == [False, True]
    assert b"WATCH" in chunks[0]
    assert b"MULTI" in chunks[1]
