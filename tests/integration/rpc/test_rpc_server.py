"""The server as any gRPC client meets it: health, reflection, time, the wire, errors and their trailers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from synckairos.composition.server import Server
from synckairos.devstack import RedisServer
from synckairos.v1 import audit_service_pb2, session_pb2, time_service_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.audit_service_pb2_grpc import AuditServiceStub
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from synckairos.v1.time_service_pb2_grpc import TimeServiceStub
from testing.harness.client import Stub, problem_of, refused, two_players
from testing.harness.processes.in_process import serving, settings_for

SESSIONS = "synckairos.v1.SessionService"
TIMES = "synckairos.v1.TimeService"
TIME_CONTROLS = "synckairos.v1.TimeControlService"
AUDIT = "synckairos.v1.AuditService"
OURS = pb.DESCRIPTOR.services_by_name["SessionService"].methods
UNARY = [method.name for method in OURS if not method.server_streaming]
STREAMS = [method.name for method in OURS if method.server_streaming and not method.client_streaming]


@pytest.fixture(scope="module")
async def server(redis_server: RedisServer) -> AsyncIterator[Server]:
    """A server."""
    async with serving(settings_for(redis_server.url)) as server:
        yield server


@pytest.fixture
async def channel(server: Server) -> AsyncIterator[Any]:
    """A channel without any stub."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield channel


@pytest.fixture
def stub(channel: Any) -> Stub:
    """A client of the sessions."""
    return SessionServiceStub(channel)


@pytest.mark.parametrize("service", ["", SESSIONS, TIMES, TIME_CONTROLS])
async def test_every_service_is_healthy(channel: Any, service: str) -> None:
    """The server as a whole and each service say SERVING while the store can be reached."""
    reply = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))

    assert reply.status == health_pb2.HealthCheckResponse.SERVING


async def test_an_unknown_service_has_no_health(channel: Any) -> None:
    """A service that is not here is NOT_FOUND, as the health protocol has it."""
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="nobody"))

    assert refusal.value.code() is grpc.StatusCode.NOT_FOUND


async def test_health_can_be_watched_until_the_server_drains(redis_server: RedisServer) -> None:
    """A balancer that watches is told NOT_SERVING before the server goes."""
    async with serving(settings_for(redis_server.url)) as server, grpc.aio.insecure_channel(server.address) as channel:
        call = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SESSIONS))
        first = await call.read()
        stopping = asyncio.ensure_future(server.stop())
        second = await call.read()
        call.cancel()
        await stopping

    assert first.status == health_pb2.HealthCheckResponse.SERVING
    assert second.status == health_pb2.HealthCheckResponse.NOT_SERVING


async def reflected(channel: Any, **request: Any) -> Any:
    """Ask the reflection service one thing."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**request)]))
    async for reply in call:
        return reply
    raise AssertionError("no reply")


async def test_reflection_lists_every_service(channel: Any) -> None:
    """grpcurl finds our services, health and reflection without any file."""
    reply = await reflected(channel, list_services="")

    names = {service.name for service in reply.list_services_response.service}
    ours = {SESSIONS, TIMES, TIME_CONTROLS, AUDIT}
    assert names == {*ours, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


async def test_a_client_that_knows_only_reflection_can_call(channel: Any) -> None:
    """Descriptors learned from the server alone are enough to build a request and read the reply."""
    pool = descriptor_pool.DescriptorPool()
    wanted = [("file_containing_symbol", SESSIONS)]
    known: set[str] = set()
    files: list[descriptor_pb2.FileDescriptorProto] = []
    while wanted:
        kind, name = wanted.pop()
        reply = await reflected(channel, **{kind: name})
        for raw in reply.file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(raw)
            if file.name not in known:
                known.add(file.name)
                files.append(file)
                wanted += [("file_by_filename", needed) for needed in file.dependency if needed not in known]
    while files:
        ready = next(file for file in files if not {other.name for other in files} & set(file.dependency))
        pool.Add(ready)
        files.remove(ready)
    method = pool.FindServiceByName(SESSIONS).methods_by_name["CreateSession"]
    request = message_factory.GetMessageClass(method.input_type)(mode=4, total_time_ms=5_000)

    raw = await channel.unary_unary(f"/{SESSIONS}/CreateSession")(request.SerializeToString())

    reply = message_factory.GetMessageClass(method.output_type).FromString(raw)
    assert (reply.session.version, reply.session.remaining_ms) == (1, 5_000)


async def test_time_is_the_stores(channel: Any) -> None:
    """The two instants are ordered, close to the host's clock here, and between those of two sessions around it."""
    sessions: Stub = SessionServiceStub(channel)
    times: Any = TimeServiceStub(channel)
    sent = Timestamp(seconds=12, nanos=34)

    before = (await sessions.CreateSession(two_players())).server_time.ToMicroseconds()
    sample = await times.SyncTime(time_service_pb2.SyncTimeRequest(client_transmit_time=sent))
    after = (await sessions.CreateSession(two_players())).server_time.ToMicroseconds()

    received, left = sample.server_receive_time.ToMicroseconds(), sample.server_transmit_time.ToMicroseconds()
    assert sample.client_transmit_time == sent
    assert before - 20_000 <= received <= left <= after + 20_000
    assert abs(left / 1e6 - time.time()) < 2
    assert not (await times.SyncTime(time_service_pb2.SyncTimeRequest())).HasField("client_transmit_time")


