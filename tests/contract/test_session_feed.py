"""Hints about sessions, and the retained events they are hints of."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from synckairos.application.ports import Hint, SessionStore, Since
from synckairos.domain.commands import Complete, Pause
from synckairos.domain.events import EventType
from synckairos.domain.model import Head
from tests.contract.backends import Backend, ListeningFeed
from tests.contract.decisions import ask, deleted, new_id, removed, running, switched

REPLY_S = 5.0


class Listener:
    """A process that listens: its feed, and the hints it got."""

    def __init__(self, feed: ListeningFeed) -> None:
        self.feed = feed
        self.hints: list[Hint] = []
        self._news = asyncio.Event()

    def take(self, hint: Hint) -> None:
        """Keep a hint."""
        self.hints.append(hint)
        self._news.set()

    async def until(self, condition: Callable[[list[Hint]], bool]) -> list[Hint]:
        """Return the hints once the condition holds."""
        async with asyncio.timeout(REPLY_S):
            while not condition(self.hints):
                self._news.clear()
                await self._news.wait()
        return self.hints

    def versions(self, session_id: str) -> list[int | None]:
        """Return the versions of the hints about a session, None for one without an event."""
        mine = [hint for hint in self.hints if hint.session_id == session_id]
        return [hint.event.session.version if hint.event else None for hint in mine]


@contextlib.asynccontextmanager
async def listening(backend: Backend) -> AsyncIterator[Listener]:
    """Run a process that listens."""
    listener = Listener(await backend.feed())
    task = asyncio.create_task(listener.feed.listen(listener.take))
    try:
        yield listener
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def listener(backend: Backend) -> AsyncIterator[Listener]:
    """A process that listens."""
    async with listening(backend) as listener:
        await listener.until(lambda hints: hints == [Hint("", None)])
        yield listener


async def test_every_commit_of_a_wanted_session_is_hinted_at(store: SessionStore, listener: Listener) -> None:
    """The event comes along, exactly as it was stored; the deletion is the last one."""
    session = await running(store)
    await listener.feed.subscribe(session.session_id)

    await switched(store, session.session_id, 3)
    await deleted(store, session.session_id)

    hints = await listener.until(lambda hints: len(hints) == 5)
    assert listener.versions(session.session_id) == [3, 4, 5, 6]
    stored = [await store.event_at(session.session_id, version) for version in (3, 4, 5, 6)]
    assert [hint.event for hint in hints[1:]] == stored
    assert hints[-1].event is not None
    assert hints[-1].event.type is EventType.SESSION_DELETED


async def test_nobody_hears_of_sessions_not_asked_for(store: SessionStore, listener: Listener) -> None:
    """Hints come for subscribed sessions only, and no more after unsubscribing."""
    wanted, left, other = [(await running(store)).session_id for _ in range(3)]
    await listener.feed.subscribe(wanted)
    await listener.feed.subscribe(left)
    await switched(store, left, 1)
    await listener.until(lambda _: listener.versions(left) == [3])

    listener.feed.unsubscribe(left)
    await listener.feed.subscribe(wanted)
    for session_id in (left, other, wanted):
        await switched(store, session_id, 2)

    await listener.until(lambda _: listener.versions(wanted) == [3, 4])
    assert listener.versions(left) == [3]
    assert listener.versions(other) == []


async def test_subscribing_again_after_leaving_works(store: SessionStore, listener: Listener) -> None:
    """Left and wanted again in one breath: from then on hints flow."""
    session = await running(store)
    await listener.feed.subscribe(session.session_id)
    listener.feed.unsubscribe(session.session_id)
    await listener.feed.subscribe(session.session_id)
    marker = (await running(store)).session_id
    await listener.feed.subscribe(marker)

    await switched(store, session.session_id, 1)

    await listener.until(lambda _: listener.versions(session.session_id) == [3])


async def test_every_listener_hears_it(backend: Backend, store: SessionStore, listener: Listener) -> None:
    """Two processes that want the same session both get the hint."""
    session = await running(store)
    async with listening(backend) as second:
        for one in (listener, second):
            await one.feed.subscribe(session.session_id)

        await switched(store, session.session_id, 1)

        for one in (listener, second):
            await one.until(lambda _, one=one: one.versions(session.session_id) == [3])  # type: ignore[misc] # bound now


async def test_removal_is_hinted_at_without_an_event(store: SessionStore, listener: Listener) -> None:
    """A session that is taken out of the store makes no version, but watchers are told to look."""
    session = await running(store)
    await ask(store, session.session_id, Complete())
    await listener.feed.subscribe(session.session_id)

    await removed(store, session.session_id)

    await listener.until(lambda _: listener.versions(session.session_id) == [None])


async def test_events_since_a_version(backend: Backend, store: SessionStore) -> None:
    """The retained events from a version on, that one included, oldest first, with the session as it is."""
    feed = await backend.feed()
    session = await running(store)
    now = await switched(store, session.session_id, 4)

    for version, expected in ((4, [4, 5, 6]), (6, [6]), (7, []), (0, [1, 2, 3, 4, 5, 6])):
        since = await feed.since(session.session_id, version)
        assert [event.session.version for event in since.events] == expected
        assert since.session == now


async def test_events_since_a_version_that_has_left_the_window(backend: Backend, store: SessionStore) -> None:
    """What is retained begins later: the caller sees the gap by the first version."""
    feed = await backend.feed()
    session = await running(store)
    now = await switched(store, session.session_id, 20)

    since = await feed.since(session.session_id, 3)

    assert [event.session.version for event in since.events] == list(range(now.version - 15, now.version + 1))


async def test_what_is_not_there_has_no_events(backend: Backend, store: SessionStore) -> None:
    """Neither an unknown session nor a removed one; a deleted one keeps its events and its tombstone."""
    feed = await backend.feed()
    gone, dead = await running(store), await running(store)
    await removed(store, gone.session_id)
    tombstone = await deleted(store, dead.session_id)

    for session_id in (new_id(), gone.session_id):
        assert await feed.since(session_id, 0) == Since([], None)
    since = await feed.since(dead.session_id, 2)
    assert [event.type for event in since.events] == [EventType.SESSION_STARTED, EventType.SESSION_DELETED]
    assert since.session == tombstone


async def test_heads_name_the_versions(backend: Backend, store: SessionStore) -> None:
    """Epoch, version and change id of each session in the order asked, None for one that is not there."""
    feed = await backend.feed()
    first, second = await running(store), await running(store)
    paused = await ask(store, second.session_id, Pause())

    heads = await feed.heads([second.session_id, new_id(), first.session_id])

    assert heads == [
        Head(paused.epoch, paused.version, paused.change_id),
        None,
        Head(first.epoch, first.version, first.change_id),
    ]
