"""Callers who come one after the other, as gRPC hands them over, and share transactions all the same."""

import asyncio

import pytest

from synckairos.adapters.redis.store import batching as redis_gate
from synckairos.application.ports import Request
from synckairos.devstack import RedisServer
from synckairos.domain.commands import Switch
from synckairos.domain.model import Session
from tests.contract.decisions import CALLER, asking, running, until
from tests.contract.lines import Line, broken_line, is_commit

CALLERS = 12
GATHERING_S = 1.0
PATIENCE_S = 5.0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let batches wait long for the calls expected, however slowly these come."""
    monkeypatch.setattr(redis_gate, "BUSY", 0.0)
    monkeypatch.setattr(redis_gate, "GATHERING_S", GATHERING_S)


async def switch(line: Line, session: Session) -> None:
    """Switch by the process behind the proxy."""
    await line.process.sessions.change(session.session_id, Switch(), CALLER, Request(), until(PATIENCE_S))


async def test_callers_of_one_session_are_waited_for_as_callers_of_many_are(redis_server: RedisServer) -> None:
    """Twelve at once, then twelve one by one: the first of these does not go alone."""
    commits: list[bytes] = []

    def note(data: bytes) -> bytes:
        commits.extend([data] if is_commit(data) else [])
        return data

    async with broken_line(redis_server, timeout_s=PATIENCE_S) as line:
        ahead, session = [await running(line.process.store) for _ in range(2)]
        under_way = asyncio.ensure_future(switch(line, ahead))
        await asyncio.sleep(0)
        await asyncio.gather(under_way, *(switch(line, session) for _ in range(CALLERS)))
        line.proxy.on_client_data = note

        calls = []
        for _ in range(CALLERS):
            assert commits == []
            calls.append(asyncio.ensure_future(switch(line, session)))
            for _ in range(5):
                await asyncio.sleep(0)
        await asyncio.gather(*calls)

        assert len(commits) == 1
        line.assert_consistent(session.session_id, session.version + 2 * CALLERS)
        await line.assert_released()


async def test_what_is_due_does_not_wait_with_calls(redis_server: RedisServer) -> None:
    """A batch of calls stays open for those that are likely to come; a settlement beside it is stored meanwhile."""
    async with broken_line(redis_server, timeout_s=PATIENCE_S) as line:
        ahead, session = [await running(line.process.store) for _ in range(2)]
        under_way = asyncio.ensure_future(switch(line, ahead))
        await asyncio.sleep(0)
        await asyncio.gather(under_way, *(switch(line, session) for _ in range(CALLERS)))

        waiting = asyncio.ensure_future(switch(line, session))
        await asyncio.sleep(0)
        await line.process.store.transact(ahead.session_id, Request(), asking(Switch()), until(PATIENCE_S), is_due=True)

        assert not waiting.done()
        await waiting
        line.assert_consistent(ahead.session_id, ahead.version + 2)
        await line.assert_released()
