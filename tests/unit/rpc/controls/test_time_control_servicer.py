"""TimeControlService: all forms of a control, turns played with it, and each refusal by the field's path."""

import asyncio
import time
from typing import Any, Final

import pytest
from hypothesis import given, settings

from synckairos.domain.controls import simulation
from synckairos.domain.controls.limits import control_violations
from synckairos.domain.controls.notation import text_of
from synckairos.domain.controls.time_control import TimeControl
from synckairos.rpc.controls import servicer as time_control_servicer
from synckairos.rpc.controls.mapping import control_message
from synckairos.rpc.controls.servicer import SLICE_S, Slices, TimeControlServicer
from synckairos.rpc.fields import MAX_INSTANT_MS, Fields
from synckairos.rpc.interceptor import CallInterceptor
from synckairos.rpc.server import TIME_CONTROL_SERVICE
from synckairos.v1 import time_control_pb2 as controls
from synckairos.v1 import time_control_service_pb2 as pb
from testing.harness.playing.control_drawing import time_controls
from tests.unit.rpc.grpc_testing_adapter import Loop, TestServer
from tests.unit.rpc.use_cases import UseCases

MOST: Final = 28 * 86_400_000
BYO_YOMI: Final = controls.TimeControl(
    stages=[controls.TimeStage(base_ms=600_000, byo_yomi=controls.ByoYomi(periods=5, period_ms=30_000))]
)
CONTEXT: Final[Any] = None


@pytest.fixture
def server(loop: Loop, use_cases: UseCases) -> TestServer:
    """The service by itself: it needs no other."""
    calls = CallInterceptor(use_cases.observed, lambda: "some-id")
    return TestServer(loop, calls, {TIME_CONTROL_SERVICE: (TimeControlServicer(),)})


def parsed(server: TestServer, **source: Any) -> pb.ParseTimeControlResponse:
    reply: pb.ParseTimeControlResponse = server.ok("ParseTimeControl", pb.ParseTimeControlRequest(**source))
    return reply


def simulated(server: TestServer, *spent_ms: int, **request: Any) -> pb.SimulateTimeControlResponse:
    turns = [pb.TurnPlan(spent_ms=spent) for spent in spent_ms]
    encoded = server.ok("SimulateTimeControl", pb.SimulateTimeControlRequest(**{"turns": turns, **request}))
    return pb.SimulateTimeControlResponse.FromString(encoded)


def problems(server: TestServer, method: str, request: Any) -> dict[str, str]:
    refusal = server.refused(method, request)
    assert refusal.reason == "INVALID_FIELD"
    return refusal.fields


def test_a_text_has_all_forms(server: TestServer) -> None:
    """The control, its canonical text, and words."""
    reply = parsed(server, text="10m|5x30s")

    assert reply.time_control == BYO_YOMI
    assert reply.text == "600|5x30"
    assert reply.description.startswith("10 minutes, then 5 periods of 30 seconds: ")
    assert parsed(server, time_control=BYO_YOMI) == reply


@pytest.mark.parametrize(
    ("source", "path", "problem"),
    [
        ({}, "text", "one of text and time_control is required"),
        ({"text": ""}, "text", 'at position 0: expected a time or "*" or "t"'),
        ({"text": "600|5"}, "text", 'at position 5: expected "x"'),
        ({"text": "?"}, "text", "at position 0: expected a time control, but `?` says that it is unknown"),
        ({"text": "1/" * 128 + "9"}, "text", "is longer than 256 bytes"),
        ({"text": "600|5x0.5"}, "text", f"stages[0].byo_yomi.period_ms must be between 1000 and {MOST}, is 500"),
        ({"time_control": controls.TimeControl()}, "time_control.stages", "has 0 entries, 1 to 16 are allowed"),
        (
            {"time_control": controls.TimeControl(stages=[controls.TimeStage(base_ms=1_000)], turn_limit_ms=99)},
            "time_control.turn_limit_ms",
            f"must be between 100 and {MOST}, is 99",
        ),
        (
            {
                "time_control": controls.TimeControl(
                    stages=[controls.TimeStage(base_ms=1_000)], lag_compensation=controls.LagCompensation()
                )
            },
            "time_control.lag_compensation",
            "has no text",
        ),
    ],
)
def test_what_is_wrong_with_a_control_is_named(
    server: TestServer, source: dict[str, Any], path: str, problem: str
) -> None:
    """By its path, or by the position in its text."""
    assert problems(server, "ParseTimeControl", pb.ParseTimeControlRequest(**source)) == {path: problem}


