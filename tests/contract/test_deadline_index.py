"""The deadline index: what changes by itself and when, and how it is kept right."""

import pytest

from synckairos.application.ports import DeadlineIndex, SessionStore
from synckairos.domain import timing
from synckairos.domain.commands import AdjustTime, Complete, Pause, Resume, Start, Switch
from synckairos.domain.model import DAY_MS, Session
from tests.contract.backends import REPAIR_LOOKS, Backend
from tests.contract.decisions import (
    LIFETIMES,
    ask,
    create,
    deleted,
    new_id,
    removed,
    running,
    stored,
    turns_of,
    two_players,
)


async def boundary_in_index(backend: Backend, deadlines: DeadlineIndex, session_id: str) -> int | None:
    """Return when the index says a session changes by itself."""
    due = dict(await deadlines.due_before(backend.clock.ms + 1_000 * DAY_MS, 10_000))
    return due.get(session_id)


async def repairs(deadlines: DeadlineIndex) -> int:
    """Walk through the whole index once and return how many sessions were put right."""
    return sum([await deadlines.repair() for _ in range(REPAIR_LOOKS)])


async def is_right(backend: Backend, store: SessionStore, deadlines: DeadlineIndex, session_id: str) -> bool:
    """Whether the index has a session's next boundary, and no entry for a session that has none."""
    session = await stored(store, session_id)
    boundary = timing.next_boundary(session, LIFETIMES) if session else None
    return await boundary_in_index(backend, deadlines, session_id) == (boundary.at if boundary else None)


async def test_every_change_moves_the_boundary(backend: Backend, store: SessionStore, deadlines: DeadlineIndex) -> None:
    """Idle, deadline, pause, resume, adjustment and end: the index always says when the next boundary is."""
    bank, idle, retention = 600_000, LIFETIMES.idle_ms, LIFETIMES.terminal_ms
    session = await create(store, two_players(bank))
    sid, start = session.session_id, backend.clock.ms
    seen = [await boundary_in_index(backend, deadlines, sid)]
    await ask(store, sid, Start())
    seen.append(await boundary_in_index(backend, deadlines, sid))
    backend.clock.advance(5_000)
    for command in (
        Switch(),
        Pause(),
        Resume(),
        AdjustTime(session.participants[1].participant_id, delta_ms=-100_000),
        Complete(),
    ):
        await ask(store, sid, command)
        seen.append(await boundary_in_index(backend, deadlines, sid))

    now = start + 5_000
    assert seen == [
        start + idle, start + bank, now + bank, now + idle, now + bank, now + bank - 100_000, now + retention,
    ]  # fmt: skip


@pytest.mark.parametrize("end", [deleted, removed], ids=["deleted", "removed"])
async def test_a_session_that_is_gone_has_no_boundary(
    backend: Backend, store: SessionStore, deadlines: DeadlineIndex, end: object
) -> None:
    """Neither a tombstone nor what was removed is ever due."""
    session = await running(store)
    await end(store, session.session_id)  # type: ignore[operator] # one of the two above

    assert await boundary_in_index(backend, deadlines, session.session_id) is None


async def test_what_is_due_by_an_instant(backend: Backend, store: SessionStore, deadlines: DeadlineIndex) -> None:
    """At its boundary a session is due, a millisecond before it is not."""
    sessions = [await running(store, two_players(bank)) for bank in (10_000, 20_000, 30_000)]

    early = await deadlines.due_before(backend.clock.ms + 9_999, 100)
    due = await deadlines.due_before(backend.clock.ms + 20_000, 100)

    assert early == []
    expected = {
        session.session_id: backend.clock.ms + bank for session, bank in zip(sessions, (10_000, 20_000), strict=False)
    }
    assert dict(due) == expected


async def test_dropping_leaves_what_exists(backend: Backend, store: SessionStore, deadlines: DeadlineIndex) -> None:
    """An entry without a session goes; one of a session that exists, or was created meanwhile, stays."""
    session, gone = await running(store), await running(store)
    await removed(store, gone.session_id)
    backend.damage(gone, deadline=backend.clock.ms, is_live=False)

    await deadlines.drop(session.session_id)
    await deadlines.drop(gone.session_id)
    await deadlines.drop(new_id())

    assert await is_right(backend, store, deadlines, session.session_id)
    assert await boundary_in_index(backend, deadlines, gone.session_id) is None


async def test_a_right_index_is_left_alone(backend: Backend, store: SessionStore, deadlines: DeadlineIndex) -> None:
    """Looking through everything puts nothing right, and changes nothing."""
    for spec in (None, turns_of(1_000), two_players(1_000)):
        await running(store, spec)
    await deleted(store, (await create(store)).session_id)
    before = backend.contents()

    assert await repairs(deadlines) == 0
    assert backend.contents() == before


@pytest.mark.parametrize(
    ("shift_ms", "is_live"),
    [(None, True), (0, False), (-500, True), (86_400_000, True)],
    ids=["no deadline", "not listed", "too early", "too late"],
)
async def test_a_wrong_entry_is_put_right(
    backend: Backend, store: SessionStore, deadlines: DeadlineIndex, shift_ms: int | None, is_live: bool
) -> None:
    """Whatever one of a session's entries has become, looking through everything repairs it, once."""
    sessions = [await running(store) for _ in range(3)]
    boundary = backend.clock.ms + 600_000
    backend.damage(sessions[1], deadline=None if shift_ms is None else boundary + shift_ms, is_live=is_live)
    listed = [session.session_id for session in sessions]

    repaired, again = await repairs(deadlines), await repairs(deadlines)

    assert (repaired, again) == (1, 0)
    assert [await boundary_in_index(backend, deadlines, one) for one in listed] == [boundary] * 3
    index = await (await backend.index()).page(None, 10)
    assert {position.session_id for position in index} == set(listed)


@pytest.mark.parametrize("end", [deleted, removed], ids=["tombstone", "nothing"])
async def test_entries_of_what_is_gone_are_taken_out(
    backend: Backend, store: SessionStore, deadlines: DeadlineIndex, end: object
) -> None:
    """An entry that points to a tombstone or to nothing is repaired away; it would be due for ever."""
    session: Session = await running(store)
    await end(store, session.session_id)  # type: ignore[operator] # one of the two above
    backend.damage(session, deadline=backend.clock.ms - 1, is_live=True)

    repaired = await repairs(deadlines)

    assert repaired == 1
    assert await boundary_in_index(backend, deadlines, session.session_id) is None
