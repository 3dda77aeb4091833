"""`audit erase participant`: one person's data leave the trail, everybody else's and the history stay."""

import base64
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest
from google.protobuf.struct_pb2 import Struct

from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.trail.reader import PostgresAuditReader
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail
from synckairos.application.trail.audit import AuditedEvent, AuditRecord, EventQuery
from synckairos.devstack import PostgresServer
from synckairos.domain.commands import Complete, Start, Switch
from synckairos.domain.events import Author
from testing.harness.audit_histories import recorded
from testing.harness.builders import ANN, BOB, Game, per_participant
from testing.harness.processes.audit_databases import audit_database, emptied
from testing.harness.processes.commands import Finished, synckairos
from testing.harness.processes.databases import ask, run_sql

SECRET = "ann@example.org"
ALL = 1_000


@pytest.fixture
async def url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with the tables of the trail."""
    async with audit_database(postgres_server) as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """Connections to it."""
    async with emptied(url) as database:
        yield database


def named(name: str) -> bytes:
    """Return metadata with a name in them."""
    metadata = Struct()
    metadata["name"] = name
    return metadata.SerializeToString()


def played(*, to_the_end: bool = True) -> list[AuditRecord]:
    """Return the records of a game of ANN, whose metadata and calls name her, and BOB."""
    game = Game(per_participant())
    game.ok(1_000, Start())
    game.ok(2_000, Switch())
    game.ok(3_000, Switch())
    if to_the_end:
        game.ok(4_000, Complete())
    records = []
    for record in recorded(game.events, str(uuid4())):
        event, session = record.event, record.event.session
        people = tuple(
            one._replace(metadata=named(SECRET if one.participant_id == ANN else "bob")) for one in session.participants
        )
        is_hers = event.subject.participant_id == ANN
        author = Author(SECRET, f"says {SECRET}", SECRET) if is_hers else Author("umpire", "because", "a club")
        event = event._replace(session=session._replace(participants=people), author=author)
        records.append(AuditRecord(event, str(uuid4()), "ipv4:192.0.2.1:5", (), "call"))
    return records


async def events(database: Database, records: Sequence[AuditRecord]) -> list[AuditedEvent]:
    """Return what the trail says of a session."""
    query = EventQuery(records[0].event.session.session_id, None, ALL)
    return await PostgresAuditReader(database).events(query)


async def of_whom(database: Database, records: Sequence[AuditRecord]) -> set[str]:
    """Return for whom the authors of a session's events acted."""
    return {one.record.event.author.on_behalf_of for one in await events(database, records)}


async def erase(url: str, cwd: Path, *arguments: str) -> Finished:
    """Erase ANN."""
    command = ("audit", "erase", "participant", ANN, "--reason", "request 4711", *arguments)
    return await synckairos(*command, redis_url="redis://127.0.0.1:1", cwd=cwd, SYNCKAIROS_DATABASE_URL=url)


async def everything(url: str) -> str:
    """Return all rows of all tables as text."""
    names = await ask(url, "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'")
    rows = [row for (name,) in names for row in await ask(url, f"SELECT to_jsonb(t)::text FROM {name} AS t")]
    return "\n".join(str(row) for (row,) in rows)


async def test_a_persons_data_leave_every_row(database: Database, url: str, tmp_path: Path) -> None:
    """Also those of detached months; others keep theirs, and the history can be read as before."""
    mine, detached = played(), played()
    trail = PostgresAuditTrail(database)
    await trail.write(detached)
    await run_sql(
        url,
        "CREATE TABLE sync_events_2025_10_detached (LIKE sync_events INCLUDING ALL)",
        "ALTER TABLE sync_events_2025_10_detached DROP COLUMN call_id, DROP COLUMN on_behalf_of, DROP COLUMN tenant",
        "INSERT INTO sync_events_2025_10_detached (id, session_id, epoch, version, event_type, cause, actor, reason,"
        ' time_elapsed_ms, cycle_number, participant_id, peer, "timestamp", state_snapshot) SELECT id, session_id,'
        " epoch, version, event_type, cause, actor, reason, time_elapsed_ms, cycle_number, participant_id, peer,"
        ' "timestamp", state_snapshot FROM sync_events',
    )
    await trail.write(mine)
    before = await events(database, mine)
    details = json.dumps({"session_id": mine[0].event.session.session_id, "fields": [SECRET]})
    await run_sql(
        url,
        "INSERT INTO sync_operator_actions (id, action, operator, reason, details)"
        f" VALUES (gen_random_uuid(), 'discard', 'me', 'why', '{details}')",
    )

    done = await erase(url, tmp_path, "--yes")
    again = await erase(url, tmp_path, "--yes")

    after = await events(database, mine)
    text = await everything(url)
    assert done.returncode == again.returncode == 0, done.stderr
    assert SECRET not in text
    assert base64.b64encode(named(SECRET)).decode() not in text
    assert base64.b64encode(named("bob")).decode() in text
    assert [one.record.event.subject for one in after] == [one.record.event.subject for one in before]
    for one, other in zip(after, before, strict=True):
        told, was = one.record.event, other.record.event
        hers = was.subject.participant_id == ANN
        metadata = {person.participant_id: person.metadata for person in told.session.participants}
        assert metadata == {ANN: None, BOB: named("bob")}
        assert told.author == (Author("erased") if hers else was.author)
        assert (one.record.peer, one.record.call_id) == (("", "") if hers else ("ipv4:192.0.2.1:5", "call"))
    rows = await ask(
        url,
        "SELECT reason, details->>'participant_id', (details->>'sessions')::int FROM sync_operator_actions"
        " WHERE action = 'erase' ORDER BY done_at",
    )
    assert rows == [("request 4711", ANN, 2)] * 2


async def test_an_actor_is_erased_wherever_it_acted(database: Database, url: str, tmp_path: Path) -> None:
    """Also where the event is about somebody else."""
    records = played()
    await PostgresAuditTrail(database).write(records)

    await erase(url, tmp_path, "--yes", "--actor", "umpire")

    assert {one.record.event.author.actor for one in await events(database, records)} <= {"erased", "system"}


async def test_for_whom_an_actor_acted_is_erased_too(database: Database, url: str, tmp_path: Path) -> None:
    """The actor, who is somebody else, stays."""
    records = played()
    await PostgresAuditTrail(database).write(records)

    before = await of_whom(database, records)
    await erase(url, tmp_path, "--yes", "--actor", "a club")

    assert before == {SECRET, "a club"}
    assert await of_whom(database, records) == {""}
    assert "umpire" in {one.record.event.author.actor for one in await events(database, records)}


@pytest.mark.parametrize("how", ["not ended", "not agreed"])
async def test_nothing_is_erased_before_its_time(database: Database, url: str, tmp_path: Path, how: str) -> None:
    """A session that goes on would bring everything back; and nothing is erased without a yes."""
    records = played(to_the_end=how == "not agreed")
    await PostgresAuditTrail(database).write(records)

    done = await erase(url, tmp_path, *(["--yes"] if how == "not ended" else []))

    assert done.returncode == 1
    assert (records[0].event.session.session_id if how == "not ended" else "--yes") in done.stderr
    assert [one.record for one in await events(database, records)] == records
    assert await ask(url, "SELECT count(*) FROM sync_operator_actions") == [(0,)]