def test_turns_are_played(server: TestServer) -> None:
    """Every holder's clock after each, the phases with their instants, and nobody flagged."""
    turns = [
        pb.TurnPlan(spent_ms=610_000, pauses=[pb.PausePlan(start_ms=1_000, duration_ms=5_000)]),
        pb.TurnPlan(spent_ms=670_000),
    ]
    reply = simulated(server, time_control_text="600|5x30", turns=turns)

    first, second = reply.turns
    assert not reply.HasField("flagged_holder")
    assert [(turn.holder, turn.spent_ms, turn.flagged) for turn in reply.turns] == [
        (0, 610_000, False),
        (1, 670_000, False),
    ]
    assert [(clock.bank_ms, clock.periods_left, clock.turns_made) for clock in first.clocks] == [
        (0, 5, 1),
        (600_000, 5, 0),
    ]
    assert [(clock.bank_ms, clock.periods_left) for clock in second.clocks] == [(0, 5), (0, 3)]
    assert [(phase.starts_at.seconds, phase.kind, phase.display_ms) for phase in first.phases_passed] == [
        (0, controls.CLOCK_PHASE_KIND_MAIN, 600_000),
        (605, controls.CLOCK_PHASE_KIND_PERIOD, 30_000),
    ]
    assert [phase.periods_left for phase in second.phases_passed] == [5, 5, 4, 3]
    assert second.phases_passed[0].starts_at.seconds == 615


def test_it_ends_at_a_flag(server: TestServer) -> None:
    """The flagged turn is the last; it tells who, and when."""
    reply = simulated(server, 5_000, 10_000, 5_000, time_control_text="10")

    assert [(turn.holder, turn.spent_ms, turn.flagged) for turn in reply.turns] == [
        (0, 5_000, False),
        (1, 10_000, True),
    ]
    assert reply.flagged_holder == 1
    assert [phase.kind for phase in reply.turns[1].phases_passed] == [
        controls.CLOCK_PHASE_KIND_MAIN,
        controls.CLOCK_PHASE_KIND_FLAG,
    ]


def test_the_first_holder_can_flag(server: TestServer) -> None:
    """0 is a holder, too."""
    reply = simulated(server, 10_000, time_control_text="10")

    assert reply.HasField("flagged_holder")
    assert reply.flagged_holder == 0


def test_holders_may_have_odds(server: TestServer) -> None:
    """One control each, in order; lag is credited to whom it is compensated."""
    lag = controls.LagCompensation(start_ms=300, max_ms=1_000)
    minute = controls.TimeControl(stages=[controls.TimeStage(base_ms=60_000)], lag_compensation=lag)
    turns = [pb.TurnPlan(spent_ms=1_000, lag_ms=500), pb.TurnPlan(spent_ms=2_000)]
    reply = simulated(server, time_controls=[minute, BYO_YOMI], turns=turns)

    assert reply.turns[0].credited_ms == 300
    assert [clock.bank_ms for clock in reply.turns[1].clocks] == [59_300, 598_000]
    assert reply.turns[1].clocks[0].lag_quota_ms == 0


