"""The accounts of owner, worker and server: SQL as each of them tries what it must not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from synckairos.adapters.postgres.errors import PrivilegeMissing
from synckairos.adapters.postgres.schema.partitions import ensure_partitions
from synckairos.adapters.postgres.trail.erasure import erase_participant
from synckairos.adapters.postgres.trail.export import PostgresAuditExport
from synckairos.adapters.postgres.trail.reader import PostgresAuditReader
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail
from synckairos.application.trail.audit import AuditRecord, EventQuery, ExportQuery, OperatorAction
from synckairos.devstack import PostgresServer
from synckairos.domain.commands import Complete, Start, Switch
from synckairos.domain.tenancy import DEFAULT_TENANT, name_of, qualify
from testing.harness.audit_histories import recorded
from testing.harness.builders import ANN, Game, per_participant
from testing.harness.processes.commands import synckairos
from testing.harness.processes.databases import ask
from testing.harness.processes.trail_accounts import (
    SERVER,
    WORKER,
    TrailUrls,
    as_account,
    connections,
    trail_of_accounts,
)

TABLES = ("sync_sessions", "sync_participants", "sync_events")
EVENT = "INSERT INTO sync_events (id) VALUES (gen_random_uuid())"


def played(tenant: str) -> list[AuditRecord]:
    """Return the records of a tenant's game that is over."""
    game = Game(per_participant())
    game.ok(1_000, Start())
    game.ok(2_000, Switch())
    game.ok(3_000, Complete())
    session_id = str(uuid4())
    named = qualify(tenant, session_id)
    return [
        one._replace(event=one.event._replace(session=one.event.session._replace(session_id=named)))
        for one in recorded(game.events, session_id)
    ]


@pytest.fixture(scope="module")
async def urls(postgres_server: PostgresServer) -> AsyncIterator[TrailUrls]:
    """A trail with a session of each of two tenants."""
    async with trail_of_accounts(postgres_server) as urls:
        async with connections(urls.worker) as worker:
            await PostgresAuditTrail(worker).write([*played(DEFAULT_TENANT), *played("acme")])
        yield urls


async def tenants_seen(connection: asyncpg.Connection, table: str) -> set[str]:
    """Return whose rows of a table an account sees."""
    return {tenant for (tenant,) in await connection.fetch(f"SELECT DISTINCT tenant FROM {table}")}


@pytest.mark.parametrize("table", TABLES)
async def test_a_server_sees_the_tenant_that_its_transaction_names(urls: TrailUrls, table: str) -> None:
    """None before that, and none after it: not in the next transaction, nor after one that was rolled back."""
    server = await asyncpg.connect(urls.server)
    seen = [await tenants_seen(server, table)]
    for tenant, is_kept in (("acme", True), (DEFAULT_TENANT, False), ("nobody", True)):
        transaction = server.transaction()
        await transaction.start()
        await server.execute("SELECT set_config('synckairos.tenant', $1, true)", tenant)
        seen.append(await tenants_seen(server, table))
        await (transaction.commit() if is_kept else transaction.rollback())
        seen.append(await tenants_seen(server, table))
    await server.close()

    assert seen == [set(), {"acme"}, set(), {DEFAULT_TENANT}, set(), set(), set()]


