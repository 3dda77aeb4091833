"""Calls over HTTP: the same answers, errors and streams as over gRPC, in every protocol and form of messages."""

import base64
import gzip
import re

import pytest
from google.rpc import error_details_pb2, status_pb2

from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import connect, new_id, running_session
from testing.harness.http_calls import TRAILERS, answered, call_json, enveloped, exchange, watched_json
from tests.e2e.gateway.conftest import Ports

GET = "/synckairos.v1.SessionService/GetSession"


async def test_a_game_is_played_in_json(address: str, ports: Ports) -> None:
    """Created and played by a page, seen by a gRPC client."""
    players = [{"participantId": new_id(), "totalTimeMs": 60_000} for _ in range(2)]

    created = await call_json(
        address, "SessionService/CreateSession", {"mode": "MODE_PER_PARTICIPANT", "participants": players}
    )
    session_id = created.json()["session"]["sessionId"]
    await call_json(address, "SessionService/StartSession", {"sessionId": session_id})
    switched = await call_json(address, "SessionService/SwitchCycle", {"sessionId": session_id})

    assert (created.status, switched.status) == (200, 200)
    async with connect(ports.grpc) as stub:
        seen = (await stub.GetSession(pb.GetSessionRequest(session_id=session_id))).session
    assert seen.version == int(switched.json()["session"]["version"]) == 3
    assert seen.active_participant_id == players[1]["participantId"]


async def test_binary_messages_pass_as_they_are(address: str, ports: Ports) -> None:
    """Connect's binary form, plain and as gzip."""
    async with connect(ports.grpc) as stub:
        session = await running_session(stub)
    request = pb.GetSessionRequest(session_id=session.session_id).SerializeToString()

    plain = await answered(address, GET, request, content_type="application/proto")
    packed = await answered(
        address,
        GET,
        gzip.compress(request),
        content_type="application/proto",
        content_encoding="gzip",
        accept_encoding="gzip, br",
    )

    assert plain.headers["content-type"] == packed.headers["content-type"] == "application/proto"
    assert pb.GetSessionResponse.FromString(plain.body).session.session_id == session.session_id
    assert packed.headers["content-encoding"] == "gzip"
    assert pb.GetSessionResponse.FromString(gzip.decompress(packed.body)).session.version == 2


async def test_grpc_web_is_spoken(address: str, ports: Ports) -> None:
    """A reply, then the trailers in an envelope of their own; an error carries the whole google.rpc.Status."""
    async with connect(ports.grpc) as stub:
        session = await running_session(stub)
    good = enveloped(pb.GetSessionRequest(session_id=session.session_id).SerializeToString())
    bad = enveloped(pb.GetSessionRequest(session_id="x").SerializeToString())

    async with exchange(address, GET, good, content_type="application/grpc-web+proto", x_grpc_web="1") as call:
        _, reply = await call.frame()
        flags, trailers = await call.frame()
    async with exchange(address, GET, bad, content_type="application/grpc-web+proto", x_request_id="mine") as call:
        _, refusal = await call.frame()

    assert pb.GetSessionResponse.FromString(reply).session.session_id == session.session_id
    assert (flags, trailers.strip()) == (TRAILERS, b"grpc-status: 0")
    told = dict(line.split(": ", 1) for line in refusal.decode().strip().split("\r\n"))
    status = status_pb2.Status.FromString(base64.b64decode(told["grpc-status-details-bin"] + "=="))
    assert (told["grpc-status"], status.code, told["x-request-id"]) == ("3", 3, "mine")
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == "INVALID_FIELD"


async def test_errors_say_why_in_a_form_a_page_can_show(address: str) -> None:
    """Connect's JSON shows the details' fields; the request id of the caller comes back."""
    unknown = new_id()

    missing = await call_json(address, "SessionService/GetSession", {"sessionId": unknown}, x_request_id="abc")
    wrong = await call_json(address, "SessionService/GetSession", {"sessionId": "x"})

    assert (missing.status, missing.json()["code"], missing.headers["trailer-x-request-id"]) == (
        404,
        "not_found",
        "abc",
    )
    (info,) = (d["debug"] for d in missing.json()["details"] if d["type"] == "google.rpc.ErrorInfo")
    assert info == {"reason": "SESSION_NOT_FOUND", "domain": "synckairos.dev", "metadata": {"session_id": unknown}}
    (bad,) = (d["debug"] for d in wrong.json()["details"] if d["type"] == "google.rpc.BadRequest")
    assert (wrong.status, bad["fieldViolations"]) == (400, [{"field": "session_id", "description": "is not a UUID"}])


