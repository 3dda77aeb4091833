"""ExecuteCommands against a real Redis: order under load, the same answers as calls, retries, broken stores."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from synckairos.adapters.redis.store import RedisSessionStore
from synckairos.application.ports import Decide, Request, ResultT
from synckairos.composition.server import Server
from synckairos.devstack import RedisServer
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, new_id, refused, running_session, two_players
from testing.harness.command_client import command, driving, refusal_of
from testing.harness.in_process import serving, settings_for

PATH = "/synckairos.v1.SessionService/ExecuteCommands"


@pytest.fixture(scope="module")
async def server(redis_server: RedisServer) -> AsyncIterator[Server]:
    """A server."""
    async with serving(settings_for(redis_server.url)) as server:
        yield server


@pytest.fixture
async def stub(server: Server) -> AsyncIterator[Stub]:
    """A client."""
    async with connect(server.address) as stub:
        yield stub


async def test_a_game_over_one_stream(stub: Stub) -> None:
    """Everything that can be done to a session can be done without waiting for the answers in between."""
    sid, cleo = new_id(), new_id()
    create = two_players(sid)
    ann = create.participants[0].participant_id
    joins = session_pb2.ParticipantSpec(participant_id=cleo, total_time_ms=60_000)
    game = {
        "create": create,
        "join": pb.AddParticipantRequest(session_id=sid, participant=joins),
        "start": pb.StartSessionRequest(session_id=sid),
        "switch": pb.SwitchCycleRequest(session_id=sid, expected_active_participant_id=ann),
        "pause": pb.PauseSessionRequest(session_id=sid),
        "adjust": pb.AdjustTimeRequest(session_id=sid, participant_id=ann, set_ms=1_000, reason="late"),
        "label": pb.UpdateSessionRequest(session_id=sid, labels={"round": "1"}),
        "resume": pb.ResumeSessionRequest(session_id=sid),
        "leave": pb.RemoveParticipantRequest(session_id=sid, participant_id=cleo),
        "complete": pb.CompleteSessionRequest(session_id=sid),
        "get": pb.GetSessionRequest(session_id=sid),
        "delete": pb.DeleteSessionRequest(session_id=sid),
        "cancel": pb.CancelSessionRequest(session_id=sid),
    }
    async with driving(stub) as drive:
        for name, request in game.items():
            await drive.send(name, request)
        await drive.answered(len(game))

    assert drive.ids == list(game)
    versions = [answer.result.session.version for answer in drive.answers]
    assert versions == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 11, 0]
    assert refusal_of(drive.of("cancel")).reason == "SESSION_NOT_FOUND"
    assert drive.of("get").result.session.labels == {"round": "1"}


async def test_order_holds_for_each_session_under_load(stub: Stub) -> None:
    """30 switches of each of 40 sessions, dealt in turn, each expecting the version before it: none is out of order."""
    sessions = [await running_session(stub) for _ in range(40)]
    async with driving(stub) as drive:
        for turn in range(30):
            for session in sessions:
                request = pb.SwitchCycleRequest(session_id=session.session_id, expected_version=session.version + turn)
                await drive.send(f"{session.session_id} {turn}", request)
        await drive.answered(1_200, seconds=60)

    turns = defaultdict(list)
    for answer in drive.answers:
        sid, turn = answer.command_id.split()
        assert answer.HasField("result"), answer
        assert answer.result.session.session_id == sid
        turns[sid].append((int(turn), answer.result.session.version))
    assert all(seen == [(turn, 3 + turn) for turn in range(30)] for seen in turns.values())
    assert len(turns) == 40


class _HeldStore(RedisSessionStore):
    """A store that holds one session's transactions until it is told otherwise."""

    held = ""
    go = asyncio.Event()

    async def transact(self, session_id: str, request: Request, decide: Decide[ResultT], until: float) -> ResultT:
        """Commit what is planned, once it may."""
        if session_id == type(self).held:
            await type(self).go.wait()
        return await super().transact(session_id, request, decide, until)


