"""Tenants in a store: what one has, no other finds, be the ids the same."""

import pytest

from synckairos.application.ports import DeadlineIndex, Request, SessionStore
from synckairos.domain.commands import Pause, Start
from synckairos.domain.model import DAY_MS, Session
from synckairos.domain.tenancy import DEFAULT_TENANT, qualify
from tests.contract.backends import REPAIR_LOOKS, Backend
from tests.contract.decisions import ask, asking, create, creating, deleted, new_id, removed, stored, switched, until
from tests.contract.test_session_feed import listening

TENANTS = (DEFAULT_TENANT, "acme", "b")
LOOKS = REPAIR_LOOKS + len(TENANTS)
"""Looks that pass every index of sessions with one id."""


async def of_one_id(store: SessionStore) -> dict[str, Session]:
    """Create a running session for each tenant, all with the same id."""
    bare, found = new_id(), {}
    for tenant in TENANTS:
        session_id = qualify(tenant, bare)
        await store.transact(session_id, Request(), creating(session_id), until())
        found[tenant] = await ask(store, session_id, Start())
    return found


async def test_one_id_is_another_session_for_each_tenant(backend: Backend, store: SessionStore) -> None:
    """Each is changed, deleted and on its way to the trail by itself."""
    sessions = await of_one_id(store)
    ids = {tenant: session.session_id for tenant, session in sessions.items()}

    await switched(store, ids["acme"], 2)
    await deleted(store, ids["b"])

    versions = {tenant: found.version for tenant, one in ids.items() if (found := await stored(store, one))}
    outgoing = {tenant: [event.session.version for event, _, _ in backend.outgoing(one)] for tenant, one in ids.items()}
    assert versions == {DEFAULT_TENANT: 2, "acme": 4, "b": 3}
    assert outgoing == {DEFAULT_TENANT: [1, 2], "acme": [1, 2, 3, 4], "b": [1, 2, 3]}
    event = await store.event_at(ids["acme"], 4)
    assert event is not None
    assert event.session == await stored(store, ids["acme"])


async def test_a_request_id_is_the_tenants_own(store: SessionStore) -> None:
    """What one has asked is remembered for no other."""
    request = Request(new_id(), bytes(16))
    sessions = await of_one_id(store)

    first = {tenant: asking(Pause()) for tenant in TENANTS}
    again = {tenant: asking(Pause()) for tenant in TENANTS}
    for decisions in (first, again):
        for tenant, session in sessions.items():
            await store.transact(session.session_id, request, decisions[tenant], until())

    assert [one.readings[0].remembered for one in first.values()] == [None] * 3
    assert all(one.readings[0].remembered is not None for one in again.values())


async def test_a_list_has_the_tenants_sessions_alone(backend: Backend, store: SessionStore) -> None:
    """Page by page, from the first to the last."""
    index = await backend.index()
    sessions = [await of_one_id(store) for _ in range(3)]
    backend.clock.advance(5)
    sessions.append(await of_one_id(store))
    await removed(store, sessions[1]["acme"].session_id)

    for tenant, count in zip(TENANTS, (4, 3, 4), strict=True):
        whole = await index.page(None, 10, tenant)
        first = await index.page(None, 2, tenant)
        assert first + await index.page(first[-1], 10, tenant) == whole
        expected = {one[tenant].session_id for one in sessions} - {sessions[1]["acme"].session_id}
        assert {position.session_id for position in whole} == expected
        assert len(whole) == count
    assert await index.page(None, 10, "nobody") == []


async def test_all_that_is_due_is_found(backend: Backend, store: SessionStore, deadlines: DeadlineIndex) -> None:
    """Whosever it is: servers settle for all tenants."""
    sessions = await of_one_id(store)

    due = dict(await deadlines.due_before(backend.clock.ms + DAY_MS, 10))

    assert due == {one.session_id: backend.clock.ms + 600_000 for one in sessions.values()}


@pytest.mark.parametrize("tenant", TENANTS)
@pytest.mark.parametrize(("deadline", "is_live"), [(None, True), (0, True), (600_000, False)])
async def test_a_wrong_entry_of_any_tenant_is_put_right(
    backend: Backend, store: SessionStore, deadlines: DeadlineIndex, tenant: str, deadline: int | None, is_live: bool
) -> None:
    """That of the session named, and no other's."""
    sessions = await of_one_id(store)
    contents = backend.contents()
    due = None if deadline is None else backend.clock.ms + deadline
    backend.damage(sessions[tenant], deadline=due, is_live=is_live)

    repaired = [sum([await deadlines.repair() for _ in range(LOOKS)]) for _ in range(2)]

    assert repaired == [1, 0]
    assert backend.contents() == contents


async def test_hints_are_of_the_tenants_session(backend: Backend, store: SessionStore) -> None:
    """Its events come along with the name by which it was asked for."""
    sessions = await of_one_id(store)
    wanted = sessions["acme"].session_id
    async with listening(backend) as listener:
        await listener.until(bool)
        await listener.feed.subscribe(wanted)
        for session in sessions.values():
            await switched(store, session.session_id, 1)

        await listener.until(lambda _: listener.versions(wanted) == [3])
        hints = listener.hints[1:]

    assert [hint.session_id for hint in hints] == [wanted]
    assert hints[0].event is not None
    assert hints[0].event.session.session_id == wanted
    since = await listener.feed.since(wanted, 2)
    assert [event.session.session_id for event in since.events] == [wanted] * 2


async def test_default_has_what_it_had_before_there_were_tenants(backend: Backend, store: SessionStore) -> None:
    """No name of what is stored tells of tenants while there is no other."""
    await create(store, request=Request(new_id(), bytes(16)))

    assert "tenants" not in repr(backend.contents())
