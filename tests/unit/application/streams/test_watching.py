"""Joining, following and leaving sessions while they change: nothing is missed, nothing is left behind."""

import asyncio
from typing import Any

import pytest

from synckairos.application.errors import StoreUnavailable
from synckairos.application.ports import Hint
from synckairos.application.streams import beats
from synckairos.application.streams.frames import Frame, FrameKind
from synckairos.application.streams.subscriptions import Subscription
from synckairos.domain.commands import Cancel, Delete, Start, Switch
from synckairos.domain.errors import SessionNotFound
from testing.harness.playing.plays import SID
from tests.unit.application.streams.watched import create, do, during, follow, head_of, told, turns
from tests.unit.rpc.use_cases import UseCases


async def test_a_change_while_joining_is_not_missed(cases: UseCases) -> None:
    """The session moves on between reading and snapshot, its hint overtaking: the stream comes to it at once."""
    await create(cases)
    during(cases.sessions, "get", lambda: do(cases, Start(), Switch()))

    subscription = await follow(cases)
    await turns()

    assert told(subscription) == [("SNAPSHOT", 1), ("EVENT", 2), ("EVENT", 3)]


async def test_a_deletion_while_joining_ends_the_stream(cases: UseCases) -> None:
    """Deleted between the reading and the snapshot, the session is ended like any other; nobody waits for ever."""
    position = head_of(await create(cases))
    first = await follow(cases)
    during(cases.feed, "since", lambda: do(cases, Delete()))

    second = await follow(cases, position)
    await turns()

    assert told(first)[-1] == told(second)[-1] == ("END", 2)


@pytest.mark.parametrize("hints_are_lost", [False, True], ids=["with hints", "hints lost"])
async def test_joining_amid_changes_leaves_no_hole(cases: UseCases, hints_are_lost: bool) -> None:
    """Two hundred switches run while twenty readers join, with a token or without: each sees every later version."""
    token = head_of(await create(cases))
    await do(cases, Start())
    if hints_are_lost:
        cases.data.listeners.clear()
    readers = [Subscription(limit=1_000) for _ in range(20)]

    async def switching() -> None:
        for _ in range(200):
            await do(cases, Switch())

    async def joining(place: int, reader: Subscription) -> None:
        await turns(place * 15)
        await cases.watching.join(SID, token if place < 3 else None, reader)

    await asyncio.gather(switching(), *(joining(place, reader) for place, reader in enumerate(readers)))
    cases.watching.hint(Hint(SID, None))
    await turns(50)

    for reader in readers:
        kinds_versions = told(reader)
        seen = kinds_versions[0][1]
        for kind, version in kinds_versions[1:]:
            assert version == seen + 1 if kind == "EVENT" else version >= seen, kinds_versions
            seen = version
        assert seen == 202


@pytest.mark.parametrize("failing", ["subscribe", "since"])
async def test_a_join_that_fails_leaves_nothing(cases: UseCases, failing: str) -> None:
    """The store going away in the middle of a join is told, and the session is not listened to any more."""
    position = head_of(await create(cases))

    async def fail(*_: Any) -> Any:
        raise StoreUnavailable("gone")

    setattr(cases.feed, failing, fail)

    with pytest.raises(StoreUnavailable):
        await follow(cases, position)

    assert not cases.subscribed
    assert not cases.watching._topics


async def test_the_last_reader_to_leave_takes_everything_with_it(cases: UseCases) -> None:
    """Topic, subscription, metronomes and their tasks go with the last reader of two."""
    await create(cases)
    readers = [Subscription(100, 250), Subscription(100)]
    for reader in readers:
        await cases.watching.join(SID, None, reader)
    assert sorted(cases.watching._beats._metronomes) == [100, 250]
    metronomes = list(cases.watching._beats._background._tasks.values())

    cases.watching.leave(SID, readers[0])
    assert sorted(cases.watching._beats._metronomes) == [100]
    assert cases.subscribed == {SID}
    cases.watching.leave(SID, readers[1])
    await turns()

    assert not cases.subscribed
    assert not cases.watching._topics
    assert not cases.watching._beats._metronomes
    assert all(metronome.cancelled() for metronome in metronomes)
    assert cases.observed.open == 0


