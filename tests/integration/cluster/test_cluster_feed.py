"""Hints of a cluster, which come over a line of its own from each node."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from synckairos.application.streams import watching
from synckairos.composition.server import Server
from synckairos.devstack import RedisServer
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import Stub, running_session
from testing.harness.processes.cluster_group import ClusterGroup
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.waiting import eventually


@pytest.fixture
async def server(
    server_directory: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Server]:
    """A server on a cluster, which hears of changes by hints alone."""
    monkeypatch.setattr(watching, "POLL_S", 600.0)
    with ClusterGroup(server_directory, replicas=0) as group:
        async with serving(settings_for(group.url, broker_url=redis_server.url)) as server:
            yield server


@pytest.mark.parametrize("ended", ["feed", "feed of "], ids=["the whole feed", "the line to a node"])
async def test_hints_come_again_after_what_brings_them_has_ended(server: Server, ended: str) -> None:
    """It is seen, counted and started again, with a line to every node."""
    async with grpc.aio.insecure_channel(server.address) as channel, asyncio.timeout(30):
        stub: Stub = SessionServiceStub(channel)
        sessions = [(await running_session(stub)).session_id for _ in range(12)]
        streams = [stub.WatchSession(pb.WatchSessionRequest(session_id=one)) for one in sessions]
        for stream in streams:
            assert (await stream.read()).HasField("snapshot")
        lines = {task for task in asyncio.all_tasks() if task.get_name().startswith("feed of ")}

        for task in asyncio.all_tasks():
            if task.get_name() == ended or (ended == "feed of " and task in lines):
                task.cancel()
        await eventually(lambda: len(_lines() - lines) == len(lines) > 0)

        counted = server._metrics.registry.get_sample_value("synckairos_tasks_ended_total", {"task": "feed"})
        assert counted == 1.0
        for session_id, stream in zip(sessions, streams, strict=True):
            await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id))
            assert (await stream.read()).HasField("event")
            stream.cancel()


def _lines() -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks() if task.get_name().startswith("feed of ")}
