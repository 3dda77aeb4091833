"""Sessions with time controls, driven over the wire."""

from collections.abc import Sequence
from typing import Any, Self

from synckairos.v1 import session_pb2, time_control_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, new_id

RUNNING, PAUSED = session_pb2.STATUS_RUNNING, session_pb2.STATUS_PAUSED


def with_control(
    control: str | time_control_pb2.TimeControl = "", holders: int = 2, odds: tuple[Any, ...] = (), **more: Any
) -> pb.CreateSessionRequest:
    """Return the request for a session of holders who share a control, or have one each (`odds`)."""
    specs = [
        session_pb2.ParticipantSpec(participant_id=new_id(), **(_given(odds[place]) if odds else {}))
        for place in range(len(odds) or holders)
    ]
    given = {} if odds else _given(control)
    return pb.CreateSessionRequest(
        session_id=new_id(), mode=session_pb2.MODE_PER_PARTICIPANT, participants=specs, **given, **more
    )


def _given(control: str | time_control_pb2.TimeControl) -> dict[str, Any]:
    return {"time_control_text" if isinstance(control, str) else "time_control": control}


class PlayedSession:
    """A session, as the last reply showed it; `now` is that reply's server_time in ms."""

    def __init__(self, stub: Stub, session: session_pb2.Session) -> None:
        self.stub = stub
        self.session = session
        self.now = session.created_at.ToMilliseconds()

    @classmethod
    async def create(cls, stub: Stub, request: pb.CreateSessionRequest, *, starts: bool = True) -> Self:
        """Create a session, and start it."""
        played = cls(stub, (await stub.CreateSession(request)).session)
        if starts:
            await played.start()
        return played

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.session.session_id)

    @property
    def is_running(self) -> bool:
        """Whether a clock runs."""
        return bool(self.session.status == RUNNING)

    @property
    def is_live(self) -> bool:
        """Whether it has not ended."""
        return self.session.status in (session_pb2.STATUS_PENDING, RUNNING, PAUSED)

    @property
    def holders(self) -> Sequence[Any]:
        """Those who hold the clocks: its groups, or its participants."""
        return self.session.groups or self.session.participants

    @property
    def running(self) -> Any:
        """The holder whose clock runs or stands paused."""
        return next(one for one in self.holders if one.is_active)

    @property
    def active(self) -> session_pb2.Participant:
        """Whose turn it is."""
        return next(one for one in self.session.participants if one.is_active)

    async def call(self, name: str, **fields: Any) -> session_pb2.Session:
        """Make a call and keep what it replied."""
        request = getattr(pb, f"{name}Request")(session_id=self.id, **fields)
        reply = await getattr(self.stub, name)(request)
        self.session, self.now = reply.session, reply.server_time.ToMilliseconds()
        return self.session

    async def get(self) -> session_pb2.Session:
        """Read it."""
        return await self.call("GetSession")

    async def has_ended(self) -> bool:
        """Read it, and say whether it has ended."""
        await self.get()
        return not self.is_live

    async def start(self) -> session_pb2.Session:
        """Start it."""
        return await self.call("StartSession")

    async def switch(self, **fields: Any) -> session_pb2.Session:
        """End the turn."""
        return await self.call("SwitchCycle", **fields)

    async def pause(self) -> session_pb2.Session:
        """Let the clock stand."""
        return await self.call("PauseSession")

    async def resume(self) -> session_pb2.Session:
        """Let the clock run again."""
        return await self.call("ResumeSession")

    async def adjust(self, holder_id: str, **amount: int) -> session_pb2.Session:
        """Adjust the clock of a holder."""
        whose = {"group_id" if self.session.groups else "participant_id": holder_id}
        return await self.call("AdjustTime", **whose, reason="test", **amount)

    async def advance(self, by_ms: int) -> session_pb2.Session:
        """Advance its manual clock; 0 is no call."""
        return await self.call("AdvanceClock", by_ms=by_ms) if by_ms else self.session


async def manual(stub: Stub, request: pb.CreateSessionRequest, *, starts: bool = True) -> PlayedSession:
    """Create a session with a manual clock, and start it."""
    request.manual_clock = True
    return await PlayedSession.create(stub, request, starts=starts)
