"""Tenants in the trail: what one has, no other finds, be the ids the same."""

from uuid import uuid4

from synckairos.application.trail.audit import (
    AuditRecord,
    EventQuery,
    ParticipantQuery,
    SessionKey,
    SessionQuery,
    Written,
)
from synckairos.domain.tenancy import DEFAULT_TENANT, qualify
from testing.harness.builders import ANN
from tests.contract.audit_backends import ALL, AuditBackend, audit, history, played, records_of, sid

TENANTS = (DEFAULT_TENANT, "acme", "zed")


def of_one_id(session_id: str, *, switches: int = 3, branch: str = "") -> dict[str, list[AuditRecord]]:
    """Return the same records for each tenant: the same ids, versions and changes."""
    records = records_of(played(switches=switches), session_id, branch)
    return {tenant: [_moved(one, qualify(tenant, session_id)) for one in records] for tenant in TENANTS}


def _moved(record: AuditRecord, session_id: str) -> AuditRecord:
    event = record.event
    return record._replace(event=event._replace(session=event.session._replace(session_id=session_id)))


async def test_one_id_is_another_session_for_each_tenant(audit_backend: AuditBackend) -> None:
    """Written together, each whole; and each is found by whose it is alone."""
    main = of_one_id(str(uuid4()))
    everything = [record for records in main.values() for record in records]

    written = await audit_backend.trail.write(everything)

    assert written == Written(len(everything), 0, 0)
    for records in main.values():
        assert await history(audit_backend, sid(records)) == records
        known = await audit(audit_backend, sid(records))
        assert (known.summary.session, known.event_count) == (records[-1].event.session, len(records))
    latest = [records[-1].event.session for records in main.values()]
    strange = qualify("nobody", sid(main[DEFAULT_TENANT]))
    assert await audit_backend.reader.latest([one.session_id for one in latest] + [strange]) == [*latest, None]
    assert await audit_backend.reader.session(strange) is None
    assert await history(audit_backend, strange) == []


async def test_a_fork_is_the_tenants_own(audit_backend: AuditBackend) -> None:
    """Another change of the same version of another tenant's session is none."""
    session_id = str(uuid4())
    main, fork = of_one_id(session_id), of_one_id(session_id, branch="fork")
    await audit_backend.trail.write(main[DEFAULT_TENANT])

    others = await audit_backend.trail.write(fork["acme"])
    forked = await audit_backend.trail.write(main["acme"])

    assert (others.forks, forked.forks) == (0, len(main["acme"]))
    assert (await audit(audit_backend, session_id)).fork_count == 0
    assert (await audit(audit_backend, qualify("acme", session_id))).fork_count == 2 * len(main["acme"])


async def test_lists_have_the_tenants_own_alone(audit_backend: AuditBackend) -> None:
    """Page by page; what the sessions were is told from the sessions of the same tenant."""
    several = [of_one_id(str(uuid4()), switches=turns) for turns in range(3)]
    for one in several:
        await audit_backend.trail.write([record for records in one.values() for record in records])

    for tenant in TENANTS:
        mine = {sid(one[tenant]) for one in several}
        found: list[str] = []
        after: SessionKey | None = None
        while page := await audit_backend.reader.sessions(SessionQuery(after, 2, tenant=tenant)):
            found += [one.session.session_id for one in page]
            last = page[-1].session
            after = SessionKey(last.created_at, last.session_id)
        events = await audit_backend.reader.participant_events(ParticipantQuery(ANN, None, ALL, tenant=tenant))
        (first, *_) = await audit_backend.reader.events(EventQuery(min(mine), None, ALL, with_before=True))
        with_before = await audit_backend.reader.events(EventQuery(min(mine), None, ALL, with_before=True))
        assert (len(found), set(found)) == (3, mine)
        assert {one.record.event.session.session_id for one in events} == mine
        assert first.before is None
        assert {one.before.session_id for one in with_before if one.before} == {min(mine)}


async def test_what_has_to_come_back_is_everybodys(audit_backend: AuditBackend) -> None:
    """By tenant and by id, each once."""
    several = [of_one_id(str(uuid4())) for _ in range(2)]
    for one in several:
        await audit_backend.trail.write([record for records in one.values() for record in records])

    found: list[str] = []
    while page := await audit_backend.reader.unfinished(found[-1] if found else "", 4):
        found += [session.session_id for session in page]

    ids = sorted(sid(one[DEFAULT_TENANT]) for one in several)
    assert found == [qualify(tenant, one) for tenant in sorted(TENANTS) for one in ids]


async def test_for_whom_an_author_acts_is_kept(audit_backend: AuditBackend) -> None:
    """As it was said."""
    (record, *_) = records_of(played())
    author = record.event.author._replace(on_behalf_of="ann")
    told = record._replace(event=record.event._replace(author=author))

    await audit_backend.trail.write([told])

    assert await history(audit_backend, sid([told])) == [told]
