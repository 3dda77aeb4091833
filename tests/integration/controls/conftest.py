"""A real server for the tests of time controls."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from synckairos.devstack import RedisServer
from synckairos.settings import Settings
from testing.harness.client import Stub, connect
from testing.harness.processes.in_process import serving, settings_for


class ServedSessions(NamedTuple):
    """A server in the test's process: its settings, its address and a client of it."""

    settings: Settings
    address: str
    stub: Stub


@pytest.fixture(scope="module")
async def served(redis_server: RedisServer) -> AsyncIterator[ServedSessions]:
    """A server on real Redis."""
    settings = settings_for(redis_server.url)
    async with serving(settings) as server, connect(server.address) as stub:
        yield ServedSessions(settings, server.address, stub)


@pytest.fixture(scope="module")
def stub(served: ServedSessions) -> Any:
    """A client of a server."""
    return served.stub