async def test_sessions_do_not_wait_for_each_other(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one session's change hangs, a hundred others are changed over the same stream; it is answered last."""
    monkeypatch.setattr("synckairos.composition.redis.RedisSessionStore", _HeldStore)
    async with serving(settings_for(redis_server.url)) as server, connect(server.address) as stub:
        ids = [(await running_session(stub)).session_id for _ in range(101)]
        monkeypatch.setattr(_HeldStore, "go", asyncio.Event())
        monkeypatch.setattr(_HeldStore, "held", ids[0])
        async with driving(stub) as drive:
            for session_id in ids:
                await drive.send(session_id, pb.SwitchCycleRequest(session_id=session_id))
            await drive.answered(100)
            assert ids[0] not in drive.ids
            _HeldStore.go.set()
            await drive.answered(101)

    assert drive.ids[-1] == ids[0]
    assert all(answer.result.session.version == 3 for answer in drive.answers)


async def test_refusals_are_those_of_the_calls(stub: Stub) -> None:
    """Code, reason, metadata, fields and text are the same, whichever way a request comes."""
    session = await running_session(stub)
    sid = session.session_id
    requests: list[tuple[str, Any]] = [
        ("GetSession", pb.GetSessionRequest(session_id=new_id())),
        ("GetSession", pb.GetSessionRequest(session_id="x")),
        ("CreateSession", two_players(sid)),
        ("StartSession", pb.StartSessionRequest(session_id=sid)),
        ("SwitchCycle", pb.SwitchCycleRequest(session_id=sid, expected_version=77)),
        ("SwitchCycle", pb.SwitchCycleRequest(session_id=sid, next_participant_id=new_id())),
        ("AdjustTime", pb.AdjustTimeRequest(session_id=sid, delta_ms=5)),
        ("UpdateSession", pb.UpdateSessionRequest(session_id=sid, labels={"": "x" * 200})),
        ("DeleteSession", pb.DeleteSessionRequest(session_id=new_id())),
    ]
    async with driving(stub) as drive:
        for place, (name, request) in enumerate(requests):
            called = await refused(getattr(stub, name)(request))
            streamed = refusal_of(await drive.ask(str(place), request))
            assert streamed == called
        # The stream has gone on through all of that, and nothing was changed.
        read = await drive.ask("read", pb.GetSessionRequest(session_id=sid))

    assert read.result.session.version == session.version


async def test_a_retry_is_replayed_across_streams_and_calls(stub: Stub) -> None:
    """A request_id is applied once, whether it comes again over the stream, another stream, or as a call."""
    session = await running_session(stub)
    request = pb.SwitchCycleRequest(session_id=session.session_id, request_id=new_id())
    other = pb.SwitchCycleRequest(session_id=session.session_id, request_id=request.request_id, reason="other")
    async with driving(stub) as drive:
        first = (await drive.ask("1", request)).result
        again = (await drive.ask("2", request)).result
        reused = refusal_of(await drive.ask("3", other))
    async with driving(stub) as drive:
        elsewhere = (await drive.ask("1", request)).result
    called = await stub.SwitchCycle(request)

    assert (first.replayed, first.session.version) == (False, session.version + 1)
    for replay in (again, elsewhere, called):
        assert replay.replayed
        assert replay.session == first.session
        assert replay.server_time == first.server_time
    assert (reused.code, reused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\xff" * 8, id="no message at all"),
        pytest.param(b"\x0a\x05ab", id="cut off"),
        pytest.param(b"\x0a\x02\xff\xfe", id="invalid UTF-8"),
        pytest.param(b"\x0b" * 200, id="groups in groups"),
        pytest.param(b"", id="empty"),
    ],
)
async def test_bytes_that_are_no_command_are_refused_alone(server: Server, stub: Stub, raw: bytes) -> None:
    """They are answered without an id, and what comes after them is answered as ever."""
    sid = (await running_session(stub)).session_id
    good = command("good", pb.GetSessionRequest(session_id=sid)).SerializeToString()
    async with grpc.aio.insecure_channel(server.address) as channel:
        call = channel.stream_stream(PATH)()
        answers = {}
        for message in (raw, good):
            await call.write(message)
            answer = pb.ExecuteCommandsResponse.FromString(await call.read())
            answers[answer.command_id] = answer
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK

    problem = refusal_of(answers[""])
    assert (problem.code, problem.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert answers["good"].result.session.session_id == sid


async def test_a_command_beyond_the_size_of_a_call_ends_the_stream(stub: Stub) -> None:
    """gRPC itself refuses more than 1 MiB, for a stream as for a call; what was answered before stays answered."""
    sid = (await running_session(stub)).session_id
    async with driving(stub) as drive:
        await drive.ask("1", pb.SwitchCycleRequest(session_id=sid))
        await drive.send("2", pb.SwitchCycleRequest(session_id=sid, reason="x" * 2**20))
        await drive.until_end()

    assert drive.error is not None
    assert drive.error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert drive.ids == ["1"]


async def test_a_store_that_is_away_is_told_with_each_command(server_directory: Path) -> None:
    """Commands fail one by one with STORE_UNAVAILABLE, and the same stream goes on once Redis is back."""
    redis = RedisServer(server_directory)
    redis.start()
    try:
        async with serving(settings_for(redis.url)) as server, connect(server.address) as stub:
            sid = (await running_session(stub)).session_id
            async with driving(stub) as drive:
                await drive.ask("before", pb.SwitchCycleRequest(session_id=sid))
                redis.stop()
                problems = [
                    refusal_of(await drive.ask(f"away {n}", pb.SwitchCycleRequest(session_id=sid))) for n in range(3)
                ]
                redis.start()
                async with asyncio.timeout(20):
                    number = 0
                    while not (after := await drive.ask(f"{number}", pb.SwitchCycleRequest(session_id=sid))).HasField(
                        "result"
                    ):
                        number += 1
    finally:
        redis.stop()

    for problem in problems:
        assert (problem.code, problem.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert problem.retry_after_s
    assert after.result.session.version == 4
