"""Time controls and limits in requests: read from messages and texts, and refused by the paths of the request."""

from typing import Any, Final

import grpc
import pytest

from synckairos.domain.commands import AdvanceClock, Switch
from synckairos.domain.controls.time_control import LagCompensation, Stage, TimeControl
from synckairos.domain.errors import InvalidField
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.fischer import Fischer
from synckairos.domain.model import SoftClose, SoftClosePolicy
from synckairos.domain.specification import SessionSpec
from synckairos.rpc import requests
from synckairos.rpc.fields import Fields
from synckairos.rpc.timestamps import timestamp
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1 import time_control_pb2 as controls
from tests.unit.rpc.calls import ANN, BOB, CLEO, MANUAL, RID, SID, created, mutation
from tests.unit.rpc.grpc_testing_adapter import TestServer
from tests.unit.rpc.use_cases import UseCases

FISCHER: Final = controls.TimeControl(
    stages=[controls.TimeStage(base_ms=180_000, fischer=controls.Fischer(increment_ms=2_000))]
)
RED, BLUE = (f"40000000-0000-4000-8000-00000000000{digit}" for digit in "ab")


def players(**fields: Any) -> list[session_pb2.ParticipantSpec]:
    """Return ANN, with more fields, and BOB."""
    return [
        session_pb2.ParticipantSpec(participant_id=ANN, **fields),
        session_pb2.ParticipantSpec(participant_id=BOB),
    ]


def game(**fields: Any) -> pb.CreateSessionRequest:
    """Return a request of a session of two."""
    fields = {"participants": players(), **fields}
    return pb.CreateSessionRequest(session_id=SID, mode=session_pb2.MODE_PER_PARTICIPANT, **fields)


def read(request: pb.CreateSessionRequest) -> SessionSpec:
    """Return what a good request describes."""
    fields = Fields()
    _, command = requests.create(fields, request)
    fields.check()
    return command.spec


