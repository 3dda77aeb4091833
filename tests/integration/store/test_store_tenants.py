"""What is Redis' own about tenants: names of keys, the count of sessions, and settlements by the sweep."""

from uuid import uuid5

from synckairos.application.ports import Request
from synckairos.application.sessions import SESSION_OF_REQUEST
from synckairos.domain.commands import Start
from synckairos.domain.model import Session, Status
from testing.harness.waiting import eventually
from tests.contract.backends import RedisBackend
from tests.contract.decisions import ask, create, creating, new_id, removed, stored, two_players, until
from tests.contract.store_process import StoreProcess, sweeping

REQUEST_ID = "30000000-0000-4000-8000-000000000001"


async def of_tenant(process: StoreProcess, tenant: str, bank_ms: int = 600_000) -> Session:
    """Create a tenant's session."""
    session_id = f"{tenant}/{new_id()}"
    await process.store.transact(session_id, Request(), creating(session_id, two_players(bank_ms)), until())
    return await ask(process.store, session_id, Start(), Request(new_id(), bytes(16)))


async def test_a_tenant_is_in_the_name_of_every_key_of_its_own(backend: RedisBackend) -> None:
    """Or in the member that names the session in a key that all share; the partition's set has it."""
    process = await backend.process()
    session = await of_tenant(process, "acme")
    keys = process.keys.of(session.session_id)

    names = sorted(key.decode().split("}:")[-1] for key in backend.redis.scan_iter(f"{backend.prefix}:{{*"))

    assert [name.split(":")[0] for name in names] == [
        "deadlines", "events", "live", "outbox", "request", "session", "tenants",
    ]  # fmt: skip
    assert all("acme" in name for name in names if name not in {"deadlines", "outbox", "tenants"})
    assert backend.redis.zrange(keys.deadlines, 0, -1) == [session.session_id.encode()]
    assert backend.redis.smembers(keys.tenants) == {b"acme"}
    assert {entry[b"s"] for _, entry in backend.redis.xrange(keys.outbox)} == {session.session_id.encode()}  # type: ignore[union-attr] # not awaitable


async def test_sessions_of_all_tenants_are_counted(backend: RedisBackend) -> None:
    """Those that are there; a tenant that has none any more counts for nothing."""
    process = await backend.process()
    counts = [await process.index.count()]
    await create(process.store)
    sessions = [await of_tenant(process, tenant) for tenant in ("acme", "acme", "b", "gone")]
    counts.append(await process.index.count())
    await removed(process.store, sessions[-1].session_id)
    counts.append(await process.index.count())

    assert counts == [0, 5, 4]


async def test_a_clock_of_any_tenant_runs_out_though_nobody_calls(backend: RedisBackend) -> None:
    """The sweep of another process settles it."""
    writer, other = await backend.process(), await backend.process()
    session = await of_tenant(writer, "acme", bank_ms=5_000)
    async with sweeping(other):
        backend.clock.advance(5_000)
        await other.store.now_us()
        await eventually(lambda: len(backend.outgoing(session.session_id)) == 3)

    ended = await stored(other.store, session.session_id)
    assert ended is not None
    assert (ended.session_id, ended.status) == (session.session_id, Status.EXPIRED)


async def test_the_id_made_of_a_request_id_is_of_its_tenant(backend: RedisBackend) -> None:
    """For `default` as ever, for another of both; a new one without a request id has the tenant, too."""
    sessions = (await backend.process()).sessions

    made = [sessions.session_id_for(REQUEST_ID, tenant) for tenant in ("default", "acme")]
    fresh = [sessions.session_id_for("", "acme") for _ in range(2)]

    assert made == [
        str(uuid5(SESSION_OF_REQUEST, REQUEST_ID)),
        f"acme/{uuid5(SESSION_OF_REQUEST, f'acme/{REQUEST_ID}')}",
    ]
    assert fresh[0] != fresh[1]
    assert all(one.startswith("acme/") for one in fresh)
