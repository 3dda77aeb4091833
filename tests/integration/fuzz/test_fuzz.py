"""A little of `make fuzz`: bytes of any kind, and good ones that were damaged, by Hypothesis."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synckairos.devstack import PostgresServer, RedisServer
from tests.integration.fuzz.calls import PATHS, Called, called, seeds_of
from tests.integration.fuzz.parsers import PARSERS

FUZZED = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck), max_examples=30
)


@pytest.fixture(scope="module")
async def server(redis_server: RedisServer, postgres_server: PostgresServer) -> AsyncIterator[Called]:
    """A server with a session in every state."""
    async with called(redis_server, postgres_server) as one:
        yield one


@st.composite
def damaged(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Return any bytes, or good ones with a piece that was replaced."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=200))
    seed = draw(st.sampled_from(seeds))
    start = draw(st.integers(0, len(seed)))
    return seed[:start] + draw(st.binary(max_size=8)) + seed[start + draw(st.integers(0, 8)) :]


@pytest.mark.parametrize("path", PATHS)
@FUZZED
@given(data=st.data())
async def test_no_request_breaks_a_method(server: Called, path: str, data: st.DataObject) -> None:
    """Whatever its bytes: it is answered by the contract."""
    await server.call(path, data.draw(damaged(seeds_of(path))))


@pytest.mark.parametrize("name", PARSERS)
@settings(FUZZED, max_examples=300)
@given(data=st.data())
def test_no_bytes_break_a_parser(name: str, data: st.DataObject) -> None:
    """It returns, or raises what it says."""
    parse, seeds = PARSERS[name]

    parse(data.draw(damaged(seeds)))
