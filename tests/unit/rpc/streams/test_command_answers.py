"""The answers to the commands of a stream: those of their unary calls."""

import asyncio
import time
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from synckairos.application.errors import CatchingUp, Contention, OutcomeUnknown, StoreUnavailable
from synckairos.rpc import interceptor
from synckairos.rpc.interceptor import UNREADABLE, MalformedRequest
from synckairos.rpc.session_servicer import SessionServicer
from synckairos.rpc.statuses import INTERNAL_TEXT
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.command_client import FIELDS, command, refusal_of
from tests.unit.rpc.calls import MUTATIONS, NEEDED, RID, SID, good_request, mutation
from tests.unit.rpc.command_wire import STREAM_ID, get, opened, switch
from tests.unit.rpc.grpc_testing_adapter import TestServer
from tests.unit.rpc.use_cases import UseCases

KINDS = [*MUTATIONS, "GetSession"]


def test_there_is_a_command_for_every_call_about_one_session() -> None:
    """The contract holds the request of every mutation and of GetSession, each under the name of its call."""
    wanted = {f"{name}Request": name for name in KINDS}

    assert {kind.rsplit(".", 1)[1] for kind in FIELDS} == set(wanted)
    for kind, field in FIELDS.items():
        assert field.replace("_", "") == wanted[kind.rsplit(".", 1)[1]].lower()


@pytest.mark.parametrize("name", KINDS)
async def test_a_command_answers_as_its_call(name: str) -> None:
    """Every kind of command stores and answers the same as its unary call, and is measured under its name."""
    async with opened() as one, opened() as other:
        for on in (one, other):
            if name != "CreateSession":
                await on.created(*NEEDED.get(name, ()))
            on.use_cases.clock.advance(1_500)
        request = good_request(name)

        context: Any = one.wire
        called = await getattr(SessionServicer(one.commands, one.use_cases.listing), name)(request, context)
        other.wire.send(command("c-1", request))
        (response,) = await other.wire.answered(1)

    assert response.command_id == "c-1"
    assert response.result.session == called.session
    assert response.result.server_time == called.server_time
    assert not response.result.replayed
    assert one.use_cases.events(SID) == other.use_cases.events(SID)
    assert other.use_cases.observed.calls == [(name, "OK", "")]


@pytest.mark.parametrize("name", MUTATIONS)
async def test_a_retry_is_answered_whichever_way_it_comes(name: str) -> None:
    """A request_id that was applied by a call is replayed over the stream, and nothing is changed again."""
    async with opened() as on:
        if name != "CreateSession":
            await on.created(*NEEDED.get(name, ()))
        request = mutation(name, request_id=RID)
        context: Any = on.wire
        called = await getattr(SessionServicer(on.commands, on.use_cases.listing), name)(request, context)
        events = on.use_cases.events(SID)

        on.wire.send(command("again", request))
        (response,) = await on.wire.answered(1)

        assert response.result.replayed
        assert response.result.session == called.session
        assert on.use_cases.events(SID) == events


async def test_a_missing_session_that_may_be_missing_is_no_session() -> None:
    """Deleting a missing session, if allowed, answers with an instant and nothing else."""
    async with opened() as on:
        on.wire.send(command("d", mutation("DeleteSession", allow_missing=True)))
        (response,) = await on.wire.answered(1)

        assert response.WhichOneof("outcome") == "result"
        assert not response.result.HasField("session")
        assert response.result.server_time.ToMilliseconds() == on.use_cases.clock.ms


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(None, id="no such session"),
        pytest.param(StoreUnavailable("down"), id="store down"),
        pytest.param(OutcomeUnknown("broke"), id="outcome unknown"),
        pytest.param(CatchingUp("behind"), id="catching up"),
        pytest.param(Contention("busy", session_id=SID), id="contention"),
    ],
)
async def test_a_command_is_refused_as_its_call(
    server: TestServer, use_cases: UseCases, name: str, failure: Exception | None
) -> None:
    """Code, reason, metadata, fields, RetryInfo and text are those that the unary call ends with."""
    request = good_request(name)
    if failure is None and name == "CreateSession":
        request = pb.CreateSessionRequest(mode=session_pb2.MODE_GLOBAL)
    async with opened() as on:
        on.use_cases.data.failure = use_cases.data.failure = failure
        finished = await asyncio.to_thread(server.call, name, request)
        on.wire.send(command("c", request))
        (response,) = await on.wire.answered(1)

    assert refusal_of(response) == finished.problem
    assert on.use_cases.observed.calls == use_cases.observed.calls


async def test_the_actor_of_the_stream_is_behind_every_command() -> None:
    """x-actor of the stream's metadata is the actor of its commands' changes."""
    async with opened(("x-actor", "umpire")) as on:
        on.wire.send(command("c", mutation("CreateSession")), command("s", mutation("StartSession")))
        await on.wire.answered(2)

        assert [event.author.actor for event in on.use_cases.events(SID)] == ["umpire", "umpire"]


