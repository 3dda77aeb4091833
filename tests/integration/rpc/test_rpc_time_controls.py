"""Time controls through real servers and the real Redis: what one server stores, the other shows, streams, answers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.adapters.redis.outbox import RedisOutbox
from synckairos.devstack import RedisServer
from synckairos.v1 import event_pb2, session_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1 import time_control_pb2 as controls
from testing.harness.client import Stub, connect, new_id, refused, watching
from testing.harness.processes.in_process import serving, settings_for
from tests.integration.rpc.good_requests import ANN, BOB, create, member

PHASES = controls.ClockPhaseKind


@pytest.fixture(scope="module")
async def servers(redis_server: RedisServer) -> AsyncIterator[tuple[Stub, Stub, Any]]:
    """Clients of two servers on one Redis, and their settings."""
    settings = settings_for(redis_server.url)
    async with (
        serving(settings) as one,
        serving(settings_for(redis_server.url, settings.redis_prefix)) as other,
        connect(one.address) as stub,
        connect(other.address) as second,
    ):
        yield stub, second, settings


def game(text: str = "10|5x5", **more: Any) -> pb.CreateSessionRequest:
    """Describe a game of two on a manual clock."""
    fields = {"participants": [member(), member(BOB)], "time_control_text": text, "manual_clock": True, **more}
    return create("participant", session_id=new_id(), **fields)


async def begun(stub: Stub, request: pb.CreateSessionRequest) -> str:
    """Create and start a session; return its id."""
    sid: str = (await stub.CreateSession(request)).session.session_id
    await stub.StartSession(pb.StartSessionRequest(session_id=sid))
    return sid


async def advance(stub: Stub, sid: str, ms: int) -> Any:
    """Advance a session's clock."""
    return await stub.AdvanceClock(pb.AdvanceClockRequest(session_id=sid, by_ms=ms, request_id=new_id()))


async def test_a_byo_yomi_game_is_the_same_on_every_server(servers: tuple[Stub, Stub, Any]) -> None:
    """Played on one, read on the other; several periods burnt in one turn; the flag ends it."""
    stub, second, _ = servers
    sid = await begun(stub, game())

    await advance(stub, sid, 21_000)
    reply = await second.SwitchCycle(pb.SwitchCycleRequest(session_id=sid))
    read = await stub.GetSession(pb.GetSessionRequest(session_id=sid))

    assert read.session == reply.session
    ann = read.session.participants[0]
    assert (ann.clock.bank_ms, ann.clock.periods_left, ann.clock.period_remaining_ms) == (0, 3, 5_000)
    assert (ann.time_remaining_ms, ann.time_used_ms, ann.clock.turns_made) == (15_000, 21_000, 1)
    flagged = await advance(second, sid, 35_000)
    assert flagged.session.status == session_pb2.STATUS_EXPIRED
    assert (flagged.session.expired_participant_id, flagged.session.winner_participant_id) == (BOB, ANN)
    assert flagged.session.completed_at.ToMilliseconds() == read.server_time.ToMilliseconds() + 35_000


async def test_a_stream_tells_phases_and_what_turns_did(servers: tuple[Stub, Stub, Any]) -> None:
    """In the order of their instants, on the other server."""
    stub, second, _ = servers
    sid = await begun(stub, game())

    async with watching(second.WatchSession(pb.WatchSessionRequest(session_id=sid))) as recording:
        await recording.until(lambda r: r.messages)
        await advance(stub, sid, 16_000)
        await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=sid))
        await recording.until(lambda r: len(r.of("event")) == 2)

    snapshot = recording.messages[0].snapshot
    began = snapshot.started_at.ToMilliseconds()
    assert recording.kinds() == ["snapshot", "event", "phase", "phase", "event"]
    passed = [message.phase.phase for message in recording.of("phase")]
    assert [one.starts_at.ToMilliseconds() - began for one in passed] == [10_000, 15_000]
    assert [(one.kind, one.periods_left, one.display_ms) for one in passed] == [
        (PHASES.CLOCK_PHASE_KIND_PERIOD, 5, 5_000),
        (PHASES.CLOCK_PHASE_KIND_PERIOD, 4, 5_000),
    ]
    assert [one.starts_at for one in snapshot.phases[1:3]] == [one.starts_at for one in passed]
    advanced, switched = [message.event for message in recording.of("event")]
    assert (advanced.type, advanced.advanced_ms) == (event_pb2.EVENT_TYPE_CLOCK_ADVANCED, 16_000)
    assert (switched.turn.spent_ms, switched.turn.periods_burnt) == (16_000, 1)
    assert switched.occurred_at.ToMilliseconds() == began + 16_000


async def test_an_auction_ends_where_the_last_bid_left_it(servers: tuple[Stub, Stub, Any]) -> None:
    """The extension is said by the bid's event; at the end nobody bids any more."""
    stub, second, settings = servers
    close = controls.SoftClose(window_ms=5_000, extend_ms=10_000, policy=controls.SOFT_CLOSE_POLICY_RESET)
    sid = await begun(stub, create("global", session_id=new_id(), soft_close=close, manual_clock=True))

    await advance(stub, sid, 58_000)
    bid = await second.SwitchCycle(pb.SwitchCycleRequest(session_id=sid))
    ended = await advance(stub, sid, 10_000)
    late = await refused(second.SwitchCycle(pb.SwitchCycleRequest(session_id=sid)))

    assert bid.session.remaining_ms == 10_000
    assert ended.session.status == session_pb2.STATUS_EXPIRED
    assert late.reason == "SESSION_EXPIRED"
    connections = RedisConnections(settings.redis_url.get_secret_value(), limit=2)
    try:
        entries = (await RedisOutbox(connections, Keys(settings.redis_prefix)).read(range(PARTITIONS), 1_000)).entries
    finally:
        await connections.close()
    events = [one.record.event for one in entries if one.record is not None]
    assert [one.extended_ms for one in events if one.session.session_id == sid and one.extended_ms] == [8_000]
