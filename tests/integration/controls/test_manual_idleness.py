"""How long sessions with manual clocks live goes by the world's time, whatever their own is."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from synckairos.devstack import RedisServer
from synckairos.v1 import event_pb2, session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, refused, watching
from testing.harness.playing.played_sessions import PlayedSession, manual, with_control
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.waiting import eventually

DAY_MS = 86_400_000


@pytest.fixture
async def hasty(redis_server: RedisServer) -> AsyncIterator[Stub]:
    """A client of a server whose sessions are idle after 3 s, and forgotten a second later."""
    settings = settings_for(redis_server.url, session_ttl_s=1, idle_ttl_s=3, running_idle_ttl_s=3)
    async with serving(settings) as server, connect(server.address) as stub:
        yield stub


async def until_forgotten(game: PlayedSession) -> None:
    """Wait until a session is gone."""

    async def is_gone() -> bool:
        reply = await game.stub.BatchGetSessions(pb.BatchGetSessionsRequest(session_ids=[game.id]))
        return list(reply.missing_session_ids) == [game.id]

    await eventually(is_gone)
    problem = await refused(game.stub.GetSession(pb.GetSessionRequest(session_id=game.id)))
    assert problem.reason == "SESSION_NOT_FOUND"


async def idle_away(stub: Stub, *, starts: bool) -> None:
    """Twenty days of its own time are nothing; 3 s without a call end it, at its own time."""
    game = await manual(stub, with_control("600h" if starts else "5|3x5"), starts=starts)
    await game.advance(20 * DAY_MS)
    async with watching(stub.WatchSession(pb.WatchSessionRequest(session_id=game.id))) as stream:
        await stream.until_end()
    event = stream.of("event")[-1].event
    assert (event.type, event.cause) == (event_pb2.EVENT_TYPE_SESSION_CANCELLED, event_pb2.CAUSE_IDLE)
    assert event.occurred_at.ToMilliseconds() == game.now
    await until_forgotten(game)


async def end_by_hand(stub: Stub) -> None:
    """Its end lies in the future of the world, and is forgotten a second after it was made."""
    game = await manual(stub, with_control("5"))
    session = await game.advance(20 * DAY_MS)
    assert session.status == session_pb2.STATUS_EXPIRED
    assert (await game.get()).status == session_pb2.STATUS_EXPIRED
    await until_forgotten(game)


async def stay_by_calls(stub: Stub) -> None:
    """A call in the world is what keeps it, though its own time stands."""
    game = await manual(stub, with_control("5"), starts=False)
    born = game.now
    witness = await PlayedSession.create(stub, with_control("60"))

    async def has_lived_on() -> bool:
        await game.call("UpdateSession", labels={"seen": "now"})
        await witness.call("UpdateSession", labels={"seen": "now"})
        return witness.now > born + 5_000

    await eventually(has_lived_on, pause_s=0.1)
    assert (game.session.status, game.now) == (session_pb2.STATUS_PENDING, born)


async def test_the_world_decides_how_long_they_live(hasty: Stub) -> None:
    """Idle, ended and called."""
    await asyncio.gather(
        idle_away(hasty, starts=False), idle_away(hasty, starts=True), end_by_hand(hasty), stay_by_calls(hasty)
    )
