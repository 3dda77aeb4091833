"""Changes that have to be more than stored: what is told of them, and that they are stored all the same."""

import pytest

from synckairos.application.errors import DurabilityUnmet
from synckairos.application.ports import Decision, Receipt, Request, SessionStore
from synckairos.domain.commands import Start
from synckairos.domain.model import IN_MEMORY, Durability, DurabilityLevel
from tests.contract.backends import Backend, FakeBackend
from tests.contract.decisions import asking, creating, new_id, stored, two_players, until

ONE_REPLICA = Durability(DurabilityLevel.REPLICAS, 1)
"""Which the Redis of these tests does not have."""


@pytest.mark.parametrize("asked", [None, IN_MEMORY], ids=["nothing", "memory"])
async def test_nothing_is_waited_for_unless_it_is_asked_for(asked: Durability | None, store: SessionStore) -> None:
    """A change and its retry are told that they are in memory."""
    session_id, request, receipts = new_id(), Request(new_id(), bytes(16)), [Receipt(), Receipt()]

    await store.transact(
        session_id, request, creating(session_id, two_players(durability=asked)), until(), receipt=receipts[0]
    )
    await store.transact(session_id, request, lambda _: Decision(None, again=True), until(), receipt=receipts[1])

    assert [receipt.durability for receipt in receipts] == [IN_MEMORY] * 2


async def test_what_is_not_durable_in_time_is_stored_all_the_same(backend: Backend, store: SessionStore) -> None:
    """Its caller hears that nobody knows, and so does its retry; what settles what is due waits for nothing."""
    if isinstance(backend, FakeBackend):
        backend.data.is_unmet = True
    session_id, request = new_id(), Request(new_id(), bytes(16))
    create = creating(session_id, two_players(durability=ONE_REPLICA))

    with pytest.raises(DurabilityUnmet):
        await store.transact(session_id, request, create, until())
    with pytest.raises(DurabilityUnmet):
        await store.transact(session_id, request, lambda _: Decision(None, again=True), until())
    start = asking(Start())
    await store.transact(session_id, Request(), start, until(), is_due=True)

    assert await stored(store, session_id) == start.session
    assert len(backend.outgoing(session_id)) == 2