SECOND: Final = controls.TimeControl(stages=[controls.TimeStage(base_ms=1_000)])


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({}, {"time_control": "is required, or time_control_text, or time_controls"}),
        ({"time_control": controls.TimeControl()}, {"time_control.stages": "has 0 entries, 1 to 16 are allowed"}),
        ({"time_control_text": "1|"}, {"time_control_text": "at position 2: expected a whole number of at least 1"}),
        ({"time_control": SECOND, "holders": -1}, {"holders": "must be between 1 and 16, is -1"}),
        ({"time_control": SECOND, "holders": 17}, {"holders": "must be between 1 and 16, is 17"}),
        ({"time_controls": [SECOND] * 17}, {"holders": "must be between 1 and 16, is 17"}),
        ({"time_controls": [SECOND], "holders": 2}, {"time_controls": "has 1 entries for 2 holders"}),
        (
            {"time_controls": [SECOND], "time_control": SECOND},
            {"time_controls": "is not used beside time_control"},
        ),
        (
            {"time_controls": [SECOND, controls.TimeControl(stages=[controls.TimeStage()])]},
            {"time_controls[1].stages[0].base_ms": "is 0, which leaves the clock without time"},
        ),
        ({"time_control_text": "*1", "holders": 1}, {"holders": "an hourglass needs at least two holders"}),
        (
            {"time_control": SECOND, "holders": 16, "turns": [pb.TurnPlan()] * 1_251},
            {"turns": "has 1251 entries, at most 1250 are allowed for 16 holders"},
        ),
        (
            {"time_control": SECOND, "turns": [pb.TurnPlan(), pb.TurnPlan(spent_ms=-1, lag_ms=5)]},
            {
                "turns[1].spent_ms": f"must be between 0 and {MOST}, is -1",
                "turns[1].lag_ms": "the holder's clock has no lag compensation",
            },
        ),
        (
            {"time_control": SECOND, "turns": [pb.TurnPlan(pauses=[pb.PausePlan()] * 101)]},
            {"turns[0].pauses": "has 101 entries, at most 100 are allowed"},
        ),
        (
            {"time_control": SECOND, "turns": [pb.TurnPlan(pauses=[pb.PausePlan()] * 100)] * 201},
            {"turns[200].pauses": "more than 20000 pauses in all"},
        ),
        (
            {
                "time_control": SECOND,
                "turns": [pb.TurnPlan(pauses=[pb.PausePlan(duration_ms=MOST)] * 100)] * 1_048,
            },
            {"turns[200].pauses": "more than 20000 pauses in all"},
        ),
    ],
)
def test_what_is_wrong_with_a_simulation_is_named(
    server: TestServer, request_: dict[str, Any], problem: dict[str, str]
) -> None:
    """By its path, before anything is played."""
    assert problems(server, "SimulateTimeControl", pb.SimulateTimeControlRequest(**request_)) == problem


def test_wrong_turns_are_read_no_further_than_they_are_told(server: TestServer) -> None:
    """A request full of mistakes costs no more than a good one."""
    request = pb.SimulateTimeControlRequest(time_control=SECOND, turns=[pb.TurnPlan(spent_ms=-1)] * 10_000)

    assert len(problems(server, "SimulateTimeControl", request)) == 20


def test_instants_stay_within_the_calendar() -> None:
    """A Timestamp knows no year 10000."""
    longest_ms = (simulation.MAX_CLOCKS + simulation.MAX_ALL_PAUSES) * MOST

    assert longest_ms < MAX_INSTANT_MS


