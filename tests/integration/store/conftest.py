"""Processes on one Redis: with a line that can be broken, or with a clock that is driven."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from synckairos.devstack import RedisServer
from tests.contract.backends import RedisBackend
from tests.contract.lines import Line, broken_line


@pytest.fixture
async def line(redis_server: RedisServer) -> AsyncIterator[Line]:
    """A process with a line that can be looked at, held up and broken."""
    async with broken_line(redis_server) as line:
        yield line


@pytest.fixture
async def backend(redis_server: RedisServer) -> AsyncIterator[RedisBackend]:
    """A key prefix of Redis, and its time driven."""
    async with AsyncExitStack() as stack:
        yield RedisBackend(redis_server.url, stack)
