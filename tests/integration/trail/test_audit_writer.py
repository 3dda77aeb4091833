"""Writing the audit trail to PostgreSQL: any history in any disorder, many writers at once, and what it refuses."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from synckairos.adapters.postgres.database import Database, LentConnection, Statement
from synckairos.adapters.postgres.errors import DataInvalid, ReadOnlyDatabase, SchemaMismatch
from synckairos.adapters.postgres.options import DatabaseOptions
from synckairos.adapters.postgres.trail.reader import PostgresAuditReader
from synckairos.adapters.postgres.trail.rows import arrange
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail, _write
from synckairos.application.trail.audit import AuditedEvent, AuditRecord, EventQuery, SessionAudit, Written
from synckairos.devstack import PostgresServer
from synckairos.domain.commands import Start, Switch
from synckairos.domain.model import Mode
from synckairos.domain.tenancy import DEFAULT_TENANT, qualify
from testing.harness.audit_histories import histories, recorded
from testing.harness.builders import ANN, Game, at, per_participant
from testing.harness.fakes.fake_audit_trail import FakeAuditTrail
from testing.harness.processes.audit_databases import audit_database, emptied
from testing.harness.processes.databases import ask, run_sql
from testing.harness.waiting import eventually

ALL = 10_000


@pytest.fixture(scope="module")
async def url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with the tables of the audit trail."""
    async with audit_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="module")
async def database(url: str) -> AsyncIterator[Database]:
    """Connections to it, kept for all tests: each writes sessions of its own."""
    async with emptied(url) as database:
        yield database


@asynccontextmanager
async def opened(url: str, schema: str = "public") -> AsyncIterator[Database]:
    """Give connections to a database."""
    database = Database(DatabaseOptions(url, schema=schema, pool_min=0, pool_max=2))
    try:
        yield database
    finally:
        await database.close()


def played(session_id: str = "", switches: int = 3, branch: str = "") -> list[AuditRecord]:
    """Return the records of a game."""
    game = Game(per_participant())
    game.ok(1_000, Start())
    for turn in range(switches):
        game.ok(3_000 + turn * 1_000, Switch())
    return recorded(game.events, session_id or str(uuid4()), branch)


async def picture(
    reader: PostgresAuditReader | FakeAuditTrail, session_id: str
) -> tuple[list[AuditedEvent], SessionAudit | None]:
    """Return everything the trail says about a session, but for when it was written."""
    events = [one._replace(recorded_at=0) for one in await reader.events(EventQuery(session_id, None, ALL))]
    known = await reader.session(session_id)
    return events, known and known._replace(summary=known.summary._replace(recorded_at=0))


