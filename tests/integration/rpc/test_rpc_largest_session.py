"""The largest session that is allowed works in every call; one byte more is refused, and nothing of it is stored."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct
from redis.asyncio import Redis

from synckairos.adapters.redis.keys import Keys
from synckairos.devstack import RedisServer
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, new_id, refused
from testing.harness.processes.in_process import serving, settings_for
from tests.integration.rpc.good_requests import member
from tests.integration.store.key_space import KeySpace

Measure: TypeAlias = Callable[[str], Awaitable[int]]

LIMIT = 262_144
PARTICIPANTS = 1_000
NOTE = 200
"""Characters of a participant's metadata to begin with: lengths near it take as many bytes as they have characters."""


@pytest.fixture
async def served(redis_server: RedisServer) -> AsyncIterator[tuple[Stub, KeySpace, Measure]]:
    """A server, its keys in Redis, and the bytes that a session takes there."""
    settings = settings_for(redis_server.url)
    keys = Keys(settings.redis_prefix)
    async with (
        serving(settings) as server,
        connect(server.address) as stub,
        KeySpace(redis_server.url, settings.redis_prefix) as key_space,
        Redis.from_url(redis_server.url) as redis,
    ):
        yield stub, key_space, lambda session_id: redis.strlen(keys.of(session_id).session)


def full_house(total: int, ids: list[str]) -> pb.CreateSessionRequest:
    """Return a request with so many characters of metadata, spread over a thousand participants."""
    each, more = divmod(total, PARTICIPANTS)
    players = []
    for place, player in enumerate(ids):
        note = Struct()
        note.update({"n": "x" * (each + (place < more))})
        players.append(member(player, total_time_ms=600_000, metadata=note))
    return pb.CreateSessionRequest(
        session_id=new_id(), mode=session_pb2.MODE_PER_PARTICIPANT, participants=players, increment_ms=1_000
    )


async def test_the_largest_session_is_played_and_one_byte_more_is_refused(
    served: tuple[Stub, KeySpace, Measure],
) -> None:
    """A thousand participants whose metadata fill 262 144 bytes to the last one."""
    stub, key_space, stored_bytes = served
    ids = [new_id() for _ in range(PARTICIPANTS)]
    smaller = full_house(NOTE * PARTICIPANTS, ids)
    await stub.CreateSession(smaller)
    most = NOTE * PARTICIPANTS + LIMIT - await stored_bytes(smaller.session_id)
    largest = full_house(most, ids)
    await stub.CreateSession(largest)
    assert await stored_bytes(largest.session_id) == LIMIT

    before = await key_space.content()
    call: dict[str, Any] = {"session_id": largest.session_id}
    labelled = pb.UpdateSessionRequest(**call, labels={"a": "b"}, update_mask=FieldMask(paths=["labels"]))
    for attempt, path in (
        (stub.CreateSession(full_house(most + 1, ids)), "participants"),
        (stub.CreateSession(full_house(900 * PARTICIPANTS, ids)), "participants"),
        (stub.UpdateSession(labelled), "labels"),
    ):
        problem = await refused(attempt)
        assert (problem.code, problem.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
        assert set(problem.fields) == {path}
        assert f"at most {LIMIT} are allowed" in problem.fields[path]
    assert await key_space.content() == before

    await stub.StartSession(pb.StartSessionRequest(**call))
    await stub.SwitchCycle(pb.SwitchCycleRequest(**call))
    session = (await stub.GetSession(pb.GetSessionRequest(**call))).session
    assert [one.participant_id for one in session.participants] == ids
    assert [one.metadata for one in session.participants] == [one.metadata for one in largest.participants]
    assert session.active_participant_id == ids[1]