@pytest.mark.parametrize("account", ["owner", "worker"])
async def test_who_may_write_sees_all_tenants(urls: TrailUrls, account: str) -> None:
    """Though it neither is a superuser nor passes by the policies."""
    connection = await asyncpg.connect(getattr(urls, account))
    seen = [await tenants_seen(connection, table) for table in TABLES]
    rights = await connection.fetchrow("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
    await connection.close()

    assert seen == [{DEFAULT_TENANT, "acme"}] * 3
    assert tuple(rights or ()) == (False, False)


NOT_AS_SERVER = [
    EVENT,
    "UPDATE sync_events SET reason = ''",
    "UPDATE sync_sessions SET version = 9",
    "DELETE FROM sync_events",
    "DELETE FROM sync_participants",
    "TRUNCATE sync_sessions CASCADE",
    "SELECT 1 FROM sync_sessions FOR UPDATE",
    "SELECT 1 FROM sync_events_default",
    "SELECT 1 FROM sync_operator_actions",
    "INSERT INTO schema_migrations (version) VALUES ('999')",
    "CREATE VIEW mine AS SELECT * FROM sync_events",
    "CREATE TABLE mine (LIKE sync_events)",
    f"GRANT INSERT ON sync_events TO CURRENT_USER; {EVENT}",
    "ALTER TABLE sync_events NO FORCE ROW LEVEL SECURITY",
    "DROP POLICY sync_events_of_tenant ON sync_events",
    "CREATE POLICY mine ON sync_events USING (true)",
    f"SET ROLE {WORKER}",
]
NOT_AS_WORKER = [
    "DELETE FROM sync_events",
    "DELETE FROM sync_sessions",
    "TRUNCATE sync_events",
    "SELECT 1 FROM sync_events_default",
    "INSERT INTO sync_events_default (id) VALUES (gen_random_uuid())",
    "UPDATE sync_operator_actions SET reason = 'none'",
    "DELETE FROM sync_operator_actions",
    "INSERT INTO schema_migrations (version) VALUES ('999')",
    "ALTER TABLE sync_events DETACH PARTITION sync_events_default",
    "CREATE TABLE mine PARTITION OF sync_events FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')",
    "DROP TABLE sync_sessions CASCADE",
    "ALTER TABLE sync_events DISABLE TRIGGER sync_events_notify",
    "ALTER TABLE sync_events DISABLE ROW LEVEL SECURITY",
    "CREATE INDEX ON sync_events (actor)",
]


@pytest.mark.parametrize(
    ("account", "statement"),
    [("server", one) for one in NOT_AS_SERVER] + [("worker", one) for one in NOT_AS_WORKER],
)
async def test_no_account_does_what_its_work_does_not_need(urls: TrailUrls, account: str, statement: str) -> None:
    """Whatever tenant it names."""
    connection = await asyncpg.connect(getattr(urls, account))
    await connection.execute("BEGIN; SELECT set_config('synckairos.tenant', 'acme', true)")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)

    await connection.close()


async def test_a_month_that_was_given_away_shows_no_rows(postgres_server: PostgresServer) -> None:
    """By default privileges, or a GRANT on all tables: what is read past the policies is empty, detached months too."""
    async with trail_of_accounts(postgres_server) as urls:
        owner = await asyncpg.connect(urls.owner)
        await owner.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {SERVER}")
        async with connections(urls.worker) as worker:
            await PostgresAuditTrail(worker).write(played("acme"))
        (happened,) = await owner.fetchrow("SELECT min(timestamp) FROM sync_events")
        await owner.execute("CREATE TABLE sync_events_1999_01_detached AS SELECT * FROM sync_events")
        await ensure_partitions(owner, today=happened.date())
        await owner.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {SERVER}")
        tables = await owner.fetch("SELECT relname FROM pg_class WHERE relname ~ '^sync_events_.*' AND relkind = 'r'")
        kept = {table: await owner.fetchval(f"SELECT count(*) FROM {table}") for (table,) in tables}
        server = await asyncpg.connect(urls.server)
        await server.execute("BEGIN; SELECT set_config('synckairos.tenant', 'acme', true)")
        seen = {table: await server.fetchval(f"SELECT count(*) FROM {table}") for (table,) in tables}
        through = await server.fetchval("SELECT count(*) FROM sync_events")
        await asyncio.gather(owner.close(), server.close())

    assert len(tables) == 6
    assert set(seen.values()) == {0}
    assert sorted(kept.values()) == [0, 0, 0, 0, through, through]
    assert through > 0


async def test_a_table_of_the_same_name_opens_nothing(urls: TrailUrls) -> None:
    """An account that may write a table of its own in front of the search path may not, for that, see all rows."""
    server = await asyncpg.connect(urls.server)
    await server.execute("CREATE TEMPORARY TABLE sync_events (tenant text)")

    seen = await tenants_seen(server, "public.sync_events")

    await server.close()
    assert seen == set()


async def test_no_view_shows_what_its_owner_sees(urls: TrailUrls) -> None:
    """All views of the schema, of which there are none yet, look as whoever asks."""
    query = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')"
        " AND NOT coalesce(reloptions, '{}') @> '{security_invoker=true}'"
    )
    forced = "SELECT count(*) FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"

    assert await ask(urls.admin, query) == []
    assert await ask(urls.admin, forced) == [(4,)]


async def test_what_concerns_all_tenants_is_refused_to_a_server(urls: TrailUrls) -> None:
    """By name: it would see nothing, and a recovery that finds nothing would be done at once."""
    async with connections(urls.server) as server:
        with pytest.raises(PrivilegeMissing, match="one tenant at a time"):
            await PostgresAuditReader(server).unfinished("", 1)
        with pytest.raises(PrivilegeMissing):
            await PostgresAuditExport(server).count(ExportQuery())
        with pytest.raises(PrivilegeMissing):
            async with aclosing(PostgresAuditExport(server).records(ExportQuery())) as records:
                await anext(records)


