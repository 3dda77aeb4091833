"""Committing changes to a store: all of a plan or nothing, and nothing lost between competing writers."""

import asyncio

import pytest

from synckairos.application.errors import Contention
from synckairos.application.ports import Decision, Position, Reading, Request, SessionStore
from synckairos.domain.commands import Command, Complete, Pause, Resume, Start, Switch
from synckairos.domain.model import DAY_MS, Session, Status
from tests.contract.backends import Backend
from tests.contract.decisions import (
    Recorded,
    ask,
    asking,
    create,
    creating,
    deleted,
    new_id,
    removed,
    removing,
    running,
    stored,
    switched,
    until,
)

NOBODY = Request()
SLACK_MS = 10_000
"""How far an expiry may be off: the real keys expire by the real clock while the test runs."""


async def test_a_plan_without_events_changes_nothing(backend: Backend, store: SessionStore) -> None:
    """A refusal leaves everything byte for byte as it was, even what would be remembered of the request."""
    session = await running(store)
    before = backend.contents()

    await store.transact(session.session_id, Request(new_id(), bytes(16), "peer"), asking(Resume()), until())

    assert backend.contents() == before


async def test_a_decision_that_fails_changes_nothing_and_blocks_nobody(backend: Backend, store: SessionStore) -> None:
    """What `decide` raises reaches the caller; the session is as before and the next caller gets on."""
    session = await running(store)
    before = backend.contents()

    def fail(_: Reading) -> Decision:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.transact(session.session_id, NOBODY, fail, until())

    assert backend.contents() == before
    assert (await ask(store, session.session_id, Pause())).version == session.version + 1


async def test_every_event_goes_to_the_audit_trail_with_its_origin(backend: Backend, store: SessionStore) -> None:
    """In the order of the versions, each with the request id and the peer it came from, if any."""
    request = Request(new_id(), bytes(16), "ipv4:10.0.0.7:4711")

    session = await create(store, None, request)
    await ask(store, session.session_id, Start())
    await deleted(store, session.session_id, Request(peer="peer"))

    sent = backend.outgoing(session.session_id)
    assert [event.session.version for event, _, _ in sent] == [1, 2, 3]
    assert [(request_id, peer) for _, request_id, peer in sent] == [
        (request.request_id, request.peer),
        ("", ""),
        ("", "peer"),
    ]
    assert sent[0][0].session == session


async def test_a_deleted_id_stays_taken(backend: Backend, store: SessionStore) -> None:
    """A tombstone is all that is left, for a day; its events are readable ten minutes longer; no index knows it."""
    session = await running(store)
    tombstone = await deleted(store, session.session_id)
    attempt = creating(session.session_id)

    await store.transact(session.session_id, NOBODY, attempt, until())

    assert tombstone.deleted
    assert attempt.decisions == [Decision(None)]
    assert await stored(store, session.session_id) == tombstone
    assert backend.lives_ms("session", session.session_id) == pytest.approx(DAY_MS, abs=SLACK_MS)
    assert backend.lives_ms("events", session.session_id) == pytest.approx(600_000, abs=SLACK_MS)
    assert await is_indexed(backend, session) == (False, False)


@pytest.mark.parametrize("commands", [[], [Start()], [Start(), Pause()]], ids=["pending", "running", "paused"])
async def test_what_has_not_ended_never_leaves_by_itself(
    backend: Backend, store: SessionStore, commands: list[Command]
) -> None:
    """However long every server is down, the session and its events are there; a request is remembered for an hour."""
    request = Request(new_id(), bytes(16))
    session = await create(store, None, request)

    for command in commands:
        await ask(store, session.session_id, command)

    assert [backend.lives_ms(what, session.session_id) for what in ("session", "events")] == [-1, -1]
    remembered = backend.lives_ms("request", session.session_id, request.request_id)
    assert remembered == pytest.approx(3_600_000, abs=SLACK_MS)


async def test_what_has_ended_leaves_a_day_after_its_hour(backend: Backend, store: SessionStore) -> None:
    """The expiry of the keys is a belt beyond what the sweep removes."""
    session = await running(store)

    await ask(store, session.session_id, Complete())

    for what in ("session", "events"):
        assert backend.lives_ms(what, session.session_id) == pytest.approx(DAY_MS + 3_600_000, abs=SLACK_MS)


async def test_removal_leaves_nothing_but_the_audit_trail(backend: Backend, store: SessionStore) -> None:
    """A session whose time is up is gone with its events and index entries; that is no version, so no event."""
    session = await running(store)
    await ask(store, session.session_id, Complete())

    await removed(store, session.session_id)

    assert await stored(store, session.session_id) is None
    assert [await store.event_at(session.session_id, version) for version in range(1, 5)] == [None] * 4
    assert await is_indexed(backend, session) == (False, False)
    assert [event.session.version for event, _, _ in backend.outgoing(session.session_id)] == [1, 2, 3]


