"""Limits of sessions, of their switches, and of what is open."""

import asyncio
from collections import Counter
from collections.abc import Mapping

import pytest

from synckairos.application.admission.holdings import Holding
from synckairos.application.admission.limits import EVERYBODY, Limits, LimitTable
from synckairos.application.admission.paces import Paces
from synckairos.application.admission.rooms import FRESH_S, Rooms
from synckairos.application.errors import RateLimited
from synckairos.application.ports import Reading
from testing.harness.builders import per_participant, started

ACME = "acme/11111111-1111-4111-8111-111111111111"


def limited(**limits: float) -> LimitTable:
    """Return limits for everybody but the tenant `free`."""
    return LimitTable({EVERYBODY: Limits(**limits), "free": Limits()})  # type: ignore[arg-type] # counts are whole here


class Shared:
    """What servers say they hold."""

    def __init__(self) -> None:
        self.held: dict[int, Counter[str]] = {}

    def server(self, table: LimitTable) -> Holding:
        """Return one more server."""
        shared, number = self, len(self.held)
        self.held[number] = Counter()

        class Said:
            async def hold(self, name: str, count: int) -> int:
                shared.held[number][name] = count
                await asyncio.sleep(0)
                return sum(counts[name] for other, counts in shared.held.items() if other != number)

            async def say(self, counts: Mapping[str, int]) -> None:
                shared.held[number] = Counter(counts)

        return Holding(Said(), table.of)


async def test_a_subject_has_so_many_streams_on_all_servers_together() -> None:
    """Another subject has its own, and a stream that ends makes room for another."""
    shared = Shared()
    one, two = [shared.server(limited(streams=2)) for _ in range(2)]

    async with one.stream("acme", "ann", 0), two.stream("acme", "ann", 0):
        with pytest.raises(RateLimited, match="the subject may have 2 streams") as refused:
            async with two.stream("acme", "ann", 0):
                pytest.fail("it is the third")
        async with two.stream("acme", "bob", 0), two.stream("free", "ann", 0):
            pass
    await two.say()
    async with one.stream("acme", "ann", 0), one.stream("acme", "ann", 0):
        pass

    assert refused.value.details == {"limit": "2", "name": "streams"}


async def test_of_those_that_come_at_once_never_too_many_stay() -> None:
    """Each says that it is there before it looks at the others."""
    shared = Shared()
    servers = [shared.server(limited(watchers=100)) for _ in range(3)]
    left = asyncio.Event()
    open_now = 0

    async def watch(place: int) -> None:
        nonlocal open_now
        async with servers[place % 3].stream("acme", str(place), 10):
            open_now += 10
            await left.wait()

    watches = [asyncio.ensure_future(watch(place)) for place in range(30)]
    await asyncio.wait(watches, timeout=0.05)
    opened = open_now
    left.set()
    results = await asyncio.gather(*watches, return_exceptions=True)

    assert 70 <= opened <= 100
    assert sum(isinstance(one, RateLimited) for one in results) == 30 - opened / 10


async def test_sessions_are_counted_only_now_and_then() -> None:
    """Three servers fill the room of a thousand with few looks, and stay within a hundredth of it."""
    sessions, looks = 0, 0

    async def count(_tenant: str) -> int:
        nonlocal looks
        looks += 1
        return sessions

    servers = [Rooms(count, limited(sessions=1_000).of, now=lambda: looks * FRESH_S / 10) for _ in range(3)]

    refused = 0
    for place in range(1_200):
        if await servers[place % 3].reserve("acme") is None:
            sessions += 1
        else:
            refused += 1

    assert 990 <= sessions <= 1_010
    assert refused >= 190
    assert looks < 300
    assert await servers[0].reserve("free") is None


def switched(times: int, version: int) -> Reading:
    """Return a session that has had so many turns, read at an instant."""
    session = started(per_participant(60_000, 60_000)).session._replace(cycle_number=times, updated_at=0)
    return Reading(session, version)


def test_a_session_is_switched_so_often_whoever_does_it() -> None:
    """Two servers that take turns let through what one would: each sees the turns that the other has ended."""
    servers = [Paces(limited(switches_per_second=5).of) for _ in range(2)]
    turns, refusals = 0, []
    for ms in range(10_000):
        try:
            servers[ms % 2].judge(ACME, switched(turns, ms * 1_000))
            turns += 1
        except RateLimited as error:
            refusals.append(error)

    assert 50 <= turns <= 55
    assert {error.details["name"] for error in refusals} == {"switches_per_second"}
    assert {error.retry_after_ms for error in refusals} <= set(range(1, 201))


def test_a_server_that_sees_a_session_for_the_first_time_is_not_fooled() -> None:
    """It knows when the session has changed last, and how many turns it has had."""
    limits = limited(switches_per_second=5).of

    Paces(limits).judge(ACME, switched(0, 0))
    Paces(limits).judge(ACME, switched(1_000, 250_000))
    with pytest.raises(RateLimited):
        Paces(limits).judge(ACME, switched(1_000, 150_000))
    Paces(limits).judge("free/" + ACME.rpartition("/")[2], switched(1_000, 0))
