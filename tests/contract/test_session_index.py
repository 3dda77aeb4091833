"""The listing order: newest first, page by page."""

import pytest

from synckairos.application.ports import Position, Request, SessionIndex, SessionStore
from synckairos.domain.commands import Cancel
from synckairos.domain.model import Session
from tests.contract.backends import Backend
from tests.contract.decisions import ask, create, creating, deleted, removed, until


def position(session: Session) -> Position:
    """Return a session's place in the listing."""
    return Position(session.created_at, session.session_id)


async def created_over_time(backend: Backend, store: SessionStore, count: int, step_ms: int = 7) -> list[Session]:
    """Create sessions some ms apart, and return them newest first."""
    sessions = []
    for _ in range(count):
        backend.clock.advance(step_ms)
        sessions.append(await create(store))
    return sessions[::-1]


async def pages(index: SessionIndex, size: int) -> list[list[Position]]:
    """Return every page."""
    found: list[list[Position]] = []
    after = None
    while page := await index.page(after, size):
        found.append(page)
        after = page[-1]
    return found


async def test_an_empty_store_lists_nothing(index: SessionIndex) -> None:
    """No sessions, no positions."""
    assert await index.page(None, 10) == []


async def test_newest_first(backend: Backend, store: SessionStore, index: SessionIndex) -> None:
    """Sessions are listed by creation, whichever partition they are in."""
    sessions = await created_over_time(backend, store, 40)

    assert await index.page(None, 100) == [position(session) for session in sessions]


async def test_sessions_of_one_millisecond_have_an_order_too(
    backend: Backend, store: SessionStore, index: SessionIndex
) -> None:
    """Ids decide between sessions created in the same millisecond, so that pages cut between them."""
    sessions = await created_over_time(backend, store, 30, step_ms=0)

    found = [one for page in await pages(index, 4) for one in page]

    assert found == sorted((position(session) for session in sessions), reverse=True)


@pytest.mark.parametrize("size", [1, 7, 20, 21], ids=lambda size: f"pages of {size}")
async def test_pages_follow_one_another_without_gap_or_overlap(
    backend: Backend, store: SessionStore, index: SessionIndex, size: int
) -> None:
    """All pages together are the listing; only the last one may be short."""
    sessions = await created_over_time(backend, store, 20)

    found = await pages(index, size)

    assert [one for page in found for one in page] == [position(session) for session in sessions]
    assert {len(page) for page in found[:-1]} <= {size}


async def test_paging_is_not_confused_by_sessions_that_come_and_go(
    backend: Backend, store: SessionStore, index: SessionIndex
) -> None:
    """New ones come before what was listed; the one a page ended with may be gone by the next page."""
    sessions = await created_over_time(backend, store, 9)
    first = await index.page(None, 3)
    await deleted(store, sessions[2].session_id)
    await removed(store, sessions[4].session_id)
    newer = await created_over_time(backend, store, 2)

    rest = await index.page(first[-1], 100)

    expected = [position(session) for place, session in enumerate(sessions) if place not in {0, 1, 2, 4}]
    assert rest == expected
    assert (await index.page(None, 2)) == [position(session) for session in newer]


async def test_ended_sessions_are_listed_until_they_are_removed(
    backend: Backend, store: SessionStore, index: SessionIndex
) -> None:
    """A terminal session stays in its place."""
    sessions = await created_over_time(backend, store, 3)
    await ask(store, sessions[1].session_id, Cancel())

    before = await index.page(None, 10)
    await removed(store, sessions[1].session_id)
    after = await index.page(None, 10)

    assert before == [position(session) for session in sessions]
    assert after == [position(sessions[0]), position(sessions[2])]


async def test_an_id_used_again_is_listed_once(backend: Backend, store: SessionStore, index: SessionIndex) -> None:
    """The place of the new life, not that of the old one."""
    (session,) = await created_over_time(backend, store, 1)
    await removed(store, session.session_id)
    backend.clock.advance(1_000)
    again = creating(session.session_id)
    await store.transact(session.session_id, Request(), again, until())

    assert await index.page(None, 10) == [position(again.session)]
