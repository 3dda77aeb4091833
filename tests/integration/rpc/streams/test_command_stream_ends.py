"""How streams of commands end: the client has sent its last one, goes, or does not read; the server goes."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from structlog.testing import capture_logs

from synckairos.composition.server import Server
from synckairos.devstack import RedisServer
from synckairos.rpc.streams import command_servicer
from synckairos.settings import Settings
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import Problem, Stub, connect, new_id, problem_of, running_session
from testing.harness.command_client import command, driving, refusal_of
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.waiting import eventually
from tests.integration.rpc.good_requests import create, member


@pytest.fixture
def settings(redis_server: RedisServer) -> Settings:
    """A server's settings: impatient with readers who do not read."""
    return settings_for(redis_server.url, stream_stall_s=0.5)


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Server]:
    """A server."""
    async with serving(settings) as server:
        yield server


def left() -> list[str]:
    """Return the tasks of command streams still running on this loop."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith(("CommandStream.", "CommandServicer."))]


async def version_of(stub: Stub, session_id: str) -> int:
    """Return a session's version."""
    reply = await stub.GetSession(pb.GetSessionRequest(session_id=session_id))
    return int(reply.session.version)


def switch(session_id: str) -> pb.SwitchCycleRequest:
    """Return the request to switch a session's cycle."""
    return pb.SwitchCycleRequest(session_id=session_id)


async def test_a_client_that_has_sent_its_last_command_gets_every_answer(server: Server) -> None:
    """300 commands and a half-close: 300 answers, then OK."""
    async with connect(server.address) as stub:
        ids = [(await running_session(stub)).session_id for _ in range(20)]
        async with driving(stub) as drive:
            for place in range(300):
                await drive.send(str(place), switch(ids[place % 20]))
            await drive.call.done_writing()
            await drive.until_end(60)
            assert await drive.call.code() is grpc.StatusCode.OK

    assert sorted(map(int, drive.ids)) == list(range(300))
    assert all(answer.HasField("result") for answer in drive.answers)
    assert not left()


