"""Every contract test runs twice: against the fake and against a real Redis."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from synckairos.application.ports import DeadlineIndex, SessionIndex, SessionStore
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
