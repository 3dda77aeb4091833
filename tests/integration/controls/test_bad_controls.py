"""Time controls that cannot be: refused by the path of what is wrong with them, and nothing is stored."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1 import time_control_pb2 as tc
from testing.harness.client import Stub, new_id, refused
from testing.harness.command_client import driving, refusal_of
from testing.harness.playing.played_sessions import PlayedSession, with_control
from tests.integration.controls.conftest import ServedSessions
from tests.integration.rpc.good_requests import create
from tests.integration.store.key_space import KeySpace

DAYS_28 = 2_419_200_000
TOO_MUCH = (DAYS_28 + 1, 2**53, 2**63 - 1)
NEGATIVE = (-1, -(2**63))


def stage(base_ms: int = 60_000, **fields: Any) -> tc.TimeStage:
    """Return a stage."""
    return tc.TimeStage(base_ms=base_ms, **fields)


def control(*stages: tc.TimeStage, **fields: Any) -> tc.TimeControl:
    """Return a control, of one good stage unless others are given."""
    return tc.TimeControl(stages=stages or [stage()], **fields)


def byo_yomi(**fields: Any) -> tc.TimeControl:
    """Return byo-yomi, some fields changed."""
    return control(stage(byo_yomi=tc.ByoYomi(**{"periods": 3, "period_ms": 5_000, **fields})))


def lag(**fields: Any) -> tc.TimeControl:
    """Return a control with lag compensation."""
    return control(lag_compensation=tc.LagCompensation(**fields))


ONE, FAMILY = "stages[0]", "stages[0]."
CONTROLS: list[tuple[tc.TimeControl, str]] = [
    (tc.TimeControl(), "stages"),
    (control(*[stage(turns=1)] * 17), "stages"),
    *((control(stage(ms)), f"{ONE}.base_ms") for ms in (0, 1, 999, *NEGATIVE, *TOO_MUCH)),
    *((control(stage(turns=turns)), f"{ONE}.turns") for turns in (-1, 10_001, 2**31 - 1)),
    (control(stage(), stage()), f"{ONE}.turns"),
    *((byo_yomi(periods=n), f"{FAMILY}byo_yomi.periods") for n in (0, -1, 1_001, 2**31 - 1)),
    *((byo_yomi(period_ms=ms), f"{FAMILY}byo_yomi.period_ms") for ms in (0, 999, *NEGATIVE, *TOO_MUCH)),
    *((byo_yomi(increment_ms=ms), f"{FAMILY}byo_yomi.increment_ms") for ms in (*NEGATIVE, *TOO_MUCH)),
    *(
        (control(stage(fischer=tc.Fischer(increment_ms=ms))), f"{FAMILY}fischer.increment_ms")
        for ms in (*NEGATIVE, *TOO_MUCH)
    ),
    *((control(stage(fischer=tc.Fischer(cap_ms=ms))), f"{FAMILY}fischer.cap_ms") for ms in (1, *NEGATIVE, *TOO_MUCH)),
    *(
        (control(stage(**{name: kind(delay_ms=ms)})), f"{FAMILY}{name}.delay_ms")
        for name, kind in (("simple_delay", tc.SimpleDelay), ("bronstein", tc.Bronstein))
        for ms in (0, *NEGATIVE, *TOO_MUCH)
    ),
    (control(stage(canadian=tc.Canadian(turns=0, period_ms=5_000))), f"{FAMILY}canadian.turns"),
    *(
        (control(stage(canadian=tc.Canadian(turns=1, period_ms=ms))), f"{FAMILY}canadian.period_ms")
        for ms in (0, *NEGATIVE, *TOO_MUCH)
    ),
    *(
        (control(stage(per_turn=tc.PerTurn(turn_ms=ms))), f"{FAMILY}per_turn.turn_ms")
        for ms in (0, 999, *NEGATIVE, *TOO_MUCH)
    ),
    *(
        (control(stage(penalty=tc.Penalty(**{"unit_ms": 1_000, name: value}))), f"{FAMILY}penalty.{name}")
        for name, values in (
            ("limit_ms", (*NEGATIVE, *TOO_MUCH)),
            ("unit_ms", (0, 999, *NEGATIVE, *TOO_MUCH)),
            ("points", (-1, 1_000_001, 2**31 - 1)),
            ("increment_ms", (*NEGATIVE, *TOO_MUCH)),
        )
        for value in values
    ),
    (control(stage(turns=1, hourglass=tc.Hourglass())), f"{FAMILY}hourglass"),
    (control(stage(turns=1, hourglass=tc.Hourglass()), stage()), f"{FAMILY}hourglass"),
    *((control(turn_limit_ms=ms), "turn_limit_ms") for ms in (1, 99, *NEGATIVE, *TOO_MUCH)),
    *((control(free_turns=n), "free_turns") for n in (-1, 1_001, 2**31 - 1)),
    *((control(free_turns=1, free_turn_limit_ms=ms), "free_turn_limit_ms") for ms in (1, 99, *NEGATIVE, *TOO_MUCH)),
    (control(free_turn_limit_ms=1_000), "free_turn_limit_ms"),
    *(
        (lag(**{name: ms}), f"lag_compensation.{name}")
        for name in ("start_ms", "gain_ms", "max_ms", "max_per_turn_ms")
        for ms in (*NEGATIVE, *TOO_MUCH)
    ),
    # Those that would flag at once, at the latest when their stage begins.
    (control(stage(0, bronstein=tc.Bronstein(delay_ms=5_000))), f"{ONE}.base_ms"),
    (control(stage(0, fischer=tc.Fischer(increment_ms=5_000))), f"{ONE}.base_ms"),
    (control(stage(0, hourglass=tc.Hourglass())), f"{ONE}.base_ms"),
    (control(stage(turns=1, byo_yomi=tc.ByoYomi(periods=1, period_ms=1_000)), stage(0)), "stages[1].base_ms"),
    (control(stage(turns=1, penalty=tc.Penalty(unit_ms=1_000)), stage(60_000)), "stages[1].base_ms"),
]
"""Every limit, from both sides, and what a control must not leave to its later stages."""

TEXTS: list[tuple[str, str]] = [
    ("", "at position 0: "),
    ("10|", "at position 3: "),
    ("10|5y30", "at position 4: "),
    ("10|0x30", "at position 3: "),
    ("10|5x0.5", "stages[0].byo_yomi.period_ms "),
    ("180+2 ", "at position 5: "),
    ("10|1001x30", "stages[0].byo_yomi.periods "),
    ("9007199254740", "stages[0].base_ms "),
    ("9007199254740993", "at position 0: "),
    ("40/5400:", "at position 8: "),
    ("?", "at position 0: "),
    ("-", "at position 0: "),
    ("60d", "at position 3: "),
    ("\u0661\u0662", "at position 0: "),
    ("1/10:" * 60 + "5", "is longer than 256 bytes"),
    (":".join(["1/10"] * 17), "stages "),
]
"""Texts, and how the description of each begins."""


class Refuser:
    """A server with one running session, and its keys in Redis."""

    def __init__(self, stub: Stub, keys: KeySpace, running: PlayedSession) -> None:
        self.stub = stub
        self.keys = keys
        self.running = running

    async def refuses(self, request: pb.CreateSessionRequest | pb.AddParticipantRequest) -> dict[str, str]:
        """Return what is said of each wrong field, unary and as a command, and check that nothing is stored."""
        before = await self.keys.content()
        unary = await refused(getattr(self.stub, request.DESCRIPTOR.name.removesuffix("Request"))(request))
        async with driving(self.stub) as commands:
            streamed = refusal_of(await commands.ask("1", request))
        assert await self.keys.content() == before
        for problem in (unary, streamed):
            assert (problem.code, problem.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
        assert unary.fields == streamed.fields
        return unary.fields


@pytest.fixture(scope="module")
async def server(served: ServedSessions) -> AsyncIterator[Refuser]:
    """A server that refuses."""
    async with KeySpace(served.settings.redis_url.get_secret_value(), served.settings.redis_prefix) as keys:
        running = await PlayedSession.create(served.stub, with_control("3600|5x30"))
        yield Refuser(served.stub, keys, running)


def numbered(cases: list[Any]) -> list[Any]:
    """Return cases with ids that say what is wrong in each."""
    return [pytest.param(*case, id=f"{place}-{case[1][:40]}") for place, case in enumerate(cases)]


@pytest.mark.parametrize(("wrong", "path"), numbered(CONTROLS))
async def test_a_wrong_control_is_refused_by_its_path(server: Refuser, wrong: tc.TimeControl, path: str) -> None:
    """The path begins with the field that holds the control: the session's, a holder's, or a joining one's."""
    assert list(await server.refuses(with_control(wrong))) == [f"time_control.{path}"]

    is_hourglass = any(one.HasField("hourglass") for one in wrong.stages)
    if not is_hourglass:  # which has to be everybody's
        odds = with_control(odds=(control(), wrong))
        assert list(await server.refuses(odds)) == [f"participants[1].time_control.{path}"]
        joining = session_pb2.ParticipantSpec(participant_id=new_id(), time_control=wrong)
        request = pb.AddParticipantRequest(session_id=server.running.id, participant=joining)
        assert list(await server.refuses(request)) == [f"participant.time_control.{path}"]