async def test_nothing_follows_the_end_of_a_session(cases: UseCases) -> None:
    """In a stream of many sessions, one that was deleted while it ran neither ticks nor progresses any more."""
    await create(cases)
    await do(cases, Start())
    subscription = Subscription(100, 100)
    await cases.watching.join(SID, None, subscription)
    await do(cases, Delete())
    assert told(subscription)[-1] == ("END", 3)

    ((topic, followers),) = cases.watching._beats._followers[100].items()
    beats._send(topic, cases.clock.ms + 100, 100, followers)

    assert told(subscription) == []


async def test_a_reader_that_joins_a_draining_server_is_sent_away(cases: UseCases) -> None:
    """A join that was under way when the drain began is told to come back elsewhere like everybody else."""
    await create(cases)
    early = await follow(cases)
    during(cases.sessions, "get", lambda: cases.watching.drain(lambda: 321))

    late = await follow(cases)

    for subscription in (early, late):
        *_, end = subscription.take()
        assert (end.kind, end.reason.name if end.reason else "", end.value) == (FrameKind.END, "DRAINING", 321)


async def test_lost_hints_are_made_up_for_by_the_poll(cases: UseCases) -> None:
    """Without a single hint the poll brings the subscribers up to date, and ends those whose session is gone."""
    await create(cases)
    subscription = await follow(cases)
    cases.data.listeners.clear()
    poll = asyncio.ensure_future(cases.watching.poll())

    await do(cases, Start(), Switch())
    cases.watching.hint(Hint("", None))
    await turns()
    assert told(subscription) == [("SNAPSHOT", 1), ("EVENT", 2), ("EVENT", 3)]
    del cases.data.sessions[SID]
    cases.watching.hint(Hint("", None))
    await turns()
    assert told(subscription) == [("END", 3)]

    poll.cancel()


async def test_a_store_that_is_away_ends_nothing(cases: UseCases) -> None:
    """An outage is no deletion: streams stay, and go on when the store is back."""
    await create(cases)
    subscription = await follow(cases)
    poll = asyncio.ensure_future(cases.watching.poll())
    cases.data.failure = StoreUnavailable("away")
    for hint in (Hint(SID, None), Hint("", None)):
        cases.watching.hint(hint)
    await turns()
    assert told(subscription) == [("SNAPSHOT", 1)]

    cases.data.failure = None
    await do(cases, Start())
    await turns()

    assert told(subscription) == [("EVENT", 2)]
    poll.cancel()


async def test_an_unknown_session_is_refused(cases: UseCases) -> None:
    """Nothing is sent, and nobody listens to it."""
    with pytest.raises(SessionNotFound):
        await follow(cases)

    assert not cases.subscribed


async def test_a_session_that_has_ended_is_shown_once(cases: UseCases) -> None:
    """Its snapshot, then the end."""
    await create(cases)
    await do(cases, Cancel())

    assert told(await follow(cases)) == [("SNAPSHOT", 2), ("END", 2)]


class Sleeps:
    """A metronome's sleeps, each ended by the test's clock."""

    def __init__(self, cases: UseCases, early_us: int) -> None:
        self._clock = cases.clock
        self._early_us = early_us
        self.slept = 0

    async def sleep(self, seconds: float) -> None:
        """Move the clock to just before the end of the sleep."""
        self._clock.us += max(1, round(seconds * 1_000_000) - self._early_us)
        self.slept += 1
        if self.slept == 6:
            raise asyncio.CancelledError


@pytest.mark.parametrize("early_us", [0, 1, 700], ids=["on time", "1 us early", "a rounded timer early"])
async def test_every_multiple_of_the_interval_ticks_once(
    cases: UseCases, monkeypatch: pytest.MonkeyPatch, early_us: int
) -> None:
    """A timer that wakes a moment early neither repeats a tick nor shifts the ones behind it."""
    await create(cases)
    await do(cases, Start())
    ticks: list[Frame] = []
    subscription = Subscription(250)
    monkeypatch.setattr(subscription, "put_tick", ticks.append)
    await cases.watching.join(SID, None, subscription)
    cases.watching._beats.stop()
    await asyncio.sleep(0)
    sleeps = Sleeps(cases, early_us)
    monkeypatch.setattr("synckairos.application.streams.beats.asyncio.sleep", sleeps.sleep)

    with pytest.raises(asyncio.CancelledError):
        await cases.watching._beats._beat(250)

    instants = [tick.at for tick in ticks]
    assert all(at % 250 == 0 for at in instants)
    assert instants == list(range(instants[0], instants[0] + 5 * 250, 250))
