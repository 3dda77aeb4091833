"""Connections that break during a commit: applied exactly once, or the caller is told that nobody knows."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from synckairos.application.errors import OutcomeUnknown
from synckairos.application.ports import Request
from synckairos.application.sessions import Answer
from synckairos.devstack import RedisServer
from synckairos.domain.commands import Create, Switch
from synckairos.domain.errors import SessionAlreadyExists
from testing.harness.waiting import eventually
from tests.contract.decisions import CALLER, new_id, running, two_players, until
from tests.contract.lines import Line, broken_line, is_commit, lose_commit, lose_reply

NOBODY = Request()


@pytest.fixture
async def line(redis_server: RedisServer) -> AsyncIterator[Line]:
    """A process with a line that can be broken."""
    async with broken_line(redis_server, timeout_s=0.25) as line:
        yield line


async def switch(line: Line, session_id: str, request: Request = NOBODY) -> Answer:
    """Switch by the process with the broken line."""
    return await line.process.sessions.change(session_id, Switch(), CALLER, request, until())


@pytest.mark.parametrize("lose", [lose_reply, lose_commit], ids=["reply lost", "commit lost"])
async def test_a_change_is_applied_exactly_once(line: Line, lose: Callable[[Line], None]) -> None:
    """The caller is answered OK with the version that is stored, whether the EXEC reached Redis or not."""
    session = await running(line.process.store)
    lose(line)

    answer = await switch(line, session.session_id)

    assert line.process.observed.unknown == 1
    assert answer.session == line.stored(session.session_id)
    line.assert_consistent(session.session_id, session.version + 1)
    await line.assert_released()


@pytest.mark.parametrize("lose", [lose_reply, lose_commit], ids=["reply lost", "commit lost"])
async def test_a_session_is_created_exactly_once(line: Line, lose: Callable[[Line], None]) -> None:
    """A creation whose connection breaks is one too, and is not taken for somebody else's."""
    session_id = new_id()
    lose(line)

    answer = await line.process.sessions.create(session_id, Create(two_players()), CALLER, NOBODY, until())

    assert line.process.observed.unknown == 1
    assert answer.session == line.stored(session_id)
    line.assert_consistent(session_id, 1)


async def test_an_id_taken_meanwhile_is_told_apart_from_ours(line: Line) -> None:
    """The creation was lost and another process creates the id: that one stays, and the caller hears of it."""
    session_id = new_id()
    taken = asyncio.Event()

    def refuse() -> None:
        line.proxy.refuse = True
        taken.set()

    lose_commit(line, refuse)
    attempt = asyncio.create_task(
        line.process.sessions.create(session_id, Create(two_players()), CALLER, NOBODY, until())
    )
    await taken.wait()
    theirs = await line.other.sessions.create(session_id, Create(two_players()), CALLER, NOBODY, until())
    line.proxy.refuse = False

    with pytest.raises((SessionAlreadyExists, OutcomeUnknown)):
        await attempt
    assert line.stored(session_id) == theirs.session
    line.assert_consistent(session_id, 1)


@pytest.mark.parametrize(("lose", "is_applied"), [(lose_reply, True), (lose_commit, False)], ids=["applied", "not"])
async def test_nobody_knows_while_redis_is_away(
    line: Line, lose: Callable[[Line, Callable[[], object]], None], is_applied: bool
) -> None:
    """OUTCOME_UNKNOWN within two seconds; nothing happens afterwards, and a retry with the request_id is exact."""
    session = await running(line.process.store)
    request = Request(new_id(), bytes(16))

    def vanish() -> None:
        line.proxy.refuse = True
        line.proxy.cut()

    lose(line, vanish)
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        await switch(line, session.session_id, request)
    seconds = time.monotonic() - started
    line.assert_consistent(session.session_id, session.version + is_applied)

    line.proxy.refuse = False
    await line.process.guard.confirm()
    answer = await switch(line, session.session_id, request)

    assert seconds < 2.0
    assert answer.replayed is is_applied
    assert answer.session == line.stored(session.session_id)
    line.assert_consistent(session.session_id, session.version + 1)
    await line.assert_released()


async def test_nobody_knows_once_the_event_has_left_the_window(redis_server: RedisServer) -> None:
    """Our version came and went, or never came, while we were cut off: OUTCOME_UNKNOWN, and no second try."""
    async with broken_line(redis_server, event_window=1) as line:
        session = await running(line.process.store)
        cut_off = asyncio.Event()

        def refuse() -> None:
            line.proxy.refuse = True
            cut_off.set()

        lose_reply(line, refuse)
        attempt = asyncio.create_task(switch(line, session.session_id))
        await cut_off.wait()
        for _ in range(2):
            await line.other.sessions.change(session.session_id, Switch(), CALLER, NOBODY, until())
        line.proxy.refuse = False

        with pytest.raises(OutcomeUnknown):
            await attempt
        line.assert_consistent(session.session_id, session.version + 3)
        assert line.process.guard.is_ready, "the store itself is fine"


async def test_an_applied_change_is_found_behind_others(line: Line) -> None:
    """Others went on before we could look: the event in the window says that ours was applied."""
    session = await running(line.process.store)
    cut_off = asyncio.Event()

    def refuse() -> None:
        line.proxy.refuse = True
        cut_off.set()

    lose_reply(line, refuse)
    attempt = asyncio.create_task(switch(line, session.session_id))
    await cut_off.wait()
    await line.other.sessions.change(session.session_id, Switch(), CALLER, NOBODY, until())
    line.proxy.refuse = False
    answer = await attempt

    assert answer.session is not None
    assert answer.session == line.retained(session.session_id)[-2].session
    line.assert_consistent(session.session_id, session.version + 2)


async def test_the_retry_defeats_a_late_commit(line: Line) -> None:
    """An EXEC that arrives after the retry was committed changes nothing: its WATCH has been broken."""
    session = await running(line.process.store)
    commits = 0

    def count_commits(data: bytes) -> bytes:
        nonlocal commits
        commits += is_commit(data)
        return data

    line.proxy.on_client_data = count_commits
    hold_next_commit(line, 0.6)
    answer = await switch(line, session.session_id)
    assert commits == 1, "the held EXEC arrived before the retry's"
    await eventually(lambda: commits == 2)
    await eventually(lambda: line.proxy.open_connections == 1)

    assert line.process.observed.unknown == 1
    assert answer.session == line.stored(session.session_id)
    line.assert_consistent(session.session_id, session.version + 1)


def hold_next_commit(line: Line, seconds: float) -> None:
    """Let the next chunks of the client wait, but not those it sends after it has given up on them."""
    loop = asyncio.get_running_loop()
    original = line.process.writer.commit

    def commit(*args: object) -> object:
        line.process.writer.commit = original  # type: ignore[method-assign] # once
        line.proxy.delay(seconds)
        loop.call_later(0.1, line.proxy.delay, 0.0)
        return original(*args)  # type: ignore[arg-type] # as given

    line.process.writer.commit = commit  # type: ignore[method-assign, assignment] # the moment before a commit
