"""Switches over ExecuteCommands, as soon as the contract has it; the field names are looked up, not known."""

from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from bench.crew import Measurement
from bench.jobs import StreamJob
from bench.scenarios.base import PROCESSES, Scenario
from bench.world import SERVICE, World
from synckairos.v1 import session_service_pb2 as pb

METHOD: Final[MethodDescriptor | None] = pb.DESCRIPTOR.services_by_name["SessionService"].methods_by_name.get(
    "ExecuteCommands"
)
IN_FLIGHT: Final = 64


def field_of(message: Any, type_name: str) -> FieldDescriptor:
    """Return the field of a message that holds a message of this type."""
    found: FieldDescriptor = next(
        field
        for field in message.DESCRIPTOR.fields
        if field.message_type is not None and field.message_type.full_name == type_name
    )
    return found


@dataclass
class Commands(Scenario):
    """Switching 1 000 sessions over one stream a load process."""

    async def measure(self, world: World) -> Measurement:
        """Send and take."""
        assert METHOD is not None  # noqa: S101 - the scenario is not offered without
        request_class, reply_class = GetMessageClass(METHOD.input_type), GetMessageClass(METHOD.output_type)
        switch_field = field_of(request_class, pb.SwitchCycleRequest.DESCRIPTOR.full_name).name
        ids = await world.sessions(world.sizes.sessions)
        messages = []
        for place, session_id in enumerate(ids):
            request: Any = request_class()
            request.command_id = str(place)
            getattr(request, switch_field).session_id = session_id
            messages.append(request.SerializeToString())
        server = world.server()
        await world.empty_outbox()
        jobs = [
            StreamJob(
                addresses=[server.address],
                path=SERVICE + METHOD.name,
                lanes=[messages[place::PROCESSES]],
                in_flight=IN_FLIGHT,
                warm_s=world.sizes.warm_s,
                run_s=world.sizes.run_s,
                failure_field=field_of(reply_class, "google.rpc.Status").number,
            )
            for place in range(PROCESSES)
        ]
        return await world.crew.measure(jobs, world.pids([server]))


def over_streams() -> list[Scenario]:
    """Return them; none while the contract has no such call."""
    if METHOD is None:
        return []
    text = "switches over ExecuteCommands, 2 streams x 64 on their way"
    return [Commands("commands", text, ("switch", "echo_stream"))]
