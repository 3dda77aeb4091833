"""Lives of sessions as the outbox would hand them to the audit trail, made by the rules themselves."""

from collections.abc import Iterator
from uuid import UUID, uuid5

from google.protobuf.struct_pb2 import Struct

from synckairos.application.trail.audit import AuditRecord
from synckairos.domain.commands import Complete, Pause, Resume, Start, Switch
from synckairos.domain.model import Session
from testing.harness.playing.plays import KINDS, Play

SPACE = UUID("70000000-0000-4000-8000-000000000000")


def session_id(number: int) -> str:
    """Return the id of a life; ids grow with the numbers."""
    return f"70000000-0000-4000-8000-{number:012x}"


def life(number: int, switches: int = 2, kind: str = "participant") -> list[AuditRecord]:
    """Return the records of a session that was created, started, switched, paused, resumed and completed.

    It begins `number` seconds after the first one's. Versions are 1 to `switches` + 5.
    """
    play = Play(KINDS[kind])
    play.do(0, Start())
    for turn in range(switches):
        play.do((turn + 1) * 100, Switch())
    play.do(switches * 100 + 10, Pause())
    play.do(switches * 100 + 20, Resume())
    play.do(switches * 100 + 30, Complete())
    return list(_moved(play, number))


def _moved(play: Play, number: int) -> Iterator[AuditRecord]:
    metadata = Struct()
    metadata["name"] = f"table {number} \N{BLACK CHESS PAWN}"
    for place, event in enumerate(play.events):
        session = _later(event.session, number * 1_000)._replace(
            session_id=session_id(number),
            change_id=str(uuid5(SPACE, f"{number} {place}")),
            metadata=metadata.SerializeToString(),
            labels=(("b", "2"), ("a", "1")),
        )
        request_id = str(uuid5(SPACE, f"request {number} {place}")) if place % 2 else ""
        yield AuditRecord(event._replace(session=session), request_id, "ipv4:192.0.2.1:5", ("status", "updated_at"))


def _later(session: Session, ms: int) -> Session:
    instants = ("created_at", "updated_at", "started_at", "cycle_started_at", "resumed_at", "paused_at", "completed_at")
    moved = {name: at + ms for name in instants if (at := getattr(session, name)) is not None}
    return session._replace(**moved, epoch=session.epoch + ms * 1_000)
