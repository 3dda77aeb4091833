"""BatchGetSessions and ListSessions where some sessions cannot be had, or are too much for one reply."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from google.protobuf.struct_pb2 import Struct
from redis.asyncio import Redis

from synckairos.adapters.redis.keys import Keys
from synckairos.devstack import RedisServer
from synckairos.settings import Settings
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, new_id, refused, running_session, two_players
from testing.harness.processes.in_process import serving, settings_for

DEFAULT_LIMIT = 4 << 20
"""The largest message that clients accept by default."""


class ClientAndRedis(NamedTuple):
    """A client of a server, and a look at its Redis."""

    stub: Stub
    redis: Redis
    settings: Settings

    async def damage(self, session_id: str) -> None:
        """Let a session be written in a layout that only a newer version can read."""
        key = Keys(self.settings.redis_prefix).of(session_id).session
        await self.redis.setrange(key, 0, b"\xff")


@pytest.fixture(scope="module")
async def client(redis_server: RedisServer) -> AsyncIterator[ClientAndRedis]:
    """A client of a server."""
    settings = settings_for(redis_server.url)
    async with (
        serving(settings) as server,
        connect(server.address) as stub,
        Redis.from_url(redis_server.url) as redis,
    ):
        yield ClientAndRedis(stub, redis, settings)


def big(session_id: str) -> pb.CreateSessionRequest:
    """Return the request for a session of about 245 KB."""
    metadata = Struct()
    metadata.update({"text": "x" * 980})
    players = [
        session_pb2.ParticipantSpec(participant_id=new_id(), total_time_ms=60_000, metadata=metadata)
        for _ in range(230)
    ]
    return pb.CreateSessionRequest(session_id=session_id, mode=session_pb2.MODE_PER_PARTICIPANT, participants=players)


async def batch(client: ClientAndRedis, ids: list[str]) -> Any:
    """Ask for sessions at once."""
    return await client.stub.BatchGetSessions(pb.BatchGetSessionsRequest(session_ids=ids))


async def test_a_batch_ends_where_a_reply_would_be_too_big(client: ClientAndRedis) -> None:
    """Those that do not fit are named, in the order asked, and can be asked for again until all are read."""
    ids = [new_id() for _ in range(20)]
    for session_id in ids:
        await client.stub.CreateSession(big(session_id))

    read: list[str] = []
    unread = ids
    while unread:
        reply = await batch(client, unread)
        assert reply.ByteSize() < DEFAULT_LIMIT
        read += [session.session_id for session in reply.sessions]
        assert not reply.missing_session_ids
        assert list(reply.unread_session_ids) == ids[len(read) :]
        unread = list(reply.unread_session_ids)

    assert read == ids


async def test_a_session_of_a_newer_layout_does_not_spoil_the_others(client: ClientAndRedis) -> None:
    """While servers are replaced, a batch names the session this one cannot read, and a page leaves it out."""
    good = await running_session(client.stub, two_players(labels={"test": "layout"}))
    strange = await running_session(client.stub, two_players(labels={"test": "layout"}))
    await client.damage(strange.session_id)

    reply = await batch(client, [strange.session_id, good.session_id])
    listed = await client.stub.ListSessions(pb.ListSessionsRequest(page_size=500, labels={"test": "layout"}))

    assert [session.session_id for session in reply.sessions] == [good.session_id]
    assert list(reply.unread_session_ids) == [strange.session_id]
    assert [session.session_id for session in listed.sessions] == [good.session_id]


async def test_a_session_of_a_newer_layout_is_for_another_server(client: ClientAndRedis) -> None:
    """Alone, it is UNAVAILABLE and worth a retry, read or written; nothing is changed."""
    session = await running_session(client.stub)
    await client.damage(session.session_id)

    problems = [
        await refused(client.stub.GetSession(pb.GetSessionRequest(session_id=session.session_id))),
        await refused(client.stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session.session_id))),
    ]

    assert [problem.reason for problem in problems] == ["STORE_UNAVAILABLE"] * 2
    assert all(problem.retry_after_s for problem in problems)