def test_a_reply_has_a_largest_size(server: TestServer) -> None:
    """A thousand periods burnt in every turn are more than a reply can show."""
    request = pb.SimulateTimeControlRequest(
        time_control_text="1/0|1000x1", holders=1, turns=[pb.TurnPlan(spent_ms=999_999)] * 200
    )

    assert problems(server, "SimulateTimeControl", request) == {
        "turns[100]": "passes, with those before it, more than 100000 phases"
    }


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"time_control_text": "600|5x30", "turns": [pb.TurnPlan(spent_ms=20_000)] * 2_000}, id="turns"),
        pytest.param(
            {"time_control_text": "*600", "holders": 16, "turns": [pb.TurnPlan(spent_ms=20)] * 300}, id="clocks"
        ),
        pytest.param(
            {"time_control_text": "1/0|1000x1", "holders": 1, "turns": [pb.TurnPlan(spent_ms=999_999)] * 10},
            id="phases",
        ),
        pytest.param(
            {"time_control_text": "60", "turns": [pb.TurnPlan(spent_ms=9, pauses=[pb.PausePlan()] * 100)] * 20},
            id="pauses",
        ),
    ],
)
async def test_others_are_let_in_every_few_milliseconds(request_: dict[str, Any]) -> None:
    """A long reply keeps the event loop for a slice at a time, by the time it computes itself."""
    request = pb.SimulateTimeControlRequest(**request_)
    call = asyncio.ensure_future(TimeControlServicer().SimulateTimeControl(request, CONTEXT))
    used: list[float] = []

    await asyncio.sleep(0)
    while not call.done():
        began = time.thread_time()
        await asyncio.sleep(0)
        used.append(time.thread_time() - began)

    assert len(pb.SimulateTimeControlResponse.FromString(call.result()).turns) == len(request.turns)
    assert len(used) >= 10
    assert sorted(used)[len(used) * 9 // 10] <= 2 * SLICE_S


async def test_many_simulations_take_one_slice_at_a_time() -> None:
    """However many run at once: another call waits for one slice, not for one of each."""
    servicer = TimeControlServicer()
    request = pb.SimulateTimeControlRequest(time_control_text="60+1", turns=[pb.TurnPlan(spent_ms=900)] * 100)
    calls = [asyncio.ensure_future(servicer.SimulateTimeControl(request, CONTEXT)) for _ in range(20)]
    used: list[float] = []

    while not all(call.done() for call in calls):
        began = time.thread_time()
        await asyncio.sleep(0)
        used.append(time.thread_time() - began)

    assert len({call.result() for call in calls}) == 1
    assert sorted(used)[len(used) * 9 // 10] <= 2 * SLICE_S


async def test_a_cancelled_simulation_leaves_its_turn_to_others() -> None:
    """In a slice or between two: the next one goes on."""
    servicer = TimeControlServicer()
    request = pb.SimulateTimeControlRequest(time_control_text="60+1", turns=[pb.TurnPlan(spent_ms=900)] * 500)
    for steps in range(6):
        gone, waiting, other = [asyncio.ensure_future(servicer.SimulateTimeControl(request, CONTEXT)) for _ in range(3)]
        for _ in range(steps):
            await asyncio.sleep(0)
        gone.cancel()
        waiting.cancel()

        async with asyncio.timeout(10):
            assert await other

    assert not servicer._turn.locked()


async def test_a_slice_ends_when_its_time_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before: letting others in has a price."""
    now = 0.0
    monkeypatch.setattr(time_control_servicer.time, "perf_counter", lambda: now)
    async with Slices(asyncio.Lock()) as slices:
        others = asyncio.ensure_future(_nothing())
        await slices.end()
        assert not others.done()
        now = SLICE_S
        await slices.end()
        assert others.done()
        now = SLICE_S * 1.5
        later = asyncio.ensure_future(_nothing())
        await slices.end()
        assert not later.done()

    await later


async def _nothing() -> None: ...


@given(time_controls())
@settings(max_examples=100)
def test_every_control_round_trips(control: TimeControl) -> None:
    """A control's message and its text are the same control."""
    if any(control_violations("", control)):
        return
    fields = Fields()
    message = control_message(control)

    assert time_control_servicer.read_control(fields, "c", message) == control
    text = text_of(control)
    if len(text) <= 256:
        assert time_control_servicer.read_text(fields, "t", text) == control
    fields.check()
