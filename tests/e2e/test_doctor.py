"""`synckairos doctor` against real servers, well and badly set up."""

import asyncio
import datetime as dt
import json
from pathlib import Path

import pytest
import redis
import trustme

from synckairos.adapters.redis.keys import Keys
from synckairos.cli.doctor.certificates import look_at_certificate
from synckairos.cli.doctor.command import examine
from synckairos.cli.doctor.findings import Finding, Level
from synckairos.devstack import PostgresServer, RedisServer
from testing.harness.processes.audit_databases import audit_database
from testing.harness.processes.commands import synckairos
from testing.harness.processes.databases import own_database, run_sql
from testing.harness.processes.in_process import settings_for
from testing.harness.processes.server_process import free_port
from testing.robustness.steppable_redis import SteppableRedis
from tests.e2e.conftest import StartServers

WELL_SET_UP = ("--maxmemory", "64mb")


def levels(found: list[Finding]) -> dict[str, Level]:
    """Return how bad each thing is."""
    return {one.name: one.level for one in found}


async def diagnosed(redis_url: str, database_url: str | None = None) -> list[Finding]:
    """Return what there is to say where no server runs."""
    settings = settings_for(redis_url, Keys().prefix, database_url=database_url)
    return await examine(settings, f"127.0.0.1:{free_port()}")


async def test_where_all_is_well_it_says_so(
    server_directory: Path, postgres_server: PostgresServer, start_servers: StartServers, tmp_path: Path
) -> None:
    """A Redis as the documents want it, a migrated database, a server: exit code 0, and nothing is wrong."""
    with RedisServer(server_directory / "well", extra_args=WELL_SET_UP) as store:
        async with audit_database(postgres_server) as url:
            (server,) = start_servers(store.url, 1, database_url=url)
            done = await synckairos(
                "doctor", "--address", server.address, redis_url=store.url, cwd=tmp_path, SYNCKAIROS_DATABASE_URL=url
            )

    told = json.loads(done.stdout)
    by_name = {one["name"]: one["level"] for one in told["findings"]}
    assert done.returncode == told["exit_code"] == 0, done.stdout
    # The account of the tests' PostgreSQL is its superuser.
    assert {name: level for name, level in by_name.items() if level != "fine"} == {"postgres.account": "advice"}
    assert {"redis.fsync", "clock.machine", "clock.postgres", "postgres.migrations", "server.health"} <= set(by_name)


async def test_a_redis_that_loses_sessions_and_a_database_without_tables_are_named(
    server_directory: Path, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """Each with what to do about it; the command exits 1 and shows no password."""
    settings = ("--appendonly", "no", "--maxmemory-policy", "allkeys-lru", "--maxclients", "40")
    with RedisServer(server_directory / "badly", has_password=True, extra_args=settings) as store:
        async with own_database(postgres_server) as url:
            done = await synckairos("doctor", redis_url=store.url, cwd=tmp_path, SYNCKAIROS_DATABASE_URL=url)
        password = store.url.split(":")[2].split("@")[0]

    bad = {one["name"]: one["remedy"] for one in json.loads(done.stdout)["findings"] if one["level"] == "wrong"}
    assert done.returncode == 1, done.stdout
    assert set(bad) == {"redis.persistence", "redis.eviction", "redis.clients", "postgres.migrations"}
    assert "noeviction" in bad["redis.eviction"]
    assert bad["postgres.migrations"] == "synckairos migrate up"
    assert password not in done.stdout + done.stderr


async def test_what_cannot_be_reached_is_no_clean_bill(tmp_path: Path) -> None:
    """Neither store is there: the report has holes, and the exit code says so."""
    nobody = f"127.0.0.1:{free_port()}"
    done = await synckairos(
        "doctor", redis_url=f"redis://{nobody}/0", cwd=tmp_path, SYNCKAIROS_DATABASE_URL=f"postgresql://a:b@{nobody}/c"
    )

    by_name = {one["name"]: one["level"] for one in json.loads(done.stdout)["findings"]}
    assert done.returncode == 6
    assert {name for name, level in by_name.items() if level == "unseen"} == {
        "redis.reach", "postgres.reach", "outbox.reach", "broker.reach",
    }  # fmt: skip


async def test_events_that_nobody_takes_and_dead_ones_are_wrong(
    own_redis: RedisServer, postgres_server: PostgresServer
) -> None:
    """An entry that has waited for minutes, one that was set aside, and a store that lost its name."""
    keys = Keys()
    with redis.Redis.from_url(own_redis.url) as client:
        client.xadd(keys.partitioned(0, "outbox"), {"e": "x"}, id="1700000000000-0")
        client.xadd(keys.partitioned(1, "dead"), {"o": "1-0", "r": "broken"})
    async with audit_database(postgres_server) as url:
        found = levels(await diagnosed(own_redis.url, url))

    assert found["outbox.waiting"] is Level.WRONG
    assert found["outbox.dead"] is Level.WRONG
    assert found["redis.store"] is Level.WRONG


async def test_an_account_without_rights_is_told_which_it_lacks(
    own_redis: RedisServer, postgres_server: PostgresServer
) -> None:
    """One that may read nothing cannot serve the trail; one that may only read is enough for a server."""
    async with audit_database(postgres_server) as url:
        await run_sql(url, "DROP ROLE IF EXISTS examined", "CREATE ROLE examined LOGIN PASSWORD 'secret'")
        try:
            login = url.replace(url.split("//")[1].split("@")[0], "examined:secret")
            without = {one.name: one for one in await diagnosed(own_redis.url, login)}
            await run_sql(url, "GRANT SELECT ON sync_sessions, sync_participants, sync_events TO examined")
            reading = levels(await diagnosed(own_redis.url, login))
        finally:
            await run_sql(url, "DROP OWNED BY examined", "DROP ROLE examined")

    assert without["postgres.rights"].level is Level.WRONG
    assert "sync_events" in without["postgres.rights"].remedy
    assert reading["postgres.rights"] is Level.ADVICE


async def test_a_clock_that_is_off_is_measured(server_directory: Path) -> None:
    """Redis' clock is a minute ahead of this machine's."""
    with SteppableRedis(server_directory / "stepped") as store:
        await asyncio.to_thread(store.step, 60_000)
        found = {one.name: one for one in await diagnosed(store.url)}

    assert found["clock.machine"].level is Level.WRONG
    assert "ahead of that of this machine" in found["clock.machine"].what


@pytest.mark.parametrize(
    ("valid_days", "level"), [(400, Level.FINE), (3, Level.ADVICE), (-2, Level.WRONG)], ids=["valid", "soon", "expired"]
)
def test_the_end_of_a_certificate_is_seen_coming(tmp_path: Path, valid_days: int, level: Level) -> None:
    """Of one issued by an authority, as it stands in the files of the server."""
    now = dt.datetime.now(dt.UTC)
    leaf = trustme.CA().issue_cert(
        "localhost", not_before=now - dt.timedelta(days=5), not_after=now + dt.timedelta(days=valid_days)
    )
    leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
    for place, part in enumerate(leaf.cert_chain_pems):
        part.write_to_path(tmp_path / "cert.pem", append=place > 0)

    found = look_at_certificate(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))

    assert found.level is level, found


def test_a_certificate_and_the_key_of_another_are_wrong(tmp_path: Path) -> None:
    """As after half a renewal."""
    one, other = (trustme.CA().issue_cert("localhost") for _ in range(2))
    one.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    other.private_key_pem.write_to_path(tmp_path / "key.pem")

    assert look_at_certificate(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")).level is Level.WRONG
