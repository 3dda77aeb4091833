"""A session in every state, for requests of any kind."""

from synckairos.application.trail.audit import AuditRecord
from synckairos.domain.commands import Start
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub
from testing.harness.playing.plays import KINDS, Play
from tests.integration.rpc.good_requests import BOB, create, member
from tests.integration.rpc.request_strategies import DELETED, DONE, LOST, MANUAL, PAUSED, PENDING, RUNNING


def lost() -> list[AuditRecord]:
    """Return the history of a session that only the trail has."""
    play = Play(KINDS["participant"])
    play.do(0, Start())
    return [AuditRecord(event._replace(session=event.session._replace(session_id=LOST))) for event in play.events]


async def fill(stub: Stub) -> None:
    """Make a session in every state."""
    for session_id, base in (
        (PENDING, "participant"), (RUNNING, "participant"), (PAUSED, "group"), (DONE, "count up"), (DELETED, "global"),
    ):  # fmt: skip
        await stub.CreateSession(create(base, session_id=session_id, labels={"a": "b"}))
    control = pb.CreateSessionRequest(
        session_id=MANUAL,
        mode=session_pb2.MODE_PER_PARTICIPANT,
        participants=[member(), member(BOB)],
        time_control_text="60|5x30",
        manual_clock=True,
    )
    await stub.CreateSession(control)
    for session_id in (RUNNING, PAUSED, DONE, MANUAL):
        await stub.StartSession(pb.StartSessionRequest(session_id=session_id))
    await stub.PauseSession(pb.PauseSessionRequest(session_id=PAUSED))
    await stub.CompleteSession(pb.CompleteSessionRequest(session_id=DONE))
    await stub.DeleteSession(pb.DeleteSessionRequest(session_id=DELETED))