async def test_time_is_within_its_error(channel: Any) -> None:
    """Redis has this machine's clock, so the truth lies between two looks at it."""
    times: Any = TimeServiceStub(channel)

    before = time.time_ns() // 1_000
    sample = await times.SyncTime(time_service_pb2.SyncTimeRequest())
    after = time.time_ns() // 1_000

    assert sample.server_error_us > 0
    assert before - sample.server_error_us <= sample.server_receive_time.ToMicroseconds()
    assert sample.server_transmit_time.ToMicroseconds() <= after + sample.server_error_us


GARBAGE = [
    pytest.param(b"\xff" * 8, id="no message at all"),
    pytest.param(b"\x0a\x05ab", id="cut off"),
    pytest.param(b"\x0a\x02\xff\xfe\x12\x02\xff\xfe", id="invalid UTF-8"),
    pytest.param(b"\x0b" * 200, id="groups in groups"),
]


@pytest.mark.parametrize("raw", GARBAGE)
@pytest.mark.parametrize("name", [*UNARY, *STREAMS])
async def test_bytes_that_are_no_request_are_the_clients_mistake(channel: Any, name: str, raw: bytes) -> None:
    """Every method answers INVALID_ARGUMENT with details; never INTERNAL, never a broken connection."""
    if name in STREAMS:
        call = channel.unary_stream(f"/{SESSIONS}/{name}")(raw).read()
    else:
        call = channel.unary_unary(f"/{SESSIONS}/{name}")(raw)

    problem = await refused(call)

    assert (problem.code, problem.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert list(problem.fields) == ["request"]


async def test_a_thousand_mistakes_still_arrive(stub: Stub) -> None:
    """A request wrong in 1 001 places is answered within clients' limit of trailers, the first places named."""
    wide = "\N{GRINNING FACE}" * 60
    participants = [session_pb2.ParticipantSpec(participant_id=f"{wide}{number}") for number in range(1_001)]
    request = pb.CreateSessionRequest(
        mode=session_pb2.MODE_PER_PARTICIPANT, participants=participants, reason=wide * 20
    )

    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await stub.CreateSession(request)

    problem = problem_of(refusal.value)
    assert problem.reason == "INVALID_FIELD"
    assert "participants[0].participant_id" in problem.fields
    assert sum(len(key) + len(value) + 32 for key, value in refusal.value.trailing_metadata()) * 4 // 3 < 8_192


async def test_a_retrying_client_waits_as_long_as_the_server_asks(server: Server) -> None:
    """Not as long as its own policy says, which is a minute here."""
    policy = {
        "maxAttempts": 2, "initialBackoff": "60s", "maxBackoff": "60s", "backoffMultiplier": 1,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }  # fmt: skip
    config = {"methodConfig": [{"name": [{"service": AUDIT}], "retryPolicy": policy}]}
    began = time.monotonic()
    async with grpc.aio.insecure_channel(
        server.address, options=[("grpc.service_config", json.dumps(config))]
    ) as channel:
        request = audit_service_pb2.GetSessionAuditRequest(session_id="10000000-0000-4000-8000-000000000001")
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await AuditServiceStub(channel).GetSessionAudit(request, timeout=20)
    took = time.monotonic() - began

    assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
    assert dict(refusal.value.trailing_metadata())["grpc-retry-pushback-ms"] == "500"
    assert 0.5 <= took < 10
