"""Hints of a cluster, which come over a line of its own from each node."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from synckairos.application.streams import watching
from synckairos.devstack import RedisServer
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import Stub, running_session
from testing.harness.processes.cluster_group import ClusterGroup
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.waiting import eventually

SESSIONS = 12


@pytest.fixture
def group(server_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterGroup]:
    """A cluster, whose servers hear of changes by hints alone."""
    monkeypatch.setattr(watching, "POLL_S", 600.0)
    with ClusterGroup(server_directory, replicas=0) as group:
        yield group


def lines(group: ClusterGroup) -> dict[tuple[int, str], int]:
    """Return the connections that hear of sessions, by node and id, and of how many each does."""
    clients = [
        (node.port, dict(fact.split("=", 1) for fact in line.split()))
        for node in group.masters()
        for line in group.ask(node, "CLIENT", "LIST").splitlines()
    ]
    return {(port, client["id"]): int(client["ssub"]) for port, client in clients if client["ssub"] != "0"}


@pytest.mark.parametrize("is_whole", [True, False], ids=["the whole feed", "the lines to the nodes"])
async def test_hints_come_again_after_what_brings_them_has_ended(
    group: ClusterGroup, redis_server: RedisServer, is_whole: bool
) -> None:
    """It is seen, counted and started again, with a line to every node."""
    async with (
        serving(settings_for(group.url, broker_url=redis_server.url)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
        asyncio.timeout(60),
    ):
        stub: Stub = SessionServiceStub(channel)
        sessions = [(await running_session(stub)).session_id for _ in range(SESSIONS)]
        streams = [stub.WatchSession(pb.WatchSessionRequest(session_id=one)) for one in sessions]
        for stream in streams:
            assert (await stream.read()).HasField("snapshot")
        former = lines(group)

        for task in asyncio.all_tasks():
            if task.get_name() == "feed" if is_whole else task.get_name().startswith("feed of "):
                task.cancel()
        await eventually(lambda: sum(ssub for line, ssub in lines(group).items() if line not in former) == SESSIONS)

        counted = server._metrics.registry.get_sample_value("synckairos_tasks_ended_total", {"task": "feed"})
        assert counted == 1.0
        for session_id, stream in zip(sessions, streams, strict=True):
            await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id))
            assert (await stream.read()).HasField("event")
            stream.cancel()
