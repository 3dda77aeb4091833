"""The look at held WATCHes that other tests rely on sees each of them, on every Redis."""

from collections.abc import Callable, Iterator

import pytest
from redis import Redis
from redis.client import Pipeline

from synckairos.devstack import RedisServer
from tests.contract.decisions import new_id
from tests.contract.held_watches import HeldWatches

ENDS: dict[str, Callable[[Pipeline], object]] = {
    "given up": lambda pipeline: pipeline.unwatch(),
    "carried out": lambda pipeline: (pipeline.multi(), pipeline.ping(), pipeline.execute()),
    "closed": lambda pipeline: pipeline.connection.disconnect(),
}


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    """A client."""
    with Redis.from_url(redis_server.url) as client:
        yield client


@pytest.mark.parametrize("how", list(ENDS))
def test_a_watch_is_seen_until_it_ends(redis: Redis, how: str) -> None:
    """Also that of a key that does not exist, behind a transaction that was carried out."""
    watches = HeldWatches(redis)
    with redis.pipeline() as pipeline:
        before = watches.holders()
        pipeline.watch(new_id())
        held = watches.holders()
        ENDS[how](pipeline)
        after = watches.holders()
    watches.close()

    assert (before, len(held), after) == ([], 1, [])
