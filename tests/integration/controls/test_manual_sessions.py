"""Manual clocks over the wire: how they are advanced, read, listed and kept in the index of deadlines."""

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from redis.asyncio import Redis

from synckairos.adapters.redis.keys import Keys
from synckairos.v1 import event_pb2, session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, new_id, refused, watching
from testing.harness.command_client import driving, refusal_of
from testing.harness.playing.played_sessions import PlayedSession, manual, with_control
from testing.harness.waiting import eventually
from tests.integration.controls.conftest import ServedSessions
from tests.integration.rpc.good_requests import create

DAY_MS = 86_400_000
DAYS_28 = 28 * DAY_MS
ADVANCED, SWITCHED, EXPIRED = (
    event_pb2.EVENT_TYPE_CLOCK_ADVANCED,
    event_pb2.EVENT_TYPE_CYCLE_SWITCHED,
    event_pb2.EVENT_TYPE_SESSION_EXPIRED,
)


def instant(ms: int) -> Timestamp:
    """Return an instant."""
    made = Timestamp()
    made.FromMilliseconds(ms)
    return made


async def real_now(stub: Stub) -> int:
    """Return the servers' time in ms."""
    return (await PlayedSession.create(stub, with_control("60"), starts=False)).now


def steps(session_id: str, count: int) -> list[Any]:
    """Return a game of so many turns as commands, each advanced by 1.1 s."""
    commands: list[Any] = []
    for _ in range(count):
        commands.append(pb.AdvanceClockRequest(session_id=session_id, by_ms=1_100))
        commands.append(pb.SwitchCycleRequest(session_id=session_id))
    return commands


def without_identity(session: session_pb2.Session, created_at: int) -> session_pb2.Session:
    """Return a session, its instants in ms since its creation, without what no two sessions share."""
    bare = session_pb2.Session()
    bare.CopyFrom(session)
    for name in ("session_id", "epoch", "active_participant_id"):
        bare.ClearField(name)  # type: ignore[arg-type] # all of them are fields
    for one in bare.participants:
        one.ClearField("participant_id")
    for moment in (
        *(
            getattr(bare, name)
            for name in ("created_at", "started_at", "cycle_started_at", "deadline_at", "updated_at")
        ),
        *(phase.starts_at for phase in bare.phases),
    ):
        moment.FromMilliseconds(moment.ToMilliseconds() - created_at)
    return bare