async def test_an_actor_that_cannot_be_is_refused_with_each_change() -> None:
    """As with calls, it is a wrong field of every mutation, and no matter of reads."""
    async with opened(("x-actor", "system")) as on:
        await on.created()
        on.wire.send(command("s", mutation("StartSession")), get(SID))
        refused, read = await on.wire.answered(2)

    assert list(refusal_of(refused).fields) == ["x-actor"]
    assert read.result.session.version == 1


@pytest.mark.parametrize(
    ("message", "command_id", "fields"),
    [
        pytest.param(pb.ExecuteCommandsRequest(command_id="x"), "x", ["command"], id="no command"),
        pytest.param(pb.ExecuteCommandsRequest(), "", ["command_id", "command"], id="nothing at all"),
        pytest.param(get(SID, ""), "", ["command_id"], id="no id"),
        pytest.param(get(SID, "x" * 65), "x" * 65, ["command_id"], id="id too long"),
        pytest.param(get(SID, "é" * 33), "é" * 33, ["command_id"], id="id too long in bytes"),
        pytest.param(get(SID, "a\0b"), "a\0b", ["command_id"], id="id with U+0000"),
        pytest.param(MalformedRequest(), "", [UNREADABLE.path], id="no message"),
        pytest.param(get("x"), "get", ["session_id"], id="wrong field within"),
    ],
)
async def test_an_unreadable_command_is_refused_alone(message: Any, command_id: str, fields: list[str]) -> None:
    """INVALID_ARGUMENT for that one, with the wrong path; the one after it is answered."""
    async with opened() as on:
        await on.created()
        on.wire.send(message, get(SID, "after"))
        responses = await on.wire.answered(2)

    refused, answered = sorted(responses, key=lambda one: one.command_id == "after")
    problem = refusal_of(refused)
    assert refused.command_id == command_id
    assert (problem.code, problem.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert list(problem.fields) == fields
    assert answered.result.session.session_id == SID


@pytest.mark.parametrize("length", [1, 64])
async def test_ids_need_not_be_unique(length: int) -> None:
    """The shortest and the longest id are returned as they are, as often as they come."""
    async with opened() as on:
        await on.created()
        on.wire.send(*[get(SID, "x" * length)] * 3)
        await on.wire.answered(3)

        assert on.wire.ids == ["x" * length] * 3
        assert all(response.HasField("result") for response in on.wire.responses)


async def test_a_bug_is_answered_with_a_fixed_text() -> None:
    """The client is told nothing but the stream's request id; the log has the rest under it and the command's id."""
    async with opened() as on:
        on.use_cases.data.failure = RuntimeError("password=hunter2")
        with capture_logs() as logs:
            on.wire.send(get(SID, "c-7"))
            (response,) = await on.wire.answered(1)

    problem = refusal_of(response)
    assert (problem.code, problem.reason, problem.text) == (grpc.StatusCode.INTERNAL, "INTERNAL", INTERNAL_TEXT)
    assert problem.metadata == {"request_id": STREAM_ID}
    assert b"hunter2" not in response.SerializeToString()
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert (line["event"], line["request_id"], line["command_id"]) == ("call_broke", STREAM_ID, "c-7")
    assert line["method"] == "/synckairos.v1.SessionService/GetSession"
    assert on.use_cases.observed.calls == [("GetSession", "INTERNAL", "INTERNAL")]


async def test_slow_commands_are_logged_as_calls_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that takes long has a line in the log under the name of its call."""
    monkeypatch.setattr(interceptor, "SLOW_S", 0.0)
    async with opened() as on:
        await on.created()
        with capture_logs() as logs:
            on.wire.send(get(SID))
            await on.wire.answered(1)

    assert [(line["event"], line["method"].rsplit("/", 1)[1]) for line in logs] == [("call_slow", "GetSession")]


@pytest.mark.parametrize(
    ("left", "budget"),
    [
        pytest.param(None, 10.0, id="a stream without an end"),
        pytest.param(2.5, 2.5, id="a stream that ends sooner"),
        pytest.param(1e6, 10.0, id="a stream that ends later"),
    ],
)
async def test_a_command_has_ten_seconds_within_the_streams_own(left: float | None, budget: float) -> None:
    """Retries inside end with the 10 s of a call without a deadline, or with the stream's deadline."""
    async with opened(left=left) as on:
        await on.created("StartSession")
        on.wire.send(switch(SID))
        await on.wire.answered(1)

        ((_, until),) = on.store.asked
        assert until - time.monotonic() == pytest.approx(budget, abs=1.0)