def batches(records: Sequence[AuditRecord], chance: random.Random) -> list[list[AuditRecord]]:
    """Return the records in disorder, some of them twice, cut into batches."""
    mixed = chance.sample(records, len(records)) + chance.sample(records, len(records) // 3)
    cuts = sorted(chance.randint(0, len(mixed)) for _ in range(chance.randint(0, 4)))
    return [mixed[start:end] for start, end in zip([0, *cuts], [*cuts, len(mixed)], strict=True)]


@pytest.mark.parametrize("mode", Mode)
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_every_history_in_every_disorder_is_one_history(database: Database, mode: Mode, data: DataObject) -> None:
    """Whatever was played, forked, doubled and mixed up: the tables say what all of it together means."""
    main, fork = data.draw(histories(mode))
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    session_id = str(uuid4())
    records = [*recorded(main, session_id), *recorded(fork, session_id, "fork")]
    fake, trail = FakeAuditTrail(), PostgresAuditTrail(database)

    for batch in batches(records, chance):
        assert await trail.write(batch) == await fake.write(batch)

    assert await picture(PostgresAuditReader(database), session_id) == await picture(fake, session_id)


async def test_a_batch_takes_as_few_statements_for_many_tenants(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for one: whose sessions they are is a column of them, and no statement says it beforehand."""
    asked: list[str] = []
    fetch = LentConnection.fetch

    async def noted(connection: LentConnection, statement: Statement, *values: object) -> Any:
        asked.append(statement.name)
        return await fetch(connection, statement, *values)

    monkeypatch.setattr(LentConnection, "fetch", noted)
    records = [
        changed(one, session_id=qualify(tenant, one.event.session.session_id))
        for tenant in (DEFAULT_TENANT, "acme", "b")
        for one in played()
    ]

    await PostgresAuditTrail(database).write(records)

    assert asked == [f"audit: {what}" for what in ("lock sessions", "add sessions", "add events", "put participants")]


async def test_many_writers_of_the_same_sessions_get_along(database: Database) -> None:
    """Eight at once, the same new sessions in every order: no deadlock, every row once, every fork found."""
    chance = random.Random(3)
    ids = [str(uuid4()) for _ in range(12)]
    records = [record for one in ids for branch in ("", "fork") for record in played(one, 5, branch)]
    trail = PostgresAuditTrail(database)

    async def writer() -> list[Written]:
        return [await trail.write(batch) for batch in batches(records, chance)]

    written = [one for many in await asyncio.gather(*(writer() for _ in range(8))) for one in many]

    assert sum(one.new for one in written) == len(records)
    fake = FakeAuditTrail()
    await fake.write(records)
    for session_id in ids:
        assert await picture(PostgresAuditReader(database), session_id) == await picture(fake, session_id)


async def test_new_sessions_are_added_in_one_order(database: Database) -> None:
    """Whatever order they come in: writers that add the same ones the other way round would wait in a circle."""
    chance = random.Random(4)
    trail = PostgresAuditTrail(database)
    for _ in range(10):
        records = [played(switches=0)[0] for _ in range(100)]

        written = await asyncio.gather(*(trail.write(chance.sample(records, 100)) for _ in range(6)))

        assert sum(one.new for one in written) == len(records)


async def waits_for_a_lock(url: str) -> bool:
    """Whether a connection of the database waits for a lock."""
    return (1,) in await ask(
        url, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )


async def test_a_session_that_is_just_being_added_is_waited_for(database: Database, url: str) -> None:
    """Its row is not there yet and cannot be locked: the second writer starts over and finds how far the first got."""
    session_id = str(uuid4())
    main, fork = played(session_id, 5), played(session_id, 2, "fork")
    async with database.transaction() as connection:
        await _write(connection, arrange(main))
        second = asyncio.create_task(PostgresAuditTrail(database).write(fork))
        await eventually(lambda: waits_for_a_lock(url), pause_s=0.01)

    assert await second == Written(len(fork), 0, len(fork))
    _, known = await picture(PostgresAuditReader(database), session_id)
    assert known is not None
    assert (known.summary.session, known.fork_count) == (main[-1].event.session, 2 * len(fork))


async def test_what_is_stored_is_what_was_said(database: Database, url: str) -> None:
    """The columns that other programs read; only an event that fell due has an instant for that, and a lateness."""
    game = Game(per_participant(5_000, 5_000))
    game.ok(0, Start())
    game.ok(9_500)
    records = recorded(game.events, str(uuid4()))
    (*_, last) = records
    records[-1] = last._replace(request_id="r-1", peer="ipv4:1.2.3.4:5", changed=("status", "clock"))
    await PostgresAuditTrail(database).write(records)

    ((id_, *row),) = await ask(
        url,
        "SELECT id::text, version, event_type, cause, actor, request_id, peer, participant_id::text,"
        " time_remaining_ms, time_elapsed_ms, cycle_number, lateness_ms, changed_fields,"
        " extract(epoch FROM due_at) * 1000, extract(epoch FROM fired_at) * 1000,"
        ' extract(epoch FROM "timestamp") * 1000'
        " FROM sync_events WHERE session_id = $1 AND version = 3",
        records[0].event.session.session_id,
    )

    assert id_ == last.event.session.change_id
    assert row == [
        *(3, "session_expired", "deadline", "system", "r-1", "ipv4:1.2.3.4:5", ANN),
        *(0, 5_000, 1, 4_500, ["status", "clock"], at(5_000), at(9_500), at(5_000)),
    ]
    calls = "SELECT DISTINCT due_at, fired_at, lateness_ms FROM sync_events WHERE session_id = $1 AND version < 3"
    assert await ask(url, calls, records[0].event.session.session_id) == [(None, None, None)]


def changed(record: AuditRecord, **fields: object) -> AuditRecord:
    """Return the record with other fields of its session."""
    session = record.event.session._replace(**fields)  # type: ignore[arg-type] # any field of it
    return record._replace(event=record.event._replace(session=session))


BAD: dict[str, tuple[Callable[[AuditRecord], AuditRecord], type[Exception]]] = {
    "an epoch no bigint holds": (lambda one: changed(one, epoch=2**63), DataInvalid),
    "a version below 1": (lambda one: changed(one, version=0), DataInvalid),
    "an id that is none": (lambda one: changed(one, session_id="nobody"), DataInvalid),
    "an id in capitals": (lambda one: changed(one, session_id="A" * 8 + str(uuid4())[8:]), DataInvalid),
    "a tenant that may not be called so": (lambda one: changed(one, session_id="A/" + str(uuid4())), DataInvalid),
    "a tenant that goes without a name": (lambda one: changed(one, session_id="default/" + str(uuid4())), DataInvalid),
    "an id in upper case": (
        lambda one: changed(one, session_id="A" * 8 + one.event.session.session_id[8:]),
        DataInvalid,
    ),
    "a change id that is none": (lambda one: changed(one, change_id="x"), DataInvalid),
    "a cycle below zero": (lambda one: changed(one, cycle_number=-1), DataInvalid),
    "a cycle that is a text": (lambda one: changed(one, cycle_number="7"), DataInvalid),
    "a number that no integer of the contract holds": (lambda one: changed(one, carried_ms=2**64 - 1), DataInvalid),
    "an active participant that is not there": (lambda one: changed(one, active=9), DataInvalid),
    "a time of action after all calendars": (
        lambda one: one._replace(event=one.event._replace(fired_at=2**62)),
        DataInvalid,
    ),
    "elapsed time below zero": (
        lambda one: one._replace(event=one.event._replace(subject=one.event.subject._replace(elapsed_ms=-1))),
        DataInvalid,
    ),
    "no elapsed time": (
        lambda one: one._replace(event=one.event._replace(subject=one.event.subject._replace(elapsed_ms=None))),
        DataInvalid,
    ),
    "half a character": (lambda one: one._replace(peer="\ud800"), DataInvalid),
    "an instant after all calendars": (lambda one: changed(one, updated_at=2**62), DataInvalid),
}


@pytest.mark.parametrize("what", BAD)
async def test_a_poisoned_batch_leaves_nothing(database: Database, what: str) -> None:
    """Refused by its own name, and the connection stays good."""
    poison, error = BAD[what]
    good, bad = played(), played()
    trail, reader = PostgresAuditTrail(database), PostgresAuditReader(database)

    with pytest.raises(error):
        await trail.write([*good, poison(bad[0]), *bad[1:]])

    assert await picture(reader, good[0].event.session.session_id) == ([], None)
    assert await trail.write(good) == Written(len(good), 0, 0)


async def test_metadata_can_be_searched_and_stay_what_they_were(database: Database, url: str) -> None:
    """Readable in their column, byte for byte in the snapshot; what is no Struct is only in the snapshot."""
    record, strange = played()[0], played()[0]
    record = changed(record, metadata=b"\n\x0c\n\x04name\x12\x04\x1a\x02ab", labels=(("b", "2"), ("a", "1")))
    strange = changed(strange, metadata=b"\xff\x00 no Struct")
    await PostgresAuditTrail(database).write([record, strange])

    ids = [one.event.session.session_id for one in (record, strange)]
    rows = [
        await ask(url, "SELECT metadata::text, labels::text FROM sync_sessions WHERE session_id = $1", one)
        for one in ids
    ]

    assert rows == [[('{"name": "ab"}', '{"a": "1", "b": "2"}')], [("{}", "{}")]]
    found = await PostgresAuditReader(database).latest(ids)
    assert found == [record.event.session, strange.event.session]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("DROP TABLE sync_sessions CASCADE", "migrate up"),
        ("ALTER TABLE sync_events DETACH PARTITION sync_events_default", "partition"),
        ("ALTER TABLE sync_sessions ADD COLUMN weather TEXT NOT NULL", "does not fill: weather"),
    ],
)
async def test_tables_of_another_form_are_a_bad_moment(
    postgres_server: PostgresServer, change: str, problem: str
) -> None:
    """Not bad data: no event is thrown away, and the same batch is taken once the tables are as they should be."""
    async with audit_database(postgres_server) as url, opened(url) as database:
        await run_sql(url, change)
        with pytest.raises(SchemaMismatch, match=problem):
            await PostgresAuditTrail(database).write(played())


async def test_a_read_only_database_is_a_bad_moment(url: str) -> None:
    """A standby throws no event away."""
    async with opened(url + "?default_transaction_read_only=on") as database:
        with pytest.raises(ReadOnlyDatabase):
            await PostgresAuditTrail(database).write(played())


async def test_any_schema_will_do(postgres_server: PostgresServer) -> None:
    """The search path alone says where the tables are."""
    records = played()
    async with audit_database(postgres_server) as url:
        await run_sql(url, "ALTER SCHEMA public RENAME TO elsewhere")
        async with opened(url, "elsewhere") as database:
            assert await PostgresAuditTrail(database).write(records) == Written(len(records), 0, 0)
            events, _ = await picture(PostgresAuditReader(database), records[0].event.session.session_id)
    assert [one.record for one in events] == records