@pytest.mark.parametrize("how", ["cancel", "deadline", "hang up"])
async def test_a_client_that_goes_leaves_whole_changes_and_nothing_else(
    server: Server, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """Commits under way are finished or never happened, no task stays, nothing is logged, and the sessions go on."""
    with capture_logs() as logs:
        async with connect(server.address) as stub:
            ids = [(await running_session(stub)).session_id for _ in range(20)]
            channel = grpc.aio.insecure_channel(server.address)
            leaving: Stub = SessionServiceStub(channel)
            call = leaving.ExecuteCommands(timeout=0.5 if how == "deadline" else None)
            for place in range(100):
                await call.write(command(str(place), switch(ids[place % 20])))
            await call.read()
            if how == "cancel":
                call.cancel()
            elif how == "hang up":
                await channel.close()
            await eventually(lambda: not left())
            await channel.close()

            for session_id in ids:
                version = await version_of(stub, session_id)
                reply = await stub.SwitchCycle(switch(session_id))
                assert 2 <= version <= 7
                assert reply.session.version == version + 1 == reply.session.cycle_number + 1

    assert not [line for line in logs if line["log_level"] not in ("debug", "info")]
    assert not caplog.records


def ask_without_reading(address: str, session_id: str, may_read: threading.Event) -> Problem:
    """Ask for a session for ever, read answers only when it is too late, and return the error that ended the stream.

    Not with grpc.aio, whose client forgets the status if a write of its own is cut off by the end.
    """
    with grpc.insecure_channel(address, options=[("grpc.http2.bdp_probe", 0)]) as channel:
        commands = (command(str(n), pb.GetSessionRequest(session_id=session_id)) for n in itertools.count())
        call = SessionServiceStub(channel).ExecuteCommands(commands)
        may_read.wait(10)
        try:
            for _ in call:
                continue
        except grpc.RpcError as error:
            return problem_of(error)
    raise AssertionError("the stream ended well")


async def test_a_client_that_does_not_read_is_dropped_and_holds_up_nobody(server: Server) -> None:
    """Answers of 230 KB are not taken: SLOW_CONSUMER ends the stream, and another is answered meanwhile."""
    data = Struct()
    data["text"] = "x" * 990
    request = create("global", participants=[member(new_id(), metadata=data) for _ in range(225)])
    may_read = threading.Event()
    async with connect(server.address) as stub, driving(stub) as drive:
        large = (await running_session(stub, request)).session_id
        small = (await running_session(stub)).session_id
        asking = asyncio.create_task(asyncio.to_thread(ask_without_reading, server.address, large, may_read))
        await eventually(lambda: left().count("CommandStream._read") == 2)
        for place in range(50):
            await drive.ask(str(place), switch(small))
        await eventually(lambda: left() == ["CommandStream._read"])
        may_read.set()
        problem = await asking

    assert (problem.code, problem.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_CONSUMER")
    assert problem.retry_after_s


def flood(address: str, ids: list[str], answers: list[pb.ExecuteCommandsResponse]) -> Problem:
    """Send switches for ever, note the answers, and return the error that ended the stream.

    Not with grpc.aio, whose client forgets the status if a write of its own is cut off by the end.
    """
    commands = (command(f"{ids[n % 10]} {n}", switch(ids[n % 10])) for n in itertools.count())
    with grpc.insecure_channel(address) as channel:
        try:
            answers.extend(SessionServiceStub(channel).ExecuteCommands(commands))
        except grpc.RpcError as error:
            return problem_of(error)
    raise AssertionError("the stream ended well")


async def test_a_server_that_goes_tells_what_it_has_done(settings: Settings) -> None:
    """Drained amid a flood: each answer is true, and a command without one was not applied."""
    answers: list[pb.ExecuteCommandsResponse] = []
    async with serving(settings) as first, serving(settings) as second, connect(second.address) as stub:
        ids = [(await running_session(stub)).session_id for _ in range(10)]
        flooding = asyncio.create_task(asyncio.to_thread(flood, first.address, ids, answers))
        await eventually(lambda: len(answers) > 200)
        await first.stop()
        problem = await flooding
        versions = [await version_of(stub, session_id) for session_id in ids]

    applied = [answer.command_id.split()[0] for answer in answers if answer.HasField("result")]
    assert versions == [2 + applied.count(session_id) for session_id in ids]
    refusals = [refusal_of(answer) for answer in answers if not answer.HasField("result")]
    assert {refusal.reason for refusal in refusals} <= {"DRAINING"}
    assert (problem.code, problem.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    assert problem.retry_after_s


async def test_an_idle_stream_is_ended_with_the_server(settings: Settings) -> None:
    """An idle client learns that the server goes; the end carries the stream's request id."""
    async with serving(settings) as server, connect(server.address) as stub:
        sid = (await running_session(stub)).session_id
        async with driving(stub, metadata=(("x-request-id", "s-1"),)) as drive:
            await drive.ask("1", switch(sid))
            await server.stop()
            await drive.until_end()

    error: Any = drive.error
    assert problem_of(error).reason == "DRAINING"
    assert dict(error.trailing_metadata())["x-request-id"] == "s-1"


async def test_a_connection_outlives_its_stream_for_half_the_grace(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client can still be heard after the end of its stream, so nothing resets what it has not read yet."""
    monkeypatch.setattr(command_servicer, "LINGER_S", 600.0)
    settings = settings.model_copy(update={"drain_grace_s": 4.0})
    async with serving(settings) as server, connect(server.address) as stub:
        sid = (await running_session(stub)).session_id
        async with driving(stub) as drive:
            await drive.ask("1", switch(sid))
            stopping = asyncio.create_task(server.stop())
            await drive.until_end()
            version = await version_of(stub, sid)
            await stopping

    assert version == 3
