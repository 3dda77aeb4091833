"""Switches over ExecuteCommands."""

from dataclasses import dataclass
from typing import Final

from bench.crew import Measurement
from bench.jobs import StreamJob
from bench.scenarios.base import PROCESSES, Scenario
from bench.world import SERVICE, World
from synckairos.v1 import session_service_pb2 as pb

IN_FLIGHT: Final = 64


@dataclass
class Commands(Scenario):
    """Switching 1 000 sessions over one stream a load process."""

    async def measure(self, world: World) -> Measurement:
        """Send and take."""
        commands = [
            pb.ExecuteCommandsRequest(command_id=str(place), switch_cycle=pb.SwitchCycleRequest(session_id=session_id))
            for place, session_id in enumerate(await world.sessions(world.sizes.sessions))
        ]
        messages = [command.SerializeToString() for command in commands]
        server = world.server()
        await world.empty_outbox()
        jobs = [
            StreamJob(
                addresses=[server.address],
                path=SERVICE + "ExecuteCommands",
                lanes=[messages[place::PROCESSES]],
                in_flight=IN_FLIGHT,
                warm_s=world.sizes.warm_s,
                run_s=world.sizes.run_s,
                failure_field=pb.ExecuteCommandsResponse.STATUS_FIELD_NUMBER,
            )
            for place in range(PROCESSES)
        ]
        return await world.crew.measure(jobs, world.pids([server]))


def over_streams() -> list[Scenario]:
    """Return them."""
    text = "switches over ExecuteCommands, 2 streams x 64 on their way"
    return [Commands("commands", text, ("switch", "echo_stream"))]
