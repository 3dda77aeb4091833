"""Every contract test runs twice: against the fake and against a real Redis or PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from synckairos.application.ports import DeadlineIndex, SessionIndex, SessionStore
from synckairos.devstack import PostgresServer
from testing.harness.processes.audit_databases import audit_database, emptied
from tests.contract.audit_backends import AuditBackend, in_memory, in_postgres
from tests.contract.backends import Backend, FakeBackend, RedisBackend


@pytest.fixture(params=["fake", "redis"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """Shared data of one kind or the other, empty."""
    if request.param == "fake":
        yield FakeBackend()
        return
    url: str = request.getfixturevalue("redis_server").url
    async with AsyncExitStack() as stack:
        yield RedisBackend(url, stack)


@pytest.fixture
async def store(backend: Backend) -> SessionStore:
    """One process' store on the shared data."""
    return await backend.store()


@pytest.fixture
async def index(backend: Backend) -> SessionIndex:
    """The listing order of the shared data."""
    return await backend.index()


@pytest.fixture
async def deadlines(backend: Backend) -> DeadlineIndex:
    """The deadlines of the shared data."""
    return await backend.deadlines()


@pytest.fixture(scope="module")
async def audit_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with the tables of the audit trail, for the tests of one file."""
    async with audit_database(postgres_server) as url:
        yield url


@pytest.fixture(params=["fake", "postgres"])
async def audit_backend(request: pytest.FixtureRequest, audit_url: str) -> AsyncIterator[AuditBackend]:
    """An empty audit trail of one kind or the other."""
    if request.param == "fake":
        yield in_memory()
        return
    async with emptied(audit_url) as database:
        yield in_postgres(database)
