"""The simulator against the live service: the same turns on manual clocks leave the same clocks, to the millisecond."""

import random
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, NamedTuple

import grpc
import pytest
from google.protobuf.message import Message

from synckairos.devstack import RedisServer
from synckairos.domain.control_limits import control_violations
from synckairos.domain.notation import parse
from synckairos.rpc.control_mapping import control_message
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1 import time_control_pb2 as controls
from synckairos.v1 import time_control_service_pb2 as tc
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from synckairos.v1.time_control_service_pb2_grpc import TimeControlServiceStub
from testing.harness.client import Recording, new_id, reading
from testing.harness.command_client import Driving
from testing.harness.processes.in_process import serving, settings_for

GAMES: Final = 1_000
AT_ONCE: Final = 50
PHASES: Final = 200
PATIENCE_S: Final = 60.0
FAMILIES: Final = (
    "{base}", "{base}+{s}", "{base}+{s}a", "{base}+{s}c{base}", "{base}d{s}", "{base}b{s}", "{base}|{n}x{p}",
    "{base}|{n}x{p}+{s}", "{base}/{n}x{p}", "{base}t{p}", "t{p}", "0|{n}x{p}", "0d{s}", "{base}p{n}/{p}",
    "{base}+{s}p{n}/{p}-{p}",
)  # fmt: skip
LAG: Final = controls.LagCompensation(start_ms=400, gain_ms=150, max_ms=900, max_per_turn_ms=500)


class Game(NamedTuple):
    """Controls of the holders, and the turns they play."""

    controls: list[controls.TimeControl]
    turns: list[tc.TurnPlan]


def drawn_control(rng: random.Random) -> controls.TimeControl:
    """Draw a control that is within its limits."""
    while True:
        stages = [f"{rng.randint(1, 3)}/{drawn_clock(rng)}" for _ in range(rng.choice((0, 0, 1, 2)))]
        last = drawn_clock(rng) if rng.random() < 0.7 else f"{rng.randint(1, 3)}/{drawn_clock(rng)}"
        text = ":".join([*stages, last])
        text += rng.choice(("", "", "!20", "!0.1", "~1", "~2@5", "!30~1@9"))
        control = parse(text)
        if not any(control_violations("", control)):
            message = controls.TimeControl()
            message.CopyFrom(control_message(control))
            if rng.random() < 0.3:
                message.lag_compensation.CopyFrom(LAG)
            return message


def drawn_clock(rng: random.Random) -> str:
    base, period = rng.choice(("10", "1", "25.003", "60")), rng.choice(("1", "7.5", "30"))
    return rng.choice(FAMILIES).format(base=base, p=period, s=rng.choice(("0.5", "2", "5.001")), n=rng.randint(1, 4))


def drawn_game(rng: random.Random) -> Game:
    """Draw two or three holders with odds, or an hourglass, and turns that are paused now and then."""
    holders = rng.randint(2, 3)
    if rng.random() < 0.1:
        hourglass = controls.TimeStage(base_ms=rng.randint(5_000, 20_000), hourglass=controls.Hourglass())
        given = [controls.TimeControl(stages=[hourglass])] * holders
    else:
        given = [drawn_control(rng) for _ in range(holders)]
    turns = []
    for place in range(rng.randint(1, 9)):
        spent = rng.choice((0, 1, rng.randint(0, 3_000), rng.randint(0, 12_000), rng.randint(0, 40_000)))
        starts = sorted(rng.randint(0, spent) for _ in range(rng.choice((0, 0, 0, 1, 2))))
        pauses = [tc.PausePlan(start_ms=start, duration_ms=rng.randint(0, 100_000)) for start in starts]
        has_lag = given[place % holders].HasField("lag_compensation")
        turns.append(tc.TurnPlan(spent_ms=spent, pauses=pauses, lag_ms=rng.randint(0, 700) if has_lag else 0))
    return Game(given, turns)


def commands(session_id: str, game: Game) -> Iterator[tuple[int, Message]]:
    """Yield what a client would send, each with the number of its turn; -1 before the first."""
    yield (
        -1,
        pb.CreateSessionRequest(
            session_id=session_id,
            mode=session_pb2.MODE_PER_PARTICIPANT,
            participants=[
                session_pb2.ParticipantSpec(participant_id=new_id(), time_control=one) for one in game.controls
            ],
            manual_clock=True,
        ),
    )
    yield -1, pb.StartSessionRequest(session_id=session_id)
    for number, turn in enumerate(game.turns):
        ran = 0
        for pause in turn.pauses:
            yield from ((number, one) for one in advance(session_id, pause.start_ms - ran))
            ran = pause.start_ms
            yield number, pb.PauseSessionRequest(session_id=session_id)
            yield from ((number, one) for one in advance(session_id, pause.duration_ms))
            yield number, pb.ResumeSessionRequest(session_id=session_id)
        yield from ((number, one) for one in advance(session_id, turn.spent_ms - ran))
        yield number, pb.SwitchCycleRequest(session_id=session_id, lag_ms=turn.lag_ms)


