"""The use cases on memory."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.unit.rpc.use_cases import UseCases


@pytest.fixture
async def cases() -> AsyncIterator[UseCases]:
    """The use cases on memory; at the end nothing of theirs may be left running."""
    cases = UseCases()
    yield cases
    await asyncio.sleep(0)
    await cases.watching.stop()
