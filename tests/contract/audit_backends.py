"""What the contract tests of the audit trail run against, and how they look at it."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.trail.reader import PostgresAuditReader
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail
from synckairos.application.trail.audit import AuditReader, AuditRecord, AuditTrail, EventQuery, SessionAudit
from synckairos.domain.commands import Pause, Start, Switch
from testing.harness.audit_histories import recorded
from testing.harness.builders import Game, per_participant
from testing.harness.fakes.fake_audit_trail import FakeAuditTrail

ALL = 1_000


class AuditBackend(NamedTuple):
    """Both ports on the same data."""

    trail: AuditTrail
    reader: AuditReader


def in_memory() -> AuditBackend:
    """Return an empty fake."""
    fake = FakeAuditTrail()
    return AuditBackend(fake, fake)


class _Reader(PostgresAuditReader):
    """Reads as a server reads, and what has to come back as a worker does."""

    def __init__(self, worker: Database, server: Database) -> None:
        super().__init__(server)
        self.unfinished = PostgresAuditReader(worker).unfinished  # type: ignore[method-assign] # as the port has it


def in_postgres(worker: Database, server: Database) -> AuditBackend:
    """Return the real thing, with the connections of a worker and of a server."""
    return AuditBackend(PostgresAuditTrail(worker), _Reader(worker, server))


def played(*, switches: int = 3) -> Game:
    """Return a game that was started, switched and paused."""
    game = Game(per_participant())
    game.ok(1_000, Start())
    for turn in range(switches):
        game.ok(3_000 + turn * 1_000, Switch())
    game.ok(60_000, Pause())
    return game


def records_of(game: Game, session_id: str = "", branch: str = "") -> list[AuditRecord]:
    """Return a game's records, under an id of its own unless one is given."""
    return recorded(game.events, session_id or str(uuid4()), branch)


def sid(records: Sequence[AuditRecord]) -> str:
    """Return the session's id."""
    return records[0].event.session.session_id


async def history(backend: AuditBackend, session_id: str) -> list[AuditRecord]:
    """Return all records of a session."""
    return [one.record for one in await backend.reader.events(EventQuery(session_id, None, ALL))]


async def audit(backend: AuditBackend, session_id: str) -> SessionAudit:
    """Return what is known of a session, without the instant it was recorded at."""
    known = await backend.reader.session(session_id)
    assert known is not None
    return known._replace(summary=known.summary._replace(recorded_at=0))
