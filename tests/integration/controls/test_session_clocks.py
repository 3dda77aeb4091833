"""SessionClock shows what GetSession answers, to the millisecond, in random sessions of a real server."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, Final

from synckairos.client.session_clock import HolderClock, SessionClock, SessionView
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, new_id
from testing.harness.playing.played_sessions import PlayedSession, manual
from tests.integration.controls.drawn_controls import seeds
from tests.integration.controls.random_play import END, NOTIFY, drawn_session, drawn_step, move

MOVES: Final = 8
AT_ONCE: Final = 8
PARTS: Final = (
    "bank_ms",
    "periods_left",
    "period_remaining_ms",
    "period_turns_left",
    "delay_remaining_ms",
    "penalty_points",
)
BANKS: Final = (session_pb2.MODE_PER_PARTICIPANT, session_pb2.MODE_PER_GROUP)


def plain_request(draw: Random) -> pb.CreateSessionRequest:
    """Return the request for a session without time controls, of any mode."""
    mode = draw.choice([mode for mode in session_pb2.Mode.values() if mode])
    request = pb.CreateSessionRequest(session_id=new_id(), mode=mode, on_expire=draw.choice((END, NOTIFY)))
    for _ in range(draw.randint(1, 3)):
        request.participants.add(participant_id=new_id())
    match mode:
        case session_pb2.MODE_PER_CYCLE:
            request.time_per_cycle_ms = draw.randint(1_000, 20_000)
        case session_pb2.MODE_GLOBAL:
            request.total_time_ms = draw.randint(1_000, 20_000)
        case session_pb2.MODE_COUNT_UP:
            request.max_time_ms = draw.choice((0, draw.randint(1_000, 20_000)))
            request.on_expire = request.on_expire if request.max_time_ms else session_pb2.ON_EXPIRE_UNSPECIFIED
        case _:
            _give_banks(draw, request)
    return request


def _give_banks(draw: Random, request: pb.CreateSessionRequest) -> None:
    request.increment_ms = draw.randint(0, 3_000)
    for participant in request.participants:
        if request.mode == session_pb2.MODE_PER_PARTICIPANT:
            participant.total_time_ms = draw.randint(1_000, 20_000)
        else:
            participant.group_id = new_id()
            request.groups.add(group_id=participant.group_id, total_time_ms=draw.randint(1_000, 20_000))


async def plain_move(draw: Random, game: PlayedSession) -> None:
    """Make a random call in a session without time controls, if it has not ended."""
    if game.is_running:
        await draw.choice((game.switch, game.switch, game.pause))()
    elif game.is_live:
        await game.resume()


def said(session: session_pb2.Session) -> list[dict[str, Any]]:
    """Return what a reply says of every clock."""
    if session.mode not in BANKS:
        name = "cycle_remaining_ms" if session.mode == session_pb2.MODE_PER_CYCLE else "remaining_ms"
        left = getattr(session, name) if session.HasField(name) else None
        return [{"remaining_ms": left, "overtime_ms": session.overtime_ms}]
    return [_said_of(row) for row in session.groups or session.participants]


def _said_of(row: Any) -> dict[str, Any]:
    if not row.HasField("time_control"):
        return {"remaining_ms": row.time_remaining_ms, "overtime_ms": row.overtime_ms}
    stage = row.time_control.stages[row.clock.stage]
    has_no_flag = stage.HasField("penalty") and not stage.penalty.limit_ms
    parts = {name: getattr(row.clock, name) if row.clock.HasField(name) else None for name in PARTS}
    left = None if has_no_flag else row.time_remaining_ms
    return {"remaining_ms": left, "overtime_ms": row.overtime_ms, "phase": row.clock.phase, **parts}


def shown(holders: tuple[HolderClock, ...], figures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what clocks show, of the figures that a reply has."""
    return [{name: getattr(holder, name) for name in of} for holder, of in zip(holders, figures, strict=True)]


def assert_shows(view: SessionView, before: session_pb2.Session, game: PlayedSession) -> None:
    """Check what the clocks of a session, read before, show now against the session read now."""
    session, figures = game.session, said(game.session)
    moved_on = (session.status, session.cycle_number) != (before.status, before.cycle_number)
    assert view.is_due == moved_on, (before, session)
    if not moved_on:
        assert shown(view.holders, figures) == figures, (before, session)
        assert view.elapsed_ms == session.elapsed_ms
        if session.phases:
            assert view.running is not None
            assert view.running.display_ms == session.phases[0].display_ms
    elif session.status == session_pb2.STATUS_EXPIRED and session.cycle_number == before.cycle_number:
        for of in figures:
            of.pop("phase", None)
        assert shown(view.holders, figures) == figures, (before, session)


def is_told(session: session_pb2.Session) -> bool:
    """Whether one reply tells all: not what an hourglass has divided already in a turn that was in overtime."""
    holders = session.groups or session.participants
    return not any(
        one.is_active and one.time_control.stages and one.time_control.stages[0].HasField("hourglass")
        for one in holders
        if session.on_expire == NOTIFY and one.overtime_ms
    )


async def look_at(stub: Stub, seed: int, *, is_plain: bool) -> int:
    """Play a random session to its end, or for some moves; return how often its clocks were looked at."""
    draw, looks = Random(seed), 0
    game = await manual(stub, plain_request(draw)) if is_plain else await drawn_session(draw, stub)
    for _ in range(MOVES):
        before = SessionClock(await game.get(), game.now)
        for _ in range(draw.randint(1, 3)):
            if not game.is_live or not is_told(before.session):
                break
            await game.advance(drawn_step(draw, game.session, game.now))
            await game.get()
            assert_shows(before.at(game.now), before.session, game)
            looks += 1
            if game.session.cycle_number != before.session.cycle_number:
                break
        await (plain_move if is_plain else move)(draw, game)
    return looks


async def test_clocks_show_what_a_read_answers(stub: Stub, measured: Callable[[str], None]) -> None:
    """At random instants of 200 random sessions of every mode, with and without time controls."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(place: int, seed: int) -> int:
        async with places:
            return await look_at(stub, seed, is_plain=place % 4 == 0)

    looks = await asyncio.gather(*(one(place, seed) for place, seed in enumerate(seeds(200, 2_000))))

    measured(f"session clocks: {sum(looks)} looks at {len(looks)} sessions agree with GetSession to the millisecond")
    assert sum(looks) > 1_000
