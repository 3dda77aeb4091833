"""Whatever bytes stand in the store, they concern that one session: its neighbours' calls and streams go on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

import grpc
import pytest
from redis.asyncio import Redis

from synckairos.adapters.redis.keys import Keys, SessionKeys
from synckairos.adapters.redis.values import codec
from synckairos.devstack import RedisServer
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Problem, Stub, connect, problem_of, running_session, two_players
from testing.harness.processes.in_process import serving, settings_for
from tests.integration.watching.test_watch_sessions import end_of, told, watch

Damage = Callable[[Redis, SessionKeys], Awaitable[object]]
NEIGHBOURS: Final = 6


def body(encoded: bytes) -> Damage:
    """Return a damage that leaves the head of a session and puts these bytes after it."""

    async def damage(redis: Redis, keys: SessionKeys) -> None:
        head = await redis.getrange(keys.session, 0, codec.HEAD_BYTES - 1)
        await redis.set(keys.session, bytes(head) + encoded)

    return damage


async def another_type(redis: Redis, keys: SessionKeys) -> None:
    """Put a list where the session was."""
    await redis.delete(keys.session)
    await redis.rpush(keys.session, "no", "session")


async def metadata_of_noise(redis: Redis, keys: SessionKeys) -> None:
    """Let a session have metadata that is no Struct's."""
    encoded = bytes(await redis.get(keys.session))
    session = codec.decode_session("", encoded)
    await redis.set(keys.session, codec.encode_session(session._replace(metadata=b"\xff" * 9)))


DAMAGES: Final = {
    "nested": body(b"\x91" * 50_000 + b"\xc0"),
    "far out of range": body(b"\x93\x02\x92\x04\x01" + b"\xcf" + b"\xff" * 8),
    "of another shape": body(b"\x93\x02\x92\x04\x01\xa3now"),
    "another type": another_type,
    "metadata of noise": metadata_of_noise,
}


class Crowd:
    """Running sessions, one of which is damaged."""

    def __init__(self, stub: Stub, redis: Redis, label: str) -> None:
        self.stub = stub
        self.redis = redis
        self.label = label
        self.good: list[str] = []
        self.bad = ""

    async def switch(self, session_id: str) -> Problem | None:
        """Switch a session; return the problem, None if all went well."""
        try:
            await self.stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id))
        except grpc.aio.AioRpcError as error:
            return problem_of(error)
        return None


@pytest.fixture(params=list(DAMAGES))
async def crowd(request: pytest.FixtureRequest, redis_server: RedisServer) -> AsyncIterator[Crowd]:
    """Sessions at a server, one of them damaged behind its back."""
    settings = settings_for(redis_server.url)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(settings))
        stub = await stack.enter_async_context(connect(server.address))
        redis = await stack.enter_async_context(Redis.from_url(redis_server.url))
        crowd = Crowd(stub, redis, request.param)
        specs = [two_players(labels={"test": "unreadable"}) for _ in range(NEIGHBOURS + 1)]
        crowd.bad, *crowd.good = [(await running_session(stub, spec)).session_id for spec in specs]
        await DAMAGES[request.param](redis, Keys(settings.redis_prefix).of(crowd.bad))
        yield crowd


async def test_its_neighbours_are_switched_listed_and_watched(crowd: Crowd) -> None:
    """Changes that share its batches, pages and streams that hold it; for itself it is worth a retry elsewhere."""
    everybody = [crowd.bad, *crowd.good]
    problems = [await asyncio.gather(*map(crowd.switch, everybody)) for _ in range(10)]
    batch = await crowd.stub.BatchGetSessions(pb.BatchGetSessionsRequest(session_ids=everybody))
    page = await crowd.stub.ListSessions(pb.ListSessionsRequest(page_size=500, labels={"test": "unreadable"}))
    async with watch(crowd.stub, dict.fromkeys(everybody, "")) as recording:
        await recording.until(lambda r: len(r.messages) == len(everybody))
        await crowd.switch(crowd.good[0])
        await recording.until(lambda r: len(r.messages) > len(everybody))

    assert [problem for _, *others in problems for problem in others if problem] == []
    assert {problem.reason if problem else "" for problem, *_ in problems} == {"STORE_UNAVAILABLE"}
    assert [session.session_id for session in batch.sessions] == crowd.good
    assert list(batch.unread_session_ids) == [crowd.bad]
    assert sorted(session.session_id for session in page.sessions) == sorted(crowd.good)
    assert (told(recording, crowd.bad), end_of(recording, crowd.bad)) == ([("end", 0)], "END_REASON_UNAVAILABLE")
    assert told(recording, crowd.good[0])[-1][0] == "event"
