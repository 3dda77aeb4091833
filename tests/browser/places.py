"""Everything there is to look at in the console, with sessions that fill it."""

from typing import Final, NamedTuple

from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from tests.browser.games import game, switch

HTML: Final = "<img src=x onerror='window.struck = true'><b>bold</b>"
"""What somebody may call a session, a participant or a reason."""


class Places(NamedTuple):
    """Addresses of all kinds of pages."""

    running: str
    ended: str

    @property
    def addresses(self) -> dict[str, str]:
        """Every kind of page by a name."""
        return {
            "overview": "",
            "sessions": "sessions",
            "running": f"sessions/{self.running}",
            "ended": f"sessions/{self.ended}",
            "create": "create",
            "audit": "audit",
            "trail": f"audit/{self.running}",
            "playground": "playground",
        }


async def filled_places(sessions: SessionServiceStub) -> Places:
    """Create sessions in several states, whose texts try to be HTML."""
    running = await game(sessions, "300|3x10", HTML, "White", title=HTML, labels={HTML[:60]: HTML})
    await switch(sessions, running)
    await sessions.AdjustTime(
        pb.AdjustTimeRequest(
            session_id=running, reason=HTML, delta_ms=-5_000, participant_id=await _first(sessions, running)
        ),
        metadata=[("x-actor", "<i>umpire</i>")],
    )
    paused = await game(sessions, "60t15", "Ann", "Ben", "Cleo", title="Poker table")
    await sessions.PauseSession(pb.PauseSessionRequest(session_id=paused))
    await game(sessions, "*120", title="Hourglass", start=False)
    ended = await game(sessions, "180+2", title="Agreed draw")
    await sessions.CompleteSession(pb.CompleteSessionRequest(session_id=ended))
    return Places(running, ended)


async def _first(sessions: SessionServiceStub, session_id: str) -> str:
    session = (await sessions.GetSession(pb.GetSessionRequest(session_id=session_id))).session
    return session.participants[0].participant_id