@pytest.mark.parametrize(("text", "problem"), numbered(TEXTS))
async def test_a_wrong_text_is_refused_with_the_position(server: Refuser, text: str, problem: str) -> None:
    """And what was expected there, or what is wrong with what it says."""
    for request, path in (
        (with_control(text), "time_control_text"),
        (with_control(odds=(control(), text)), "participants[1].time_control_text"),
    ):
        fields = await server.refuses(request)
        assert list(fields) == [path]
        assert fields[path].startswith(problem), fields


LIMITS: list[tuple[str, dict[str, Any], str]] = [
    *(("participant", {"session_limit_ms": ms}, "session_limit_ms") for ms in (1, 999, *NEGATIVE, *TOO_MUCH)),
    ("global", {"session_limit_ms": 5_000}, "session_limit_ms"),
    *(
        ("global", {"soft_close": {"policy": 1, "window_ms": 5, "extend_ms": 5, name: value}}, f"soft_close.{name}")
        for name, values in (
            ("window_ms", (0, *NEGATIVE, *TOO_MUCH)),
            ("extend_ms", (0, *NEGATIVE, *TOO_MUCH)),
            ("policy", (0, 3)),
            ("hard_limit_ms", (1, 59_999, *NEGATIVE, *TOO_MUCH)),
        )
        for value in values
    ),
    ("global", {"soft_close": {"policy": 1, "window_ms": 5, "extend_ms": 5}, "on_expire": 4}, "soft_close"),
    ("cycle", {"soft_close": {"policy": 1, "window_ms": 5, "extend_ms": 5}}, "soft_close"),
    *(
        ("count up", {"close_at": close_at}, "close_at")
        for close_at in (
            {},
            {"seconds": 1},
            {"seconds": -1},
            {"seconds": 2**40},
            {"seconds": 4_000_000_000, "nanos": -1},
        )
    ),
]
"""Limits of sessions."""


