"""An audit trail that is there, away, not made, or not set up: told as such, and no session minds."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.cli.migration import migrations_folder
from synckairos.composition.server import Server
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.v1 import audit_service_pb2 as pb
from synckairos.v1 import session_pb2
from synckairos.v1.audit_service_pb2_grpc import AuditServiceStub
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.audit_lives import session_id
from testing.harness.client import refused, two_players
from testing.harness.processes.databases import own_database
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.processes.tcp_proxy import TcpProxy
from testing.harness.waiting import eventually

AUDIT = "synckairos.v1.AuditService"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
READS: list[tuple[str, Any]] = [
    ("ListSessionEvents", pb.ListSessionEventsRequest(session_id=session_id(0))),
    ("ListParticipantEvents", pb.ListParticipantEventsRequest(participant_id=session_id(0))),
    ("GetSessionAudit", pb.GetSessionAuditRequest(session_id=session_id(0))),
    ("ListAuditedSessions", pb.ListAuditedSessionsRequest()),
    ("RecoverSession", pb.RecoverSessionRequest(session_id=session_id(0))),
]


async def health(channel: Any, service: str) -> Any:
    """Return what a service says of itself."""
    reply = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
    return reply.status


async def audit_says(channel: Any, status: Any) -> None:
    """Wait until AuditService's own health is this."""

    async def is_said() -> bool:
        return await health(channel, AUDIT) == status

    await eventually(is_said, seconds=20, pause_s=0.05)


async def test_the_service_is_healthy_and_reflected(redis_server: RedisServer, postgres_server: PostgresServer) -> None:
    """Its own entry says SERVING once the trail could be read, and grpcurl finds it."""
    async with own_database(postgres_server) as url:
        await apply_migrations(url, migrations_folder())
        async with (
            serving(settings_for(redis_server.url, database_url=url)) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            await audit_says(channel, SERVING)
            call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo()
            await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
            reply = await call.read()
            call.cancel()

    assert AUDIT in {service.name for service in reply.list_services_response.service}


async def _every_read_is_refused(audit: Any) -> None:
    for name, request in READS:
        started = time.monotonic()
        problem = await refused(getattr(audit, name)(request))
        assert (problem.code, problem.reason) == (grpc.StatusCode.UNAVAILABLE, "AUDIT_UNAVAILABLE"), name
        assert problem.retry_after_s
        assert time.monotonic() - started < 5


async def test_a_database_that_goes_takes_no_session_with_it(
    redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    """The trail is AUDIT_UNAVAILABLE at once and its health NOT_SERVING; sessions go on; it comes back by itself."""
    async with own_database(postgres_server) as url, TcpProxy("127.0.0.1", postgres_server.port) as proxy:
        await apply_migrations(url, migrations_folder())
        way = url.replace(f":{postgres_server.port}/", f":{proxy.port}/")
        async with (
            serving(settings_for(redis_server.url, database_url=way)) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            audit, sessions = AuditServiceStub(channel), SessionServiceStub(channel)
            await audit_says(channel, SERVING)
            proxy.refuse = True
            proxy.cut()

            await _every_read_is_refused(audit)
            await audit_says(channel, NOT_SERVING)
            assert await health(channel, "") == SERVING
            assert (await sessions.CreateSession(two_players())).session.version == 1
            status = (await audit.GetPipelineStatus(pb.GetPipelineStatusRequest())).status
            assert (status.degraded, status.outbox_length) == (True, 1)

            proxy.refuse = False
            await audit_says(channel, SERVING)
            assert not (await audit.ListAuditedSessions(pb.ListAuditedSessionsRequest())).sessions


@pytest.fixture
async def own_postgres(server_directory: Path) -> AsyncIterator[PostgresServer]:
    """A PostgreSQL that only this test uses, with the tables of the trail."""
    server = PostgresServer(server_directory / "postgres")
    await asyncio.to_thread(server.start)
    await apply_migrations(server.url, migrations_folder())
    yield server
    await asyncio.to_thread(server.stop)
    server.wipe()


async def test_a_database_that_hangs_is_not_waited_for(redis_server: RedisServer, own_postgres: PostgresServer) -> None:
    """Reads say AUDIT_UNAVAILABLE before their deadline; health and pipeline notice, and when it goes on, too."""
    settings = settings_for(redis_server.url, database_url=own_postgres.url)
    async with serving(settings) as server, grpc.aio.insecure_channel(server.address) as channel:
        audit, sessions = AuditServiceStub(channel), SessionServiceStub(channel)
        await audit_says(channel, SERVING)
        own_postgres.pause()

        for name, request in READS[:3]:
            problem = await refused(getattr(audit, name)(request, timeout=3))
            assert (problem.code, problem.reason) == (grpc.StatusCode.UNAVAILABLE, "AUDIT_UNAVAILABLE"), name
        status = (await audit.GetPipelineStatus(pb.GetPipelineStatusRequest(), timeout=5)).status
        assert status.degraded
        assert (await sessions.CreateSession(two_players(), timeout=3)).session.version == 1
        await audit_says(channel, NOT_SERVING)
        assert await health(channel, "") == SERVING

        own_postgres.resume()
        await audit_says(channel, SERVING)


async def _refuses_the_trail(server: Server, text: str) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        audit, sessions = AuditServiceStub(channel), SessionServiceStub(channel)
        for name, request in READS:
            problem = await refused(getattr(audit, name)(request))
            assert (problem.code, problem.reason) == (grpc.StatusCode.UNAVAILABLE, "AUDIT_UNAVAILABLE"), name
            assert text in problem.text
        assert await health(channel, AUDIT) == NOT_SERVING
        assert await health(channel, "") == SERVING
        assert (await sessions.CreateSession(two_players())).session.status == session_pb2.STATUS_PENDING


async def test_without_a_database_there_is_no_trail(redis_server: RedisServer) -> None:
    """Every read says so, and the pipeline that nothing is written; sessions do not mind."""
    async with serving(settings_for(redis_server.url)) as server:
        await _refuses_the_trail(server, "no audit trail")
        async with grpc.aio.insecure_channel(server.address) as channel:
            reply = await AuditServiceStub(channel).GetPipelineStatus(pb.GetPipelineStatusRequest())

    assert reply.status.degraded
    assert any("database" in reason for reason in reply.status.degraded_reasons)


async def test_without_its_tables_the_trail_cannot_be_read(
    redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    """A database without migrations answers but has no trail: the error names the command to run."""
    async with (
        own_database(postgres_server) as url,
        serving(settings_for(redis_server.url, database_url=url)) as server,
    ):
        await _refuses_the_trail(server, "synckairos migrate up")