def advance(session_id: str, by_ms: int) -> Iterator[pb.AdvanceClockRequest]:
    if by_ms:
        yield pb.AdvanceClockRequest(session_id=session_id, by_ms=by_ms)


@pytest.fixture(scope="module")
async def channel(redis_server: RedisServer) -> AsyncIterator[Any]:
    """A channel to a server."""
    async with serving(settings_for(redis_server.url)) as server, grpc.aio.insecure_channel(server.address) as channel:
        yield channel


async def lived(stub: Any, games: list[Game]) -> list[list[session_pb2.Session]]:
    """Play games on the service; return each one's session after every turn, the last of them where it flagged."""
    sent: list[list[int]] = []
    async with reading(Driving(stub.ExecuteCommands())) as stream:
        for place, game in enumerate(games):
            turns = []
            for number, (turn, request) in enumerate(commands(new_id(), game)):
                await stream.send(f"{place}/{number}", request)
                turns.append(turn)
            sent.append(turns)
        total = sum(map(len, sent))
        await stream.until(lambda so_far: len(so_far.answers) >= total, PATIENCE_S)
        answers = {answer.command_id: answer for answer in stream.answers}
    return [[*after(turns, place, answers).values()] for place, turns in enumerate(sent)]


def after(turns: list[int], place: int, answers: dict[str, Any]) -> dict[int, session_pb2.Session]:
    """Return the last session that each turn's commands were answered with."""
    found: dict[int, session_pb2.Session] = {}
    for number, turn in enumerate(turns):
        answer = answers[f"{place}/{number}"]
        if answer.WhichOneof("outcome") == "result" and turn >= 0:
            found[turn] = answer.result.session
    return found


async def simulated(stub: Any, game: Game) -> tc.SimulateTimeControlResponse:
    reply: tc.SimulateTimeControlResponse = await stub.SimulateTimeControl(
        tc.SimulateTimeControlRequest(time_controls=game.controls, turns=game.turns)
    )
    return reply


async def test_both_leave_the_same_clocks(channel: Any) -> None:
    """1 000 drawn games with odds, stages, limits, lag and pauses: every clock after every turn, up to the flag."""
    rng = random.Random(11)
    games = [drawn_game(rng) for _ in range(GAMES)]
    flags = turns = 0
    for first in range(0, GAMES, AT_ONCE):
        batch = games[first : first + AT_ONCE]
        lives = await lived(SessionServiceStub(channel), batch)
        for game, life in zip(batch, lives, strict=True):
            reply = await simulated(TimeControlServiceStub(channel), game)
            assert len(reply.turns) == len(life), game
            for turn, session in zip(reply.turns, life, strict=True):
                assert turn.flagged == (session.status == session_pb2.STATUS_EXPIRED), (game, turn)
                assert list(turn.clocks) == [participant.clock for participant in session.participants], (game, turn)
                turns += 1
            flags += reply.HasField("flagged_holder")

    assert turns > 2 * GAMES
    assert GAMES // 10 < flags < GAMES


def entered(reply: tc.SimulateTimeControlResponse) -> list[controls.ClockPhase]:
    """Return the phases that clocks entered while they ran: neither a turn's first, nor a flag."""
    entered = [phase for turn in reply.turns for phase in turn.phases_passed[1:]]
    return [phase for phase in entered if phase.kind != controls.CLOCK_PHASE_KIND_FLAG]


async def test_both_pass_the_same_phases(channel: Any) -> None:
    """What a watcher is told while a manual clock advances is what the simulator says the clocks were in."""
    rng = random.Random(12)
    stub, told = SessionServiceStub(channel), 0
    while told < PHASES:
        game = drawn_game(rng)
        expected = entered(await simulated(TimeControlServiceStub(channel), game))
        if not expected:
            continue
        session_id = new_id()
        create, *rest = [request for _, request in commands(session_id, game)]
        created = await stub.CreateSession(create)
        watch = stub.WatchSession(pb.WatchSessionRequest(session_id=session_id))
        async with reading(Driving(stub.ExecuteCommands())) as stream, reading(Recording(watch)) as watched:
            await watched.until(lambda so_far: so_far.of("snapshot"))
            for number, request in enumerate([*rest, pb.CancelSessionRequest(session_id=session_id)]):
                await stream.send(str(number), request)
            await watched.until(lambda so_far: so_far.of("end"))
        live = [message.phase.phase for message in watched.of("phase")]
        for phase in live:
            phase.starts_at.FromMilliseconds(
                phase.starts_at.ToMilliseconds() - created.session.created_at.ToMilliseconds()
            )

        assert live == expected, game
        told += len(live)
