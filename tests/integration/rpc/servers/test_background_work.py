"""A server whose work in the background ends by itself: health says so until all of it goes on again."""

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synckairos.devstack import RedisServer
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import Stub, running_session
from testing.harness.processes.in_process import serving, settings_for

WORK = {"guard", "feed", "poll", "sweep", "health", "audit health", "metronome of 100 ms"}
STATUS = health_pb2.HealthCheckResponse


async def test_whatever_ends_is_seen_and_started_again(redis_server: RedisServer) -> None:
    """All of it is cancelled at once; afterwards streams tick, changes arrive, and new sessions can be watched."""
    async with (
        serving(settings_for(redis_server.url)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
        asyncio.timeout(30),
    ):
        stub: Stub = SessionServiceStub(channel)
        watched = await running_session(stub)
        stream = stub.WatchSession(pb.WatchSessionRequest(session_id=watched.session_id, tick_interval_ms=100))
        assert (await stream.read()).HasField("snapshot")
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await health.read()).status == STATUS.SERVING

        killed = [task for task in asyncio.all_tasks() if task.get_name() in WORK]
        for task in killed:
            task.cancel()

        assert {task.get_name() for task in killed} == WORK
        assert (await health.read()).status == STATUS.NOT_SERVING
        assert (await health.read()).status == STATUS.SERVING
        counted = {
            name: server._metrics.registry.get_sample_value("synckairos_tasks_ended_total", {"task": name})
            for name in WORK
        }
        assert counted == dict.fromkeys(WORK, 1.0)
        while not (await stream.read()).HasField("tick"):
            pass
        fresh = await running_session(stub)
        second = stub.WatchSession(pb.WatchSessionRequest(session_id=fresh.session_id))
        assert (await second.read()).HasField("snapshot")
        await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=fresh.session_id))
        assert (await second.read()).HasField("event")
        stream.cancel()
        second.cancel()
        health.cancel()