async def test_a_stream_of_commands_advances_as_calls_do(stub: Stub) -> None:
    """The same game over both: the same replies, step by step."""
    one, other = [await manual(stub, with_control("5|3x1")) for _ in range(2)]
    calls = [getattr(stub, step.DESCRIPTOR.name.removesuffix("Request")) for step in steps("", 4)]
    unary = [await call(step) for call, step in zip(calls, steps(one.id, 4), strict=True)]
    async with driving(stub) as commands:
        for place, step in enumerate(steps(other.id, 4)):
            await commands.send(str(place), step)
        streamed = [answer.result for answer in await commands.answered(8)]

    ages = [
        [reply.server_time.ToMilliseconds() - game.session.created_at.ToMilliseconds() for reply in replies]
        for game, replies in ((one, unary), (other, streamed))
    ]
    assert ages[0] == ages[1] == [1_100 * (place // 2 + 1) for place in range(8)]
    for reply, answer in zip(unary, streamed, strict=True):
        expected = without_identity(reply.session, one.session.created_at.ToMilliseconds())
        assert without_identity(answer.session, other.session.created_at.ToMilliseconds()) == expected


async def test_a_retry_advances_once(stub: Stub) -> None:
    """And is answered as the call was, with what fell due on the way, over either way."""
    game = await manual(stub, create("cycle", session_id=new_id(), time_per_cycle_ms=1_000))
    request = pb.AdvanceClockRequest(session_id=game.id, request_id=new_id(), by_ms=2_500)
    first = await stub.AdvanceClock(request)
    await game.advance(700)
    again = await stub.AdvanceClock(request)
    async with driving(stub) as commands:
        streamed = (await commands.ask("1", request)).result

    assert (first.replayed, again.replayed, streamed.replayed) == (False, True, True)
    assert (first.session.cycle_number, first.session.elapsed_ms) == (3, 500)
    for retried in (again, streamed):
        assert (retried.session, retried.server_time) == (first.session, first.server_time)
    assert (await game.get()).cycle_number == 4


@pytest.mark.parametrize("by_ms", [0, -1, DAYS_28 + 1, 2**53, 2**63 - 1, -(2**63)])
async def test_a_wrong_step_is_refused(stub: Stub, by_ms: int) -> None:
    """By its field, over both ways, and the session stays as it was."""
    game = await manual(stub, with_control("60"))
    request = pb.AdvanceClockRequest(session_id=game.id, by_ms=by_ms)
    unary = await refused(stub.AdvanceClock(request))
    async with driving(stub) as commands:
        streamed = refusal_of(await commands.ask("1", request))

    for problem in (unary, streamed):
        assert (problem.code, problem.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
        assert list(problem.fields) == ["by_ms"]
    before = game.session
    assert await game.get() == before


async def test_who_may_not_advance(stub: Stub) -> None:
    """A session of the world's time, one that has ended, one that has moved on, one that is not there."""
    world = await PlayedSession.create(stub, with_control("60"))
    ended, cancelled, moved = [await manual(stub, with_control("60")) for _ in range(3)]
    await ended.advance(60_000)
    await cancelled.call("CancelSession")
    await moved.advance(1)
    reasons = []
    for session_id, version in ((world.id, 0), (ended.id, 0), (cancelled.id, 0), (moved.id, 2), (new_id(), 0)):
        request = pb.AdvanceClockRequest(session_id=session_id, by_ms=1, expected_version=version)
        reasons.append((await refused(stub.AdvanceClock(request))).reason)

    assert reasons == [
        "INVALID_FIELD",
        "PARTICIPANT_EXPIRED",
        "INVALID_STATE_TRANSITION",
        "VERSION_CONFLICT",
        "SESSION_NOT_FOUND",
    ]


async def test_reads_and_lists_are_of_its_own_time(stub: Stub) -> None:
    """Beside sessions of the world's time, which have run on meanwhile."""
    labels = {"test": new_id()}
    world = await PlayedSession.create(stub, with_control("60", labels=labels))
    short, ahead, ended = [await manual(stub, with_control("1", labels=labels)) for _ in range(3)]
    await ahead.advance(400)
    await ended.advance(DAY_MS)

    async def world_has_run() -> bool:
        return bool((await world.get()).elapsed_ms > 1_100)

    await eventually(world_has_run)
    games = [world, short, ahead, ended]
    batch = await stub.BatchGetSessions(pb.BatchGetSessionsRequest(session_ids=[game.id for game in games]))
    pages = [
        await stub.ListSessions(pb.ListSessionsRequest(labels=labels, statuses=statuses))
        for statuses in ([], [session_pb2.STATUS_RUNNING], [session_pb2.STATUS_EXPIRED])
    ]

    assert list(batch.sessions)[1:] == [await game.get() for game in games[1:]]
    assert [session.elapsed_ms for session in batch.sessions][1:] == [0, 400, 1_000]
    assert batch.sessions[0].elapsed_ms > 1_100
    assert [{session.session_id for session in page.sessions} for page in pages] == [
        {game.id for game in games},
        {world.id, short.id, ahead.id},
        {ended.id},
    ]
    shown = {session.session_id: session for session in pages[0].sessions}
    assert [shown[game.id] for game in games[1:]] == list(batch.sessions)[1:]


async def test_an_end_is_stamped_with_its_own_time(stub: Stub) -> None:
    """A chain of turns, each at its instant; the largest step is named where a step is too large."""
    game = await manual(stub, create("cycle", session_id=new_id(), time_per_cycle_ms=1_000, max_cycles=150))
    async with watching(stub.WatchSession(pb.WatchSessionRequest(session_id=game.id))) as stream:
        await stream.until(lambda one: one.of("snapshot"))
        problem = await refused(stub.AdvanceClock(pb.AdvanceClockRequest(session_id=game.id, by_ms=150_000)))
        largest = int(problem.metadata["largest_step_ms"])
        for step in (largest, 150_000 - largest):
            await game.advance(step)
        await stream.until_end()

    started = game.session.started_at.ToMilliseconds()
    events = [message.event for message in stream.of("event")]
    assert [event.session.version for event in events] == list(range(3, 155))
    advances = [event for event in events if event.type == ADVANCED]
    assert [event.advanced_ms for event in advances] == [largest, 150_000 - largest]
    turns = [event for event in events if event.type == SWITCHED]
    assert [event.occurred_at.ToMilliseconds() - started for event in turns] == [1_000 * (n + 1) for n in range(149)]
    assert game.session.completed_at.ToMilliseconds() == started + 150_000
    assert list(problem.fields) == ["by_ms"]


async def test_ends_that_meet_in_one_millisecond(stub: Stub) -> None:
    """Of session, holder and turn the first in this order ends it, in every combination."""
    for control, close_ms, limit_ms, is_named in (
        ("5!5", 5_000, 5_000, False),
        ("5!5", 5_000, 0, False),
        ("5", 5_000, 0, False),
        ("60!5", 5_000, 0, False),
        ("60!5", 0, 5_000, False),
        ("5!5", 5_001, 5_001, True),
        ("60!5", 5_001, 5_001, True),
    ):
        pending = await manual(stub, with_control(control), starts=False)
        request = with_control(control, session_limit_ms=limit_ms)
        # Created in another millisecond, it is advanced until what is left to its close_at is that.
        closing = pending.now + 60_000
        if close_ms:
            request.close_at.CopyFrom(instant(closing))
        game = await manual(stub, request, starts=False)
        if close_ms:
            await game.advance(closing - game.now - close_ms)
        await game.start()
        began_at, holder = game.now, game.active.participant_id
        session = await game.advance(10_000)
        assert session.completed_at.ToMilliseconds() - began_at == 5_000, control
        assert (session.expired_participant_id == holder) == is_named, control
        bank_ms = session.participants[0].clock.bank_ms
        assert bank_ms == (0 if control.startswith("5") else 55_000)


async def test_the_index_of_deadlines(served: ServedSessions) -> None:
    """A close_at in every live state, else the first end; of a manual clock its idle time, or its retention."""
    stub, settings = served.stub, served.settings
    keys = Keys(settings.redis_prefix)
    lifetimes = settings.lifetimes
    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:

        async def boundary(game: PlayedSession) -> int:
            return int(await redis.zscore(keys.of(game.id).deadlines, game.id))

        close_ms = await real_now(stub) + 90_000
        closing = await PlayedSession.create(stub, with_control("3600", close_at=instant(close_ms)), starts=False)
        seen = [await boundary(closing)]
        for call in (closing.start, closing.pause, closing.resume, closing.switch):
            await call()
            seen.append(await boundary(closing))
        assert seen == [close_ms] * 5
        await closing.adjust(closing.active.participant_id, set_ms=60_000)
        assert await boundary(closing) == closing.session.deadline_at.ToMilliseconds() < close_ms
        idle = await PlayedSession.create(
            stub, create("count up", session_id=new_id(), idle_ttl_ms=60_000, close_at=instant(close_ms))
        )
        assert await boundary(idle) == close_ms

        before = await real_now(stub)
        by_hand = await manual(stub, with_control("60", close_at=instant(close_ms)), starts=False)
        spans = [(lifetimes.idle_ms, await boundary(by_hand))]
        for call, lives_ms in (
            (by_hand.start, lifetimes.running_idle_ms),
            (lambda: by_hand.advance(30_000), lifetimes.running_idle_ms),
            (by_hand.pause, lifetimes.idle_ms),
            (lambda: by_hand.advance(DAY_MS), lifetimes.terminal_ms),
        ):
            await call()
            spans.append((lives_ms, await boundary(by_hand)))
        after = await real_now(stub)
        assert by_hand.session.completed_at == instant(close_ms)
        assert all(before <= score - lives_ms <= after for lives_ms, score in spans)


async def test_commands_of_one_session_are_advanced_in_order(stub: Stub) -> None:
    """Many sessions over one stream, each advanced and switched without waiting for answers."""
    games = await asyncio.gather(*(manual(stub, with_control("60+1")) for _ in range(20)))
    async with driving(stub) as commands:
        for round_ in range(10):
            for place, game in enumerate(games):
                await commands.send(
                    f"{place}-{round_}-a", pb.AdvanceClockRequest(session_id=game.id, by_ms=100 + place)
                )
                await commands.send(f"{place}-{round_}-s", pb.SwitchCycleRequest(session_id=game.id))
        await commands.answered(400)

    for place, game in enumerate(games):
        session = await game.get()
        assert session.cycle_number == 11
        assert game.now == session.started_at.ToMilliseconds() + 10 * (100 + place)
        assert [one.clock.bank_ms for one in session.participants] == [60_000 + 5 * (900 - place)] * 2