def refused(server: TestServer, request: pb.CreateSessionRequest) -> dict[str, str]:
    """Return the violations of a request that must be refused, by path."""
    problem = server.refused("CreateSession", request)
    assert (problem.code, problem.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    return dict(problem.fields)


def test_a_control_and_its_text_are_read_as_the_same() -> None:
    """Of the session, of a participant, of a group."""
    expected = TimeControl((Stage(180_000, 0, Fischer(2_000)),))
    odds = TimeControl((Stage(600_000, 0, ByoYomi(5, 30_000)),))

    assert read(game(time_control=FISCHER)).time_control == expected
    assert read(game(time_control_text="180+2")).time_control == expected
    spec = read(game(time_control=FISCHER, participants=players(time_control_text="600|5x30")))
    assert [one.time_control for one in spec.participants] == [odds, None]
    teams = pb.CreateSessionRequest(
        mode=session_pb2.MODE_PER_GROUP,
        participants=[
            session_pb2.ParticipantSpec(participant_id=ANN, group_id=RED),
            session_pb2.ParticipantSpec(participant_id=BOB, group_id=BLUE),
        ],
        groups=[
            session_pb2.GroupSpec(group_id=RED, time_control=FISCHER),
            session_pb2.GroupSpec(group_id=BLUE, time_control_text="600|5x30"),
        ],
    )
    assert [one.time_control for one in read(teams).groups] == [expected, odds]


def test_every_part_of_a_control_is_read() -> None:
    """Limits, free turns and lag compensation too."""
    message = controls.TimeControl(
        stages=[
            controls.TimeStage(base_ms=5_000, turns=3),
            controls.TimeStage(base_ms=1_000, penalty=controls.Penalty(unit_ms=1_000, points=5)),
        ],
        turn_limit_ms=30_000,
        free_turns=2,
        free_turn_limit_ms=20_000,
        lag_compensation=controls.LagCompensation(start_ms=1, gain_ms=2, max_ms=3, max_per_turn_ms=4),
    )

    control = read(game(time_control=message)).time_control

    assert control is not None
    assert control[1:] == (30_000, 2, 20_000, LagCompensation(1, 2, 3, 4))
    assert [(stage.base_ms, stage.turns, stage.family.name) for stage in control.stages] == [
        (5_000, 3, "absolute"),
        (1_000, 0, "penalty"),
    ]


def test_limits_are_read() -> None:
    """An instant is whole milliseconds; nothing that is not set is there."""
    close = controls.SoftClose(window_ms=5_000, extend_ms=10_000, policy=controls.SOFT_CLOSE_POLICY_RESET)
    auction = pb.CreateSessionRequest(
        mode=session_pb2.MODE_GLOBAL,
        total_time_ms=60_000,
        soft_close=close,
        close_at=timestamp(1_234),
        manual_clock=True,
    )

    spec = read(auction)

    assert spec.soft_close == SoftClose(5_000, 10_000, SoftClosePolicy.RESET)
    assert (spec.close_at, spec.manual_clock, spec.session_limit_ms) == (1_234, True, 0)
    plain = read(pb.CreateSessionRequest(mode=session_pb2.MODE_GLOBAL, total_time_ms=60_000))
    assert plain[-6:] == (None, 0, None, None, False, None)
    assert read(game(time_control=FISCHER, session_limit_ms=70_000)).session_limit_ms == 70_000


@pytest.mark.parametrize(
    ("fields", "path", "told"),
    [
        ({"time_control_text": "600|5y30"}, "time_control_text", "at position 5: expected"),
        ({"time_control_text": ""}, "time_control_text", "at position 0: expected"),
        ({"time_control_text": "?"}, "time_control_text", "at position 0: expected"),
        ({"time_control_text": "1" * 257}, "time_control_text", "longer than 256 bytes"),
        ({"participants": players(time_control_text="x")}, "participants[0].time_control_text", "at position 0"),
    ],
    ids=["a wrong mark", "nothing", "unknown", "too long", "of a participant"],
)
def test_a_wrong_text_is_refused_with_its_position(
    server: TestServer, use_cases: UseCases, fields: dict[str, Any], path: str, told: str
) -> None:
    """And with what was expected there; nothing is stored."""
    (problem,) = refused(server, game(**fields)).items()

    assert problem[0] == path
    assert told in problem[1]
    assert use_cases.stored(SID) is None


def test_what_a_control_says_twice_is_refused_by_the_names_that_were_given(server: TestServer) -> None:
    """Beside a text the old fields are refused, and so is the text."""
    wrong = refused(server, game(time_control_text="180+2", increment_ms=5))

    assert wrong == {
        "increment_ms": "is not used beside time_control_text",
        "time_control_text": "is not used beside increment_ms",
    }
    assert "time_control" in refused(server, game(time_control=FISCHER, increment_ms=5))
    countdown = pb.CreateSessionRequest(mode=session_pb2.MODE_GLOBAL, total_time_ms=5_000, time_control_text="60")
    assert list(refused(server, countdown)) == ["time_control_text"]


def test_more_stages_than_there_may_be_are_not_read(server: TestServer) -> None:
    """The list is named."""
    many = controls.TimeControl(stages=[controls.TimeStage(base_ms=1_000, turns=1)] * 50_000)

    assert "16" in refused(server, game(time_control=many))["time_control.stages"]


def test_who_bids_late_is_told_how(server: TestServer) -> None:
    """A soft close needs its policy."""
    close = controls.SoftClose(window_ms=5_000, extend_ms=10_000)
    request = pb.CreateSessionRequest(mode=session_pb2.MODE_GLOBAL, total_time_ms=60_000, soft_close=close)

    assert refused(server, request) == {"soft_close.policy": "is required"}


def test_who_joins_may_bring_a_control_of_its_own(server: TestServer) -> None:
    """As a message or as a text; a wrong one is named as it was given."""
    server.ok("CreateSession", game(time_control=FISCHER))
    joining = {"participant_id": CLEO, "time_control_text": "60d5"}

    session = server.ok("AddParticipant", mutation("AddParticipant", participant=joining)).session

    assert session.participants[2].time_control.stages[0].simple_delay.delay_ms == 5_000
    hourglass = mutation("AddParticipant", participant={"participant_id": SID, "time_control_text": "*60"})
    assert list(dict(server.refused("AddParticipant", hourglass).fields)) == ["participant.time_control_text"]


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (pb.SwitchCycleRequest(lag_ms=60_001), "lag_ms"),
        (pb.SwitchCycleRequest(lag_ms=-1), "lag_ms"),
        (pb.AdvanceClockRequest(), "by_ms"),
        (pb.AdvanceClockRequest(by_ms=2_419_200_001), "by_ms"),
        (pb.AdjustTimeRequest(reason="r", set_periods=0), "set_periods"),
        (pb.AdjustTimeRequest(reason="r", set_periods=1_001), "set_periods"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_numbers_out_of_range_are_refused(request_: Any, path: str) -> None:
    """By their fields."""
    read_ = {"SwitchCycleRequest": requests.switch, "AdvanceClockRequest": requests.advance_clock}
    fields = Fields()
    read_.get(type(request_).__name__, requests.adjust_time)(fields, request_)

    with pytest.raises(InvalidField) as refusal:
        fields.check()
    assert [one.path for one in refusal.value.violations] == [path]


def test_new_fields_of_commands_are_read() -> None:
    """Lag, periods, and by how much a clock is advanced."""
    fields = Fields()

    assert requests.switch(fields, pb.SwitchCycleRequest(lag_ms=60_000)) == Switch(lag_ms=60_000)
    assert requests.advance_clock(fields, pb.AdvanceClockRequest(by_ms=1)) == AdvanceClock(1)
    assert requests.adjust_time(fields, pb.AdjustTimeRequest(reason="r", set_periods=7)).set_periods == 7
    assert not fields.violations


def test_a_manual_clock_is_advanced_by_calls_alone(server: TestServer, use_cases: UseCases) -> None:
    """The reply is as of the session's own time, and so is every later one; a retry is answered as the call was."""
    before = created(server, MANUAL, "StartSession")
    use_cases.clock.advance(50_000)

    first = server.ok("AdvanceClock", mutation("AdvanceClock", request_id=RID, by_ms=7_000))
    again = server.ok("AdvanceClock", mutation("AdvanceClock", request_id=RID, by_ms=7_000))
    later = server.ok("GetSession", pb.GetSessionRequest(session_id=SID))

    expected = before.created_at.ToMilliseconds() + 7_000
    assert first.server_time == again.server_time == later.server_time == timestamp(expected)
    assert first.session == again.session == later.session
    assert first.session.participants[0].time_remaining_ms == 53_000
    assert (again.replayed, first.replayed) == (True, False)
    (last,) = use_cases.events(SID)[-1:]
    assert last.advanced_ms == 7_000
