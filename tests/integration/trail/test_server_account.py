"""A server that may do more to the trail than read it says so; one that may not is left alone by the doctor, too."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from synckairos.cli.doctor.database import look_at_database
from synckairos.cli.doctor.findings import Finding, Level
from synckairos.composition import database_account
from synckairos.devstack import PostgresServer, RedisServer
from testing.harness.processes.databases import own_database
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.processes.trail_accounts import OWNER, SERVER, WORKER, TrailUrls, connections, trail_of_accounts
from testing.harness.tokens import write_key
from testing.harness.waiting import eventually

ADMIN = "synckairos"
"""The superuser of the tests' PostgreSQL."""


@pytest.fixture(scope="module")
async def trail(postgres_server: PostgresServer) -> AsyncIterator[TrailUrls]:
    """A trail with an account for everybody who needs it."""
    async with trail_of_accounts(postgres_server) as urls:
        yield urls


@pytest.fixture
def keys(tmp_path: Path) -> str:
    """A file of API keys."""
    write_key(tmp_path / "keys", "known")
    return str(tmp_path / "keys")


async def warned(redis_url: str, url: str, monkeypatch: pytest.MonkeyPatch, **more: object) -> list[str]:
    """Return the accounts that a server warns of once it has asked what they may do."""
    answers: list[str | None] = []
    ask = database_account.writer_of_trail

    async def asked(database: object) -> str | None:
        answers.append(await ask(database))  # type: ignore[arg-type] # the server's own
        return answers[-1]

    monkeypatch.setattr(database_account, "writer_of_trail", asked)
    with capture_logs() as logs:
        async with serving(settings_for(redis_url, database_url=url, **more)):
            if "auth_api_keys" in more:
                await eventually(lambda: any(answer is not None for answer in answers))
    return [line["account"] for line in logs if line["event"] == "database_account_may_write"]


@pytest.mark.parametrize(
    ("name", "accounts"), [("owner", [OWNER]), ("worker", [WORKER]), ("admin", [ADMIN]), ("server", [])]
)
async def test_a_server_that_authenticates_warns_of_an_account_that_may_write(
    redis_server: RedisServer,
    trail: TrailUrls,
    keys: str,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    accounts: list[str],
) -> None:
    """Once, and names it; the account that only reads is as it should be."""
    url = getattr(trail, name)

    assert await warned(redis_server.url, url, monkeypatch, auth_api_keys=keys) == accounts


async def test_where_everybody_may_call_it_warns_of_nothing(
    redis_server: RedisServer, trail: TrailUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A developer's server has one account for everything."""
    assert await warned(redis_server.url, trail.owner, monkeypatch) == []


async def test_without_tables_there_is_nothing_to_tell_yet(postgres_server: PostgresServer) -> None:
    """The schema may be made after the server has started."""
    async with own_database(postgres_server) as url, connections(url) as database:
        assert await database_account.writer_of_trail(database) is None


async def rights(url: str, **more: object) -> Finding:
    """Return what the doctor says of an account's rights."""
    async with connections(url) as database:
        found = await look_at_database(settings_for("redis://127.0.0.1:1", database_url=url, **more), database)
    return next(one for one in found if one.name == "postgres.rights")


async def test_the_doctor_advises_no_more_rights_for_the_account_of_servers(trail: TrailUrls) -> None:
    """By the name that the settings have for it; another account that only reads is told what a worker would need."""
    assert (await rights(trail.server, database_server_role=SERVER)).level is Level.FINE
    assert (await rights(trail.server)).level is Level.ADVICE
    assert (await rights(trail.worker)).level is Level.FINE
