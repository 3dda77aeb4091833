"""Every contract test runs against the fake and against the real thing: Redis and a cluster of it, or PostgreSQL.

The trail is written as a worker and read as a server, with the rights and the policies of each.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from synckairos.application.ports import DeadlineIndex, SessionIndex, SessionStore
from synckairos.devstack import PostgresServer
from testing.harness.processes.databases import run_sql
from testing.harness.processes.trail_accounts import TrailUrls, connections, trail_of_accounts
from tests.contract.audit_backends import AuditBackend, in_memory, in_postgres
from tests.contract.backends import Backend, FakeBackend, RedisBackend


@pytest.fixture(params=["fake", "redis", "cluster"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """Shared data of one kind or the other, empty."""
    if request.param == "fake":
        yield FakeBackend()
        return
    server = "redis_server" if request.param == "redis" else "redis_cluster"
    url: str = request.getfixturevalue(server).url
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
async def audit_urls(postgres_server: PostgresServer) -> AsyncIterator[TrailUrls]:
    """A database with the tables of the audit trail, for the tests of one file."""
    async with trail_of_accounts(postgres_server) as urls:
        yield urls


@pytest.fixture(params=["fake", "postgres"])
async def audit_backend(request: pytest.FixtureRequest, audit_urls: TrailUrls) -> AsyncIterator[AuditBackend]:
    """An empty audit trail of one kind or the other."""
    if request.param == "fake":
        yield in_memory()
        return
    await run_sql(audit_urls.owner, "TRUNCATE sync_sessions, sync_participants, sync_events")
    async with connections(audit_urls.worker) as worker, connections(audit_urls.server) as server:
        yield in_postgres(worker, server)