@pytest.mark.parametrize(
    ("base", "fields", "path"), [pytest.param(*case, id=f"{at}-{case[2]}") for at, case in enumerate(LIMITS)]
)
async def test_a_wrong_limit_is_refused(server: Refuser, base: str, fields: dict[str, Any], path: str) -> None:
    """By its path, where a session cannot have it."""
    assert list(await server.refuses(create(base, **fields))) == [path]


async def test_two_ways_to_say_one_thing_are_both_named(server: Refuser) -> None:
    """Old fields beside a control, and holders without one."""
    both = create("participant", time_control=control())
    paths = {"time_control", "participants[0].total_time_ms", "participants[1].total_time_ms"}
    assert set(await server.refuses(both)) == paths

    increments = with_control("60+1", increment_ms=1_000, max_time_ms=60_000)
    assert set(await server.refuses(increments)) == {"time_control_text", "increment_ms", "max_time_ms"}

    one_only = with_control(odds=(control(),))
    one_only.participants.add(participant_id=new_id())
    assert set(await server.refuses(one_only)) == {"participants[1].time_control"}


async def test_an_hourglass_is_everybodys(server: Refuser) -> None:
    """Refused for one holder, for some, and for one who joins without it."""
    assert set(await server.refuses(with_control("*60", holders=1))) == {"participants"}
    assert set(await server.refuses(with_control(odds=("*60", "60")))) == {"participants[1].time_control_text"}
    game = await PlayedSession.create(server.stub, with_control("*3600"))
    joining = session_pb2.ParticipantSpec(participant_id=new_id(), time_control_text="60")
    request = pb.AddParticipantRequest(session_id=game.id, participant=joining)
    assert set(await server.refuses(request)) == {"participant.time_control_text"}
