"""Phases in a stream: each at its instant, once, in order with warnings and events, by the world and by hand."""

import asyncio
from random import Random
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from synckairos.v1 import event_pb2, session_pb2, time_control_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Recording, Stub, new_id, watching
from testing.harness.playing.played_sessions import PlayedSession, manual, with_control
from tests.integration.controls.drawn_controls import seeds
from tests.integration.controls.random_play import drawn_session, move
from tests.integration.rpc.good_requests import create

AT_ONCE = 8
MOVES = 15
FREE = time_control_pb2.CLOCK_PHASE_KIND_FREE
UNTOLD = (time_control_pb2.CLOCK_PHASE_KIND_OVERTIME, time_control_pb2.CLOCK_PHASE_KIND_FLAG)
THRESHOLDS = (15_000, 4_000, 1_000, 1)


def watch(stub: Stub, session_id: str, token: str = "", tick_interval_ms: int = 0) -> Any:
    """Record a stream of a session, continued from a token."""
    request = pb.WatchSessionRequest(session_id=session_id, resume_token=token, tick_interval_ms=tick_interval_ms)
    return watching(stub.WatchSession(request))


def passed_in(session: session_pb2.Session, until: int) -> list[tuple[int, str, Any]]:
    """Return what the clock of a version passes after its instant, up to another: warnings, and phases but the flag."""
    since = session.updated_at.ToMilliseconds()
    phases = [(one.starts_at.ToMilliseconds(), "phase", one) for one in session.phases if one.kind not in UNTOLD]
    is_running = session.status == session_pb2.STATUS_RUNNING
    running = [one for one in session.groups or session.participants if one.is_active and is_running]
    warnings = []
    for holder in running:
        stage = holder.time_control.stages[holder.clock.stage]
        is_endless = stage.HasField("penalty") and not stage.penalty.limit_ms
        if not is_endless and holder.clock.phase not in (FREE, *UNTOLD):
            flag = since + holder.time_remaining_ms
            warnings = [(flag - ms, "warning", ms) for ms in sorted(session.warning_thresholds_ms, reverse=True)]
    told = sorted([*warnings, *phases], key=lambda one: one[0])
    return [one for one in told if since < one[0] <= until]


def told_between(messages: list[pb.WatchSessionResponse]) -> list[tuple[int, str, Any]]:
    """Return what a stream told between two events."""
    told: list[tuple[int, str, Any]] = []
    for message in messages:
        at = message.server_time.ToMilliseconds()
        if message.WhichOneof("payload") == "phase":
            assert message.phase.phase.starts_at.ToMilliseconds() == at
            told.append((at, "phase", message.phase.phase))
        else:
            assert message.WhichOneof("payload") == "warning", message
            told.append((at, "warning", message.warning.threshold_ms))
    return told


def assert_in_order(note: object, recording: Recording, now: int) -> None:
    """Check a whole stream: between two events exactly what the clock of the first passes on its way to the second."""
    messages = recording.messages
    places = [place for place, one in enumerate(messages) if one.WhichOneof("payload") in ("event", "end")]
    for place, following in zip(places, [*places[1:], len(messages)], strict=True):
        if messages[place].WhichOneof("payload") == "end":
            continue
        session = messages[place].event.session
        has_next = following < len(messages) and messages[following].WhichOneof("payload") == "event"
        until = messages[following].server_time.ToMilliseconds() if has_next else now
        expected = passed_in(session, until)
        between = told_between([one for one in messages[place + 1 : following] if not one.HasField("tick")])
        if session.phases_truncated:
            last = session.phases[-1].starts_at.ToMilliseconds()
            between = [one for one in between if one[0] < last]
            expected = [one for one in expected if one[0] < last]
        assert between == expected, (note, messages[place], between, expected)
        for one in messages[place + 1 : following]:
            if one.HasField("tick"):
                assert_ticks(one, session)
            if one.HasField("phase"):
                assert one.phase.participant_id == session.active_participant_id
                assert one.phase.group_id == session.active_group_id
                assert one.phase.cycle_number == session.cycle_number
                assert one.version == session.version


def assert_ticks(message: pb.WatchSessionResponse, session: session_pb2.Session) -> None:
    """Check that a tick shows the clock of its version at its own instant, before the version's end."""
    at, tick = message.server_time.ToMilliseconds(), message.tick
    since = at - session.updated_at.ToMilliseconds()
    assert since > 0
    assert tick.elapsed_ms == session.elapsed_ms + since
    assert (tick.active_participant_id, tick.cycle_number) == (session.active_participant_id, session.cycle_number)
    holder = next(one for one in session.groups or session.participants if one.is_active)
    if session.HasField("deadline_at"):
        assert at < session.deadline_at.ToMilliseconds()
    if holder.clock.phase == time_control_pb2.CLOCK_PHASE_KIND_OVERTIME:
        assert (tick.HasField("remaining_ms"), tick.overtime_ms) == (False, holder.overtime_ms + since)
    elif holder.clock.phase != FREE and tick.HasField("remaining_ms"):
        assert tick.remaining_ms == holder.time_remaining_ms - since


