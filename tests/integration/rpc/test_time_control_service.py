"""TimeControlService of a whole server that has no store."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synckairos.v1 import time_control_service_pb2 as pb
from synckairos.v1.time_control_service_pb2_grpc import TimeControlServiceStub
from testing.harness.client import problem_of
from testing.harness.processes.in_process import serving, settings_for

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module")
async def channel() -> AsyncIterator[Any]:
    """A channel to a server whose store cannot be reached."""
    async with serving(settings_for(NOWHERE)) as server, grpc.aio.insecure_channel(server.address) as channel:
        yield channel


async def test_time_controls_are_served_without_a_store(channel: Any) -> None:
    """Reading and playing are pure; the service says it is healthy while the server as a whole is not."""
    stub: Any = TimeControlServiceStub(channel)
    health = health_pb2_grpc.HealthStub(channel)

    parsed = await stub.ParseTimeControl(pb.ParseTimeControlRequest(text="10m|5x30"))
    played = await stub.SimulateTimeControl(
        pb.SimulateTimeControlRequest(time_control=parsed.time_control, turns=[pb.TurnPlan(spent_ms=650_000)])
    )
    own = await health.Check(health_pb2.HealthCheckRequest(service="synckairos.v1.TimeControlService"))
    whole = await health.Check(health_pb2.HealthCheckRequest())

    assert parsed.text == "600|5x30"
    assert [clock.periods_left for clock in played.turns[0].clocks] == [4, 5]
    assert (own.status, whole.status) == (
        health_pb2.HealthCheckResponse.SERVING,
        health_pb2.HealthCheckResponse.NOT_SERVING,
    )


async def test_a_wrong_text_is_refused_with_its_position(channel: Any) -> None:
    """As a field violation, like every other wrong field."""
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await TimeControlServiceStub(channel).ParseTimeControl(pb.ParseTimeControlRequest(text="600|5y30"))

    problem = problem_of(refusal.value)
    assert (problem.code, problem.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert problem.fields == {"text": 'at position 5: expected "x"'}


async def test_a_long_simulation_is_one_reply(channel: Any) -> None:
    """20 000 turns, encoded one by one, arrive as one message."""
    reply = await TimeControlServiceStub(channel).SimulateTimeControl(
        pb.SimulateTimeControlRequest(
            time_control_text="600|5x30", holders=1, turns=[pb.TurnPlan(spent_ms=20_000)] * 20_000
        ),
        timeout=60,
    )

    assert len(reply.turns) == 20_000
    assert reply.turns[-1].clocks[0].turns_made == 20_000