@pytest.mark.parametrize("text", [b"", b"{", b'{"sessionId": 5}', b"[" * 5_000, b'{"sessionId": "\xff"}', b"[]"])
async def test_json_that_is_no_request_is_refused_with_the_field(address: str, text: bytes) -> None:
    """Like unreadable bytes on the gRPC port."""
    answer = await answered(address, GET, text, content_type="application/json")

    assert (answer.status, answer.json()["code"]) == (400, "invalid_argument")
    (bad,) = (d["debug"] for d in answer.json()["details"] if d["type"] == "google.rpc.BadRequest")
    assert bad["fieldViolations"][0]["field"] == "request"


async def test_bytes_that_are_no_request_are_refused_with_the_field(address: str) -> None:
    """By the handler itself: the gateway does not look into them."""
    answer = await answered(address, GET, b"\xff\xff", content_type="application/proto")

    assert (answer.status, answer.json()["code"]) == (400, "invalid_argument")
    assert answer.json()["details"][0]["debug"]["reason"] == "INVALID_FIELD"


async def test_a_stream_shows_ticks_and_switches(address: str, ports: Ports) -> None:
    """A snapshot at once, then ticks, and a switch that a gRPC client makes; then the end of the session ends it."""
    async with connect(ports.grpc) as stub:
        session = await running_session(stub)
        request = {"sessionId": session.session_id, "tickIntervalMs": 100}
        async with watched_json(address, request) as watch:
            first = await watch.json_frame()
            tick = await watch.json_frame()
            await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session.session_id))
            frames = [await watch.json_frame()]
            while "event" not in frames[-1]:
                frames.append(await watch.json_frame())
            await stub.CancelSession(pb.CancelSessionRequest(session_id=session.session_id))
            frames += await watch.rest_json()

    assert watch.answer.headers["content-type"] == "application/connect+json"
    assert first["snapshot"]["version"] == "2"
    assert int(tick["tick"]["remainingMs"]) <= 600_000
    assert any(frame.get("version") == "3" for frame in frames)
    assert frames[-2]["end"]["reason"] == "END_REASON_TERMINAL"
    assert frames[-1] == {"end_of_stream": {}}


async def test_a_stream_that_cannot_begin_says_why(address: str) -> None:
    """The error is the end of the stream, in Connect's form."""
    async with watched_json(address, {"sessionId": new_id()}) as watch:
        end = await watch.json_frame()

    assert watch.answer.status == 200
    assert end["end_of_stream"]["error"]["code"] == "not_found"
    assert end["end_of_stream"]["error"]["details"][0]["debug"]["reason"] == "SESSION_NOT_FOUND"


async def test_every_service_of_the_contract_but_streams_of_commands_is_there(address: str) -> None:
    """Time, time controls and the audit trail answer, the latter that there is none here."""
    time = await call_json(address, "TimeService/SyncTime", {})
    explained = await call_json(address, "TimeControlService/ParseTimeControl", {"text": "300|3x10"})
    trail = await call_json(address, "AuditService/ListSessionEvents", {"sessionId": new_id()})
    commands = await call_json(address, "SessionService/ExecuteCommands", {})

    assert (time.status, explained.status) == (200, 200)
    assert (trail.status, trail.json()["code"]) == (503, "unavailable")
    assert (commands.status, commands.json()["code"]) == (404, "unimplemented")


async def test_the_actor_is_the_named_one_or_where_the_page_is(ports: Ports) -> None:
    """`x-actor` passes; in the server's process, a caller without a name is known by its address, as over gRPC."""
    address = ports.in_process
    async with connect(ports.grpc) as stub:
        session_id = (await running_session(stub)).session_id
    async with watched_json(address, {"sessionId": session_id}) as watch:
        await watch.json_frame()

        await call_json(address, "SessionService/SwitchCycle", {"sessionId": session_id}, x_actor="page")
        await call_json(address, "SessionService/SwitchCycle", {"sessionId": session_id})

        actors = []
        while len(actors) < 2:
            frame = await watch.json_frame()
            actors += [frame["event"]["actor"]] if "event" in frame else []
    assert actors[0] == "page"
    assert re.fullmatch(r"ipv4:127\.0\.0\.1:\d+", actors[1])