async def stream_of(stub: Stub, seed: int) -> None:
    """Play a random session and check its stream."""
    draw = Random(seed)
    game = await drawn_session(draw, stub, warning_thresholds_ms=THRESHOLDS)
    async with watch(stub, game.id, tick_interval_ms=draw.choice((0, 100, 1_000))) as recording:
        await recording.until(lambda stream: stream.of("snapshot"))
        for _ in range(MOVES):
            await move(draw, game)
        await (recording.until_end() if not game.is_live else until_told(recording, game))
    assert_in_order(seed, recording, game.now)
    instants = [message.server_time.ToMilliseconds() for message in recording.messages]
    assert instants == sorted(instants), (seed, recording.said())


async def until_told(recording: Recording, game: PlayedSession) -> None:
    """Wait until a stream has told of a session's last version, and of what was known then."""
    await recording.until(lambda stream: stream.versions[-1:] == [game.session.version])
    told = await game.call("UpdateSession", labels={"told": "all"})
    await recording.until(lambda stream: stream.versions[-1:] == [told.version])


async def test_a_manual_clock_tells_what_it_passes_in_order(stub: Stub) -> None:
    """Random sessions, in which an advance may pass many phases, warnings and boundaries at once."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> None:
        async with places:
            await stream_of(stub, seed)

    await asyncio.gather(*map(one, seeds(40, 400)))


def told(recording: Recording, began_at: int) -> list[tuple[int, Any]]:
    """Return (ms since an instant, what it is) of every message behind the first."""
    names = []
    for message in recording.messages[1:]:
        kind = message.WhichOneof("payload")
        names.append(
            {
                "phase": ("phase", message.phase.phase.periods_left),
                "warning": ("warning", message.warning.threshold_ms),
                "event": event_pb2.EventType.Name(message.event.type).removeprefix("EVENT_TYPE_"),
            }.get(kind or "", kind)
        )
    instants = [message.server_time.ToMilliseconds() - began_at for message in recording.messages[1:]]
    return list(zip(instants, names, strict=True))


PASSED_BEFORE_A_LIMIT = [(0, "CLOCK_ADVANCED"), (20_000, ("warning", 40_000)), (30_000, "SESSION_EXPIRED")]
PASSED_BEYOND_A_LIMIT = [
    *PASSED_BEFORE_A_LIMIT[:2],
    (30_000, "OVERTIME_STARTED"),
    (50_000, ("warning", 10_000)),
    (60_000, "OVERTIME_STARTED"),
]


@pytest.mark.parametrize(
    ("on_expire", "expected"),
    [
        (session_pb2.ON_EXPIRE_END_SESSION, [*PASSED_BEFORE_A_LIMIT, (90_000, "end")]),
        (session_pb2.ON_EXPIRE_NOTIFY, PASSED_BEYOND_A_LIMIT),
        (
            session_pb2.ON_EXPIRE_ELIMINATE,
            [
                *PASSED_BEFORE_A_LIMIT[:2],
                (30_000, "PARTICIPANT_EXPIRED"),
                (30_000, "SESSION_COMPLETED"),
                (90_000, "end"),
            ],
        ),
    ],
)
async def test_nothing_is_told_of_a_turn_behind_its_end(stub: Stub, on_expire: Any, expected: list[Any]) -> None:
    """A limit ends it before its clock has passed the other thresholds, or tells of itself on the way."""
    game = await manual(stub, with_control("60!30", on_expire=on_expire, warning_thresholds_ms=(40_000, 10_000)))
    began_at = game.now
    async with watch(stub, game.id) as recording:
        await recording.until(lambda stream: stream.of("snapshot"))
        await game.advance(90_000)
        await recording.until(lambda stream: len(stream.messages) > len(expected))

    assert told(recording, began_at) == expected


@pytest.mark.parametrize(
    ("mode", "fields"),
    [
        ("participant", {"increment_ms": 1}),
        ("group", {}),
        ("cycle", {}),
        ("cycle", {"on_expire": session_pb2.ON_EXPIRE_NOTIFY}),
        ("global", {}),
        ("count up", {"max_time_ms": 60_000}),
    ],
)
async def test_nothing_is_told_behind_the_close_of_a_session(stub: Stub, mode: str, fields: dict[str, Any]) -> None:
    """In every mode: of 60 s, the warning at 40 s is told, and that at 10 s would come after the end."""
    first = await manual(stub, with_control("60"), starts=False)
    close_at = Timestamp()
    close_at.FromMilliseconds(first.now + 35_000)
    request = create(mode, session_id=new_id(), close_at=close_at, warning_thresholds_ms=(40_000, 10_000), **fields)
    game = await manual(stub, request)
    began_at = game.now
    async with watch(stub, game.id) as recording:
        await recording.until(lambda stream: stream.of("snapshot"))
        await game.advance(90_000)
        await recording.until_end()

    closed = close_at.ToMilliseconds() - began_at
    expected = [(0, "CLOCK_ADVANCED"), (20_000, ("warning", 40_000)), (closed, "SESSION_EXPIRED"), (90_000, "end")]
    assert told(recording, began_at) == expected


async def test_a_resumed_stream_goes_on_where_it_is_resumed(stub: Stub) -> None:
    """Missed events come again, and with the last of them what its version has passed; then all as for who stayed."""
    game = await manual(stub, with_control("10|4x5", warning_thresholds_ms=(12_000,)))
    began_at = game.now
    async with watch(stub, game.id) as stayed:
        await stayed.until(lambda stream: stream.of("snapshot"))
        for _ in range(2):
            await game.advance(11_000)
        await stayed.until(lambda stream: len(stream.of("phase")) == 3)
        token = stayed.of("event")[0].resume_token
        async with (
            watch(stub, game.id, token) as missed_one,
            watch(stub, game.id, stayed.messages[-1].resume_token) as back,
        ):
            await missed_one.until(lambda stream: len(stream.of("phase")) == 2)
            await back.until(lambda stream: stream.of("progress"))
            await game.advance(9_000)
            for recording in (stayed, missed_one, back):
                await recording.until_end()

    last_step = [(22_000, "CLOCK_ADVANCED"), (25_000, ("phase", 1)), (30_000, "SESSION_EXPIRED"), (31_000, "end")]
    second_step = [(15_000, ("phase", 3)), (18_000, ("warning", 12_000)), (20_000, ("phase", 2))]
    first_step = [(0, "CLOCK_ADVANCED"), (10_000, ("phase", 4)), (11_000, "CLOCK_ADVANCED")]
    assert told(stayed, began_at) == [*first_step, *second_step, *last_step]
    assert told(missed_one, began_at) == [*second_step, *last_step]
    assert missed_one.kinds()[0] == "event"
    assert told(back, began_at) == last_step


async def test_a_real_clock_tells_each_phase_at_its_instant(stub: Stub) -> None:
    """Interleaved with warnings and the flag, the same for who resumes in the middle."""
    game = await PlayedSession.create(
        stub, with_control("1|3x2", warning_thresholds_ms=(4_500, 4_000, 500)), starts=False
    )
    async with watch(stub, game.id) as stayed:
        await stayed.until(lambda stream: stream.of("snapshot"))
        await game.start()
        await stayed.until(lambda stream: len(stream.of("phase")) == 2)
        async with watch(stub, game.id, stayed.messages[-1].resume_token) as back:
            await stayed.until_end()
            await back.until_end()

    began_at = game.now
    rest = [(5_000, ("phase", 1)), (6_500, ("warning", 500)), (7_000, "SESSION_EXPIRED")]
    expected = [
        (0, "SESSION_STARTED"),
        (1_000, ("phase", 3)),
        (2_500, ("warning", 4_500)),
        (3_000, ("warning", 4_000)),
        (3_000, ("phase", 2)),
        *rest,
    ]
    assert told(stayed, began_at)[:-1] == expected
    assert told(back, began_at)[:-1] == rest
    assert [recording.kinds()[-1] for recording in (stayed, back)] == ["end"] * 2


async def test_one_stream_of_many_sessions_tells_their_phases(stub: Stub) -> None:
    """Each under its session's id, at that session's own time."""
    games = [await manual(stub, with_control(control)) for control in ("5|2x3", "5d2", "60")]
    watches = [pb.SessionWatch(session_id=game.id) for game in games]
    async with watching(stub.WatchSessions(pb.WatchSessionsRequest(watches=watches))) as recording:
        await recording.until(lambda stream: len(stream.of("snapshot")) == 3)
        for game in games:
            await game.advance(6_000)
        await recording.until(lambda stream: len(stream.of("event")) == 3 and len(stream.of("phase")) == 2)

    began = {game.id: game.session.started_at.ToMilliseconds() for game in games}
    phases = {
        (one.session_id, one.server_time.ToMilliseconds() - began[one.session_id]) for one in recording.of("phase")
    }
    assert phases == {(games[0].id, 5_000), (games[1].id, 2_000)}
