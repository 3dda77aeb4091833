"""Sessions to look at, created as a backend would."""

from typing import Final
from uuid import uuid4

from google.protobuf import struct_pb2

from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub

CALLER: Final = (("x-actor", "arena"),)


async def game(
    sessions: SessionServiceStub, control: str, *names: str, title: str = "", start: bool = True, **fields: object
) -> str:
    """Create a session of named participants with a time control, start it if asked to, and return its id."""
    request = pb.CreateSessionRequest(
        session_id=str(uuid4()),
        mode=session_pb2.MODE_PER_PARTICIPANT,
        time_control_text=control,
        participants=[
            session_pb2.ParticipantSpec(participant_id=str(uuid4()), metadata=named(name))
            for name in names or ("Black", "White")
        ],
        metadata=named(title) if title else None,
        **fields,  # type: ignore[arg-type]
    )
    await sessions.CreateSession(request, metadata=CALLER)
    if start:
        await sessions.StartSession(pb.StartSessionRequest(session_id=request.session_id), metadata=CALLER)
    return request.session_id


def named(name: str) -> struct_pb2.Struct:
    """Return metadata by which the console names what has them."""
    metadata = struct_pb2.Struct()
    metadata["name"] = name
    return metadata


async def switch(sessions: SessionServiceStub, session_id: str) -> session_pb2.Session:
    """End the running turn."""
    return (await sessions.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id), metadata=CALLER)).session


async def state(sessions: SessionServiceStub, session_id: str) -> session_pb2.Session:
    """Return the session as it is."""
    return (await sessions.GetSession(pb.GetSessionRequest(session_id=session_id))).session
