"""Any value in any field of any request: an answer from the contract, and nothing stored if it is a refusal."""

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.rpc.server import MAX_RECEIVE_BYTES
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import Problem, problem_of
from testing.harness.command_client import answers_in, refusal_of
from testing.harness.draining import drain
from testing.harness.fakes.fake_clock import FakeClock
from testing.harness.fakes.fake_redis_time import DrivenConnections
from testing.harness.processes.databases import own_database
from testing.harness.processes.in_process import serving, settings_for
from tests.integration.rpc.every_state import fill, lost
from tests.integration.rpc.request_strategies import COMMANDS, METHODS, good_bytes, requests_of
from tests.integration.store.key_space import KeySpace

ANSWERS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
}
FUZZED = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck), max_examples=20
)


@dataclass
class FuzzedServer:
    """A server whose clock stands, its keys in Redis, and their content before the calls."""

    channel: Any
    key_space: KeySpace
    before: dict[bytes, bytes] = field(repr=False)

    async def call(self, name: str, raw: bytes) -> Problem | None:
        """Make a call of raw bytes and return its error; of a stream only the first message is waited for."""
        method = METHODS[name]
        path = f"/{method.containing_service.full_name}/{name}"
        try:
            if method.client_streaming:
                return await self._command(path, raw)
            if method.server_streaming:
                stream = self.channel.unary_stream(path)(raw)
                reply = await stream.read()
                stream.cancel()
            else:
                reply = await self.channel.unary_unary(path)(raw)
        except grpc.aio.AioRpcError as error:
            return problem_of(error)
        GetMessageClass(method.output_type).FromString(reply)
        return None

    async def _command(self, path: str, raw: bytes) -> Problem | None:
        """Send raw bytes as the only message of a stream, which must end with OK in any case.

        Of several commands the error is the first one's, if all are refused.
        """
        stream = self.channel.stream_stream(path)()
        await stream.write(raw)
        await stream.done_writing()
        messages = [pb.ExecuteCommandsResponse.FromString(message) async for message in stream]
        answers = [answer for message in messages for answer in answers_in(message)]
        refused = [refusal_of(answer) for answer in answers if answer.HasField("status")]
        assert answers
        return refused[0] if len(refused) == len(answers) else None

    async def judge(self, name: str, raw: bytes) -> Problem | None:
        """Call, hold the answer against the contract, and put everything back."""
        problem = await self.call(name, raw)
        if problem is None:
            await self.key_space.restore(self.before)
            return None
        assert problem.code in ANSWERS, problem
        assert await self.key_space.content() == self.before, problem
        return problem


@pytest.fixture(scope="module")
async def database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with the tables of the audit trail."""
    async with own_database(postgres_server) as url:
        await apply_migrations(url, migrations_folder())
        yield url


@pytest.fixture(scope="module")
async def fuzzed(redis_server: RedisServer, database_url: str) -> AsyncIterator[FuzzedServer]:
    """A server with a session in every state; time stands, so that nothing changes by itself."""
    clock = FakeClock(time.time_ns() // 1_000)
    options = settings_for(redis_server.url, database_url=database_url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("synckairos.composition.redis.RedisConnections", lambda url, **_: DrivenConnections(url, clock))
        # Dramatiq rolls the process's own dice, in a thread, and Hypothesis takes that for a strategy's doing.
        patch.setattr("synckairos.composition.server.Server._follow_trail", lambda *_, **__: None)
        async with (
            serving(options) as server,
            grpc.aio.insecure_channel(server.address) as channel,
            KeySpace(redis_server.url, options.redis_prefix) as key_space,
        ):
            await fill(SessionServiceStub(channel))
            await drain(options, lost=lost())
            yield FuzzedServer(channel, key_space, await key_space.content())


def leads_somewhere(kind: Descriptor, path: str) -> bool:
    """Whether a violation's path names a field of the request, through lists and messages."""
    step = re.match(r"(\w+)(\[\d+\])?(?:\.(.*))?", path, re.DOTALL)
    if step is None:
        return False
    found = kind.fields_by_name.get(step[1])
    if found is None or (step[2] and not found.is_repeated):
        return False
    if found.message_type is None or found.message_type.full_name.startswith("google.") or step[3] is None:
        return True
    return leads_somewhere(found.message_type, step[3])


def leads_to_what_was_asked(request: Any, path: str) -> bool:
    """Whether a violation's path names a field of the request, or of the one within a command."""
    kind = request.DESCRIPTOR
    one_of_several = re.fullmatch(r"commands\[(\d+)\]\.(.*)", path, re.DOTALL)
    if one_of_several is not None:
        return leads_to_what_was_asked(request.commands[int(one_of_several[1])], one_of_several[2])
    if kind in (pb.ExecuteCommandsRequest.DESCRIPTOR, pb.Command.DESCRIPTOR):
        chosen = request.WhichOneof("command")
        if path == "command" and chosen is None:
            return True
        if chosen is not None and leads_somewhere(getattr(request, chosen).DESCRIPTOR, path):
            return True
        if any(leads_to_what_was_asked(each, path) for each in getattr(request, "commands", ())):
            return True
    return leads_somewhere(kind, path)


@pytest.mark.parametrize("name", METHODS)
@FUZZED
@given(data=st.data())
async def test_every_request_has_an_answer(fuzzed: FuzzedServer, name: str, data: st.DataObject) -> None:
    """OK, or a refusal of the contract whose violations name fields that exist; a refusal stores nothing."""
    request = data.draw(requests_of(name))
    assume(request.ByteSize() <= MAX_RECEIVE_BYTES)

    problem = await fuzzed.judge(name, request.SerializeToString())

    if problem is not None and problem.code is grpc.StatusCode.INVALID_ARGUMENT:
        assert problem.fields
        for path in problem.fields:
            assert leads_to_what_was_asked(request, path), (path, problem.fields[path])


@pytest.mark.parametrize("kind", COMMANDS)
@settings(FUZZED, max_examples=25)
@given(data=st.data())
async def test_every_command_has_an_answer(fuzzed: FuzzedServer, kind: str, data: st.DataObject) -> None:
    """Any request has the same answer over a stream as by its call."""
    request = data.draw(requests_of(COMMANDS[kind]))
    sent = pb.ExecuteCommandsRequest(command_id="c")
    getattr(sent, kind).CopyFrom(request)
    assume(sent.ByteSize() <= MAX_RECEIVE_BYTES)

    called = await fuzzed.judge(COMMANDS[kind], request.SerializeToString())
    streamed = await fuzzed.judge("ExecuteCommands", sent.SerializeToString())

    assert streamed == called


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """Return a good request's bytes with some replaced, removed or put in."""
    raw = bytearray(draw(st.sampled_from(good_bytes(name))))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(raw)))
        end = min(len(raw), start + draw(st.integers(0, 3)))
        raw[start:end] = draw(st.binary(max_size=4))
    return bytes(raw)


@pytest.mark.parametrize("name", METHODS)
@FUZZED
@given(data=st.data())
async def test_damaged_bytes_have_an_answer(fuzzed: FuzzedServer, name: str, data: st.DataObject) -> None:
    """Bytes flipped on the wire, invalid UTF-8 among them, are refused like any other mistake, or mean something."""
    raw = data.draw(damaged(name))

    problem = await fuzzed.judge(name, raw)

    if problem is not None and problem.code is grpc.StatusCode.INVALID_ARGUMENT:
        assert problem.fields
