"""A server with an audit trail, asked by commands as a user would give them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.settings import Settings
from testing.harness.processes.databases import own_database
from testing.harness.processes.in_process import settings_for
from testing.harness.processes.server_process import ServerProcess
from testing.harness.processes.worker_process import WorkerProcess
from tests.e2e.commands.asking import Asked


@pytest.fixture(scope="module")
async def settings(redis_server: RedisServer, postgres_server: PostgresServer) -> AsyncIterator[Settings]:
    """A server's settings."""
    async with own_database(postgres_server) as url:
        await apply_migrations(url, migrations_folder())
        yield settings_for(redis_server.url, database_url=url)


@pytest.fixture(scope="module")
def server(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server in a process of its own, so that its log is not taken for what a command prints."""
    with ServerProcess(*_told(settings, tmp_path_factory), **_stores(settings)) as server:
        server.await_answer("SERVING")
        yield server


@pytest.fixture(scope="module")
def trail(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A worker, which carries what happens to the audit trail."""
    with WorkerProcess(*_told(settings, tmp_path_factory), **_stores(settings)):
        yield


def _told(settings: Settings, folders: pytest.TempPathFactory) -> tuple[str, Path]:
    return settings.redis_url.get_secret_value(), folders.mktemp("process") / "process.log"


def _stores(settings: Settings) -> dict[str, str]:
    assert settings.database_url is not None
    return {"redis_prefix": settings.redis_prefix, "database_url": settings.database_url.get_secret_value()}


@pytest.fixture
def asked(server: ServerProcess, tmp_path: Path) -> Asked:
    """Commands that ask this server."""
    return Asked(server.address, tmp_path)
