"""A tenant's calls over several servers, in virtual time."""

import asyncio
from statistics import fmean

import pytest

from synckairos.application.admission.budgets import Bucket, Budget, Lease
from synckairos.application.errors import RateLimited, StoreUnavailable

STEP_S = 0.001


class Shared:
    """The store of three servers: one bucket, and a clock that a test moves."""

    def __init__(self, rate: float, servers: int = 3) -> None:
        self.now = 0.0
        self.bucket: Bucket | None = None
        self.leases = 0
        self.is_away = False
        self.servers = [Budget("acme", rate, self, now=lambda: self.now) for _ in range(servers)]
        self.let_in: list[float] = []
        self.waited = 0
        self.refusals: list[RateLimited] = []

    async def lease(self, tenant: str, rate: float, most: float, wanted: int) -> Lease:
        """Take from the bucket."""
        assert tenant == "acme"
        self.leases += 1
        if self.is_away:
            raise StoreUnavailable("away")
        if self.bucket is None:
            self.bucket = Bucket(most, self.now)
        await asyncio.sleep(0)
        return self.bucket.take(rate, most, wanted, self.now)

    async def call(self, server: int) -> None:
        """Make a call."""
        try:
            if not self.servers[server].take():
                self.waited += 1
                await self.servers[server].wait()
            self.let_in.append(self.now)
        except RateLimited as error:
            self.refusals.append(error)

    async def flood(self, seconds: float, each: float) -> None:
        """Call every server at a rate for a while."""
        begun, made = self.now, 0
        while self.now < begun + seconds:
            self.now += STEP_S
            while made < (self.now - begun) * each:
                made += 1
                await asyncio.gather(*[self.call(server) for server in range(len(self.servers))])


@pytest.mark.parametrize("rate", [5.0, 40.0, 300.0])
async def test_three_servers_let_in_what_one_would(rate: float) -> None:
    """Three times as much is asked of each: at most a tenth too much in any second, and hardly too little."""
    shared = Shared(rate)
    await shared.flood(1.0, rate)  # every server holds what it may
    shared.now += 10.0  # and the bucket is full
    shared.let_in.clear()

    await shared.flood(4.0, 3 * rate)

    first = sum(at < 12.0 for at in shared.let_in)
    assert first <= 1.1 * 2 * rate  # a bucket of one server: what it holds, and what comes in that second
    steady = len(shared.let_in) - first
    assert 0.9 * 3 * rate <= steady <= 1.1 * 3 * rate


async def test_calls_within_the_limit_do_not_wait_for_the_store() -> None:
    """But for the first one: slices are leased in the background, and not for every call."""
    shared = Shared(1_000.0, servers=1)

    await shared.flood(5.0, 800.0)

    assert len(shared.let_in) >= 4_000
    assert shared.refusals == []
    assert shared.waited == 1
    assert shared.leases < 500


async def test_the_refused_are_asked_to_come_back_one_after_the_other() -> None:
    """Each at the earliest when there is a call for it, and with what the limit is."""
    shared = Shared(10.0, servers=1)

    await asyncio.gather(*[shared.call(0) for _ in range(60)])

    pauses = [error.retry_after_ms for error in shared.refusals]
    assert len(shared.let_in) == 9
    assert shared.refusals[0].details == {"limit": "10", "name": "calls_per_second"}
    assert pauses[0] < 400 < pauses[-1]
    thirds = [fmean(pauses[place * len(pauses) // 3 : (place + 1) * len(pauses) // 3]) for place in range(3)]
    assert thirds == sorted(thirds)


async def test_without_the_store_calls_are_let_in() -> None:
    """They will hear of it themselves."""
    shared = Shared(10.0)
    shared.is_away = True

    await shared.flood(0.5, 100.0)

    assert shared.refusals == []


async def test_what_nobody_uses_is_given_up() -> None:
    """A slice is held for a while, and not for ever."""
    shared = Shared(1_000.0, servers=1)
    await shared.call(0)
    (server,) = shared.servers

    looks = [server.lapse(), server.lapse()]

    assert looks == [True, False]
    assert not server.take()
