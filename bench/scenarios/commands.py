"""Switches over ExecuteCommands."""

from dataclasses import dataclass
from typing import Final

from bench.jobs import StreamJob
from bench.load_pool import Measurement
from bench.scenarios.base import PROCESSES, Scenario
from bench.testbed import SERVICE, Testbed
from synckairos.v1 import session_service_pb2 as pb

IN_FLIGHT: Final = 64


@dataclass
class Commands(Scenario):
    """Switching 1 000 sessions over one stream a load process."""

    async def measure(self, testbed: Testbed) -> Measurement:
        """Send and take."""
        commands = [
            pb.ExecuteCommandsRequest(command_id=str(place), switch_cycle=pb.SwitchCycleRequest(session_id=session_id))
            for place, session_id in enumerate(await testbed.sessions(testbed.sizes.sessions))
        ]
        messages = [command.SerializeToString() for command in commands]
        server = testbed.server()
        await testbed.empty_outbox()
        jobs = [
            StreamJob(
                addresses=[server.address],
                path=SERVICE + "ExecuteCommands",
                lanes=[messages[place::PROCESSES]],
                in_flight=IN_FLIGHT,
                warm_s=testbed.sizes.warm_s,
                run_s=testbed.sizes.run_s,
                failure_field=pb.ExecuteCommandsResponse.STATUS_FIELD_NUMBER,
            )
            for place in range(PROCESSES)
        ]
        return await testbed.pool.measure(jobs, testbed.pids([server]))


def over_streams() -> list[Scenario]:
    """Return them."""
    text = "switches over ExecuteCommands, 2 streams x 64 on their way"
    return [Commands("commands", text, ("switch", "echo_stream"))]