async def test_removing_what_is_not_there_does_nothing(backend: Backend, store: SessionStore) -> None:
    """Who comes second finds nothing to remove."""
    before = backend.contents()
    session_id = new_id()

    await store.transact(session_id, NOBODY, removing(), until())
    await store.transact(session_id, NOBODY, lambda _: Decision(None, remove=True), until())

    assert backend.contents() == before


async def test_a_collision_is_decided_again_with_the_newest_session(backend: Backend, store: SessionStore) -> None:
    """Another process' commit between reading and writing: the decision is made once more, and nothing is lost."""
    session = await running(store)
    others = session._replace(version=session.version + 1, change_id=new_id(), labels=(("set", "meanwhile"),))
    switch = asking(Switch())

    def decide(reading: Reading) -> Decision:
        if not switch.readings:
            backend.overwrite(others)
        return switch(reading)

    await store.transact(session.session_id, NOBODY, decide, until())

    assert [reading.session for reading in switch.readings] == [session, others]
    after = await stored(store, session.session_id)
    assert after == switch.session
    assert (switch.session.version, switch.session.labels) == (session.version + 2, others.labels)
    assert [event.session.version for event, _, _ in backend.outgoing(session.session_id)][-1] == session.version + 2


async def test_a_creation_that_collides_finds_the_other_one(backend: Backend, store: SessionStore) -> None:
    """A session that appears between looking and creating is not overwritten."""
    others = await create(store)
    await removed(store, others.session_id)
    attempt = creating(others.session_id)

    def decide(reading: Reading) -> Decision:
        if not attempt.readings:
            backend.overwrite(others)
        return attempt(reading)

    await store.transact(others.session_id, NOBODY, decide, until())

    assert [reading.session for reading in attempt.readings] == [None, others]
    assert await stored(store, others.session_id) == others


async def test_endless_collisions_end_with_the_callers_time(backend: Backend, store: SessionStore) -> None:
    """CONTENTION once the time is up, and nothing of the caller's is stored."""
    session = await running(store)
    latest = session
    switch = asking(Switch())

    def decide(reading: Reading) -> Decision:
        nonlocal latest
        latest = latest._replace(version=latest.version + 1, change_id=new_id())
        backend.overwrite(latest)
        return switch(reading)

    with pytest.raises(Contention):
        await store.transact(session.session_id, NOBODY, decide, until(1.0))

    assert len(switch.readings) > 1
    assert await stored(store, session.session_id) == latest
    assert len(backend.outgoing(session.session_id)) == session.version


async def test_no_unconditional_switch_is_lost(backend: Backend, store: SessionStore) -> None:
    """Two processes, forty callers: the version moves by forty, and each caller led to a version of its own."""
    stores = [store, await backend.store()]
    session = await running(store)
    switches = [asking(Switch()) for _ in range(40)]

    await asyncio.gather(
        *(
            stores[place % 2].transact(session.session_id, NOBODY, switch, until())
            for place, switch in enumerate(switches)
        )
    )

    after = await stored(store, session.session_id)
    assert after is not None
    assert after.version == session.version + 40
    assert sum(participant.cycle_count for participant in after.participants) == 40
    versions = sorted(switch.session.version for switch in switches)
    assert versions == list(range(session.version + 1, session.version + 41))
    sent = [event.session.version for event, _, _ in backend.outgoing(session.session_id)]
    assert sent == list(range(1, session.version + 41))


async def test_one_of_many_creations_wins(backend: Backend, store: SessionStore) -> None:
    """Twenty callers of two processes create the same id: one does, and what it stored stays."""
    stores = [store, await backend.store()]
    session_id = new_id()
    attempts: list[Recorded] = [creating(session_id) for _ in range(20)]

    await asyncio.gather(
        *(stores[place % 2].transact(session_id, NOBODY, one, until()) for place, one in enumerate(attempts))
    )

    winners = [attempt for attempt in attempts if attempt.events]
    assert len(winners) == 1
    assert await stored(store, session_id) == winners[0].session
    assert len(backend.outgoing(session_id)) == 1


async def test_sessions_do_not_wait_for_one_another(store: SessionStore) -> None:
    """Changes of many sessions at once all succeed, in whichever order."""
    sessions = [await running(store) for _ in range(5)]

    after = await asyncio.gather(*(switched(store, session.session_id, 4) for session in sessions))

    assert [one.version for one in after] == [session.version + 4 for session in sessions]
    assert {one.status for one in after} == {Status.RUNNING}


async def is_indexed(backend: Backend, session: Session) -> tuple[bool, bool]:
    """Return whether a session is in the listing, and whether it has a deadline."""
    listed = await (await backend.index()).page(None, 10_000)
    due = await (await backend.deadlines()).due_before(backend.clock.ms + 100 * DAY_MS, 10_000)
    return Position(session.created_at, session.session_id) in listed, session.session_id in dict(due)
