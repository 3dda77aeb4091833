"""ListSessions end to end: the order, the pages, the filters, and which sessions are listed."""

import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from synckairos.application.expiry import Sweep
from synckairos.devstack import RedisServer
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, new_id
from testing.harness.fakes.fake_clock import FakeClock
from testing.harness.fakes.fake_redis_time import DrivenConnections
from testing.harness.processes.in_process import serving, settings_for
from tests.integration.rpc.good_requests import create, member

RUNNING, EXPIRED, CANCELLED = session_pb2.STATUS_RUNNING, session_pb2.STATUS_EXPIRED, session_pb2.STATUS_CANCELLED


@pytest.fixture
def clock() -> FakeClock:
    """The authority's clock, which stands until it is moved."""
    return FakeClock(time.time_ns() // 1_000)


@pytest.fixture
async def stub(redis_server: RedisServer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stub]:
    """A client of a server that lists nothing yet and settles nothing by itself."""
    monkeypatch.setattr("synckairos.composition.redis.RedisConnections", lambda url, **_: DrivenConnections(url, clock))
    monkeypatch.setattr(Sweep, "_fire", lambda *_: None)
    async with serving(settings_for(redis_server.url)) as server, connect(server.address) as stub:
        yield stub


async def page(stub: Stub, **request: Any) -> pb.ListSessionsResponse:
    """Return one page."""
    reply: pb.ListSessionsResponse = await stub.ListSessions(pb.ListSessionsRequest(**request))
    return reply


async def pages(stub: Stub, **request: Any) -> list[pb.ListSessionsResponse]:
    """Return all pages."""
    found = [await page(stub, **request)]
    while found[-1].next_page_token:
        found.append(await page(stub, **{**request, "page_token": found[-1].next_page_token}))
    return found


def ids(replies: Iterable[pb.ListSessionsResponse]) -> list[str]:
    """Return the ids on pages, in order."""
    return [session.session_id for reply in replies for session in reply.sessions]


async def created(stub: Stub, base: str = "global", **changes: Any) -> str:
    """Create a session and return its id."""
    session_id: str = (await stub.CreateSession(create(base, **changes))).session.session_id
    return session_id


async def test_every_session_is_on_exactly_one_page(stub: Stub, clock: FakeClock) -> None:
    """120 sessions, ten in every ms, in pages of 7: newest first, ties by id, none twice and none left out."""
    made: list[tuple[int, str]] = []
    for _ in range(12):
        clock.advance(1)
        made += [(clock.ms, await created(stub, session_id=new_id())) for _ in range(10)]

    replies = await pages(stub, page_size=7)

    assert ids(replies) == [session_id for _, session_id in sorted(made, reverse=True)]
    assert all(len(reply.sessions) == 7 for reply in replies[:-1])
    assert [reply.server_time.ToMilliseconds() for reply in replies] == [clock.ms] * len(replies)


async def test_what_the_store_holds_is_listed(stub: Stub) -> None:
    """Terminal sessions are there until they are removed, deleted ones are not."""
    pending, running, cancelled, deleted = [await created(stub) for _ in range(4)]
    await stub.StartSession(pb.StartSessionRequest(session_id=running))
    await stub.CancelSession(pb.CancelSessionRequest(session_id=cancelled))
    await stub.DeleteSession(pb.DeleteSessionRequest(session_id=deleted))

    reply = await page(stub)

    assert {one.session_id: one.status for one in reply.sessions} == {
        pending: session_pb2.STATUS_PENDING, running: RUNNING, cancelled: CANCELLED,
    }  # fmt: skip
    for session in reply.sessions:
        assert session == (await stub.GetSession(pb.GetSessionRequest(session_id=session.session_id))).session


@pytest.mark.parametrize(
    ("statuses", "listed"),
    [
        pytest.param([], True, id="all"),
        pytest.param([EXPIRED], True, id="expired"),
        pytest.param([RUNNING], False, id="running"),
    ],
)
async def test_what_is_due_is_listed_as_settled(
    stub: Stub, clock: FakeClock, statuses: list[Any], listed: bool
) -> None:
    """A session that is due but not swept yet is listed, filtered and stored as expired."""
    sid = await created(stub)
    await stub.StartSession(pb.StartSessionRequest(session_id=sid))
    due = clock.ms + 60_000
    clock.advance(65_000)

    reply = await page(stub, statuses=statuses)

    assert ids([reply]) == ([sid] if listed else [])
    session = (await stub.GetSession(pb.GetSessionRequest(session_id=sid))).session
    assert (session.status, session.version, session.completed_at.ToMilliseconds()) == (EXPIRED, 3, due)
    if listed:
        assert reply.sessions[0] == session


async def test_filters_choose_and_combine(stub: Stub) -> None:
    """States, modes and labels: any of the states, any of the modes, and all of the labels; pages may be short."""
    made: dict[tuple[str, str, bool], str] = {}
    for base in ("global", "count up", "cycle"):
        for label in ("x", "y"):
            for starts in (False, True):
                sid = await created(stub, base, labels={"team": label, "all": "1"})
                if starts:
                    await stub.StartSession(pb.StartSessionRequest(session_id=sid))
                made[base, label, starts] = sid

    async def found(**filters: Any) -> set[str]:
        return set(ids(await pages(stub, page_size=2, **filters)))

    def those(*bases: str, labels: str = "xy", starts: tuple[bool, ...] = (False, True)) -> set[str]:
        return {
            sid for (base, label, is_on), sid in made.items() if base in bases and label in labels and is_on in starts
        }

    everywhere = ("global", "count up", "cycle")
    assert await found() == set(made.values())
    assert await found(modes=[session_pb2.MODE_GLOBAL]) == those("global")
    assert await found(modes=[session_pb2.MODE_GLOBAL, session_pb2.MODE_PER_CYCLE]) == those("global", "cycle")
    assert await found(statuses=[RUNNING]) == those(*everywhere, starts=(True,))
    assert await found(statuses=[RUNNING, RUNNING, session_pb2.STATUS_PENDING]) == set(made.values())
    assert await found(labels={"team": "x", "all": "1"}) == those(*everywhere, labels="x")
    assert await found(labels={"team": "x", "all": "2"}) == set()
    assert await found(labels={"team": "y"}, modes=[session_pb2.MODE_COUNT_UP], statuses=[RUNNING]) == those(
        "count up", labels="y", starts=(True,)
    )


async def test_a_page_fits_into_one_message(stub: Stub, clock: FakeClock) -> None:
    """Twenty sessions of 240 KB would be 5 MB: pages are cut at about 2 MB, and nothing is lost in between."""
    data = Struct()
    data["text"] = "x" * 990
    members = [member(new_id(), metadata=data) for _ in range(235)]
    made = []
    for _ in range(20):
        clock.advance(1)
        made.append(await created(stub, participants=members))

    replies = await pages(stub, page_size=500)

    assert ids(replies) == made[::-1]
    assert all(len(reply.sessions) >= 1 and reply.ByteSize() < 2_200_000 for reply in replies)
    assert all(reply.ByteSize() > 1_700_000 for reply in replies[:-1])