async def test_an_export_has_all_tenants_or_one(urls: TrailUrls) -> None:
    """In the order of ids; of one of them, its sessions alone, though another one has a session of the same id."""
    async with connections(urls.worker) as worker:
        mine, others = played("mine"), played("others")
        same_id = [
            one._replace(
                event=one.event._replace(
                    session=one.event.session._replace(session_id="others/" + mine[0].event.session.session_id[5:])
                )
            )
            for one in others
        ]
        await PostgresAuditTrail(worker).write([*mine, *same_id])
        export = PostgresAuditExport(worker)

        async def exported(query: ExportQuery) -> list[AuditRecord]:
            found = [record async for record in export.records(query)]
            assert await export.count(query) == len(found)
            return found

        everything = await exported(ExportQuery())
        ids = list(dict.fromkeys(one.event.session.session_id for one in everything))
        assert len(ids) == 4
        assert ids == sorted(ids, key=lambda one: (name_of(one).session_id, name_of(one).tenant))
        assert await exported(ExportQuery(tenant="mine")) == mine
        assert await exported(ExportQuery((same_id[0].event.session.session_id,))) == same_id


async def test_an_erasure_is_of_one_tenant(urls: TrailUrls) -> None:
    """What the same participant did for another one stays."""
    one, other = played("one"), played("other")
    async with connections(urls.worker) as worker, connections(urls.server) as server:
        await PostgresAuditTrail(worker).write([*one, *other])
        owner = await asyncpg.connect(urls.owner)
        action = OperatorAction(str(uuid4()), "erase", "me", "asked", {}, "one")
        done = await erase_participant(owner, ANN, [], action)
        await owner.close()
        reader = PostgresAuditReader(server)
        left, untouched = [
            [two.record.event.author.actor for two in await reader.events(EventQuery(sid, None, 100))]
            for sid in (one[0].event.session.session_id, other[0].event.session.session_id)
        ]

    assert done.events == left.count("erased") > 0
    assert "erased" not in untouched
    assert await ask(urls.admin, "SELECT tenant FROM sync_operator_actions WHERE action = 'erase'") == [("one",)]


async def test_migrate_up_gives_rights_to_accounts_that_exist(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """And takes away what they should not have; again it does the same, and those that do not exist are passed over."""
    async with trail_of_accounts(postgres_server) as urls:
        await ask(urls.owner, f"GRANT ALL ON sync_sessions, sync_events_default TO {SERVER}")
        await ask(urls.owner, f"REVOKE INSERT ON sync_events FROM {WORKER}")
        given = {"SYNCKAIROS_DATABASE_URL": urls.owner, "SYNCKAIROS_DATABASE_WORKER_ROLE": WORKER}

        some = await synckairos("migrate", "up", redis_url="redis://127.0.0.1:1", cwd=tmp_path, **given)
        given["SYNCKAIROS_DATABASE_SERVER_ROLE"] = SERVER
        both = await synckairos("migrate", "up", redis_url="redis://127.0.0.1:1", cwd=tmp_path, **given)

        rights = "SELECT has_table_privilege($1, $2, $3)"
        assert (some.returncode, both.returncode) == (0, 0), some.stderr + both.stderr
        assert (f"gave {SERVER}" in some.stdout, f"gave {SERVER}" in both.stdout) == (False, True)
        assert await ask(urls.admin, rights, WORKER, "sync_events", "INSERT") == [(True,)]
        assert await ask(urls.admin, rights, SERVER, "sync_sessions", "UPDATE") == [(False,)]
        assert await ask(urls.admin, rights, SERVER, "sync_events_default", "SELECT") == [(False,)]
        assert "made sync_events_" in some.stdout
        assert "made" not in both.stdout


async def test_one_account_for_everything_goes_on_working(postgres_server: PostgresServer) -> None:
    """As deployments had it before there were tenants: the owner writes, reads and recovers, without a step."""
    async with trail_of_accounts(postgres_server) as urls, connections(urls.owner) as database:
        records = played("acme")

        await PostgresAuditTrail(database).write(records)

        reader = PostgresAuditReader(database)
        session_id = records[0].event.session.session_id
        assert [one.record for one in await reader.events(EventQuery(session_id, None, 100))] == records
        assert await reader.unfinished("", 10) == []
        # An account that was given rights by hand before, as its name is nobody's business, sees what it saw.
        await ask(urls.owner, f"GRANT SELECT, INSERT ON sync_events TO {SERVER}")
        assert await ask(as_account(urls.admin, SERVER), "SELECT DISTINCT tenant FROM sync_events") == [("acme",)]
