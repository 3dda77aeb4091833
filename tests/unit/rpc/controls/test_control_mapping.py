"""Messages of sessions with time controls: clocks, phases, what a turn did; and none of it in those of others."""

from typing import Any, Final

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings

from synckairos.application.streams import frames
from synckairos.application.trail.audit import AuditedEvent, AuditRecord
from synckairos.domain.commands import AddParticipant, Command, Pause, Start, Switch
from synckairos.domain.controls.time_control import LagCompensation, Stage, TimeControl
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.canadian import Canadian
from synckairos.domain.families.delays import SimpleDelay
from synckairos.domain.families.family import Family, Phase, PhaseKind
from synckairos.domain.families.fischer import Fischer
from synckairos.domain.families.hourglass import Hourglass
from synckairos.domain.families.penalty import Penalty
from synckairos.domain.families.per_turn import PerTurn
from synckairos.domain.model import Mode, OnExpire, SoftClose, SoftClosePolicy
from synckairos.domain.specification import GroupSpec, ParticipantSpec, SessionSpec
from synckairos.rpc.audit.mapping import audited_event
from synckairos.rpc.controls.mapping import control_message
from synckairos.rpc.controls.requests import read_control
from synckairos.rpc.fields import Fields
from synckairos.rpc.mapping import event_message, session_message, tick_message
from synckairos.rpc.streams.envelopes import envelope
from synckairos.rpc.timestamps import timestamp
from synckairos.v1 import event_pb2, session_pb2
from synckairos.v1 import time_control_pb2 as pb
from testing.harness.playing.plays import ANN, BLUE, BOB, BORN, KINDS, RED, Play
from tests.unit.adapters import control_drawing

CLEO = "20000000-0000-4000-8000-00000000000c"
Did = tuple[int, Command | None]
LAST_OF: Final = {session_pb2.Session: 37, session_pb2.Participant: 11, session_pb2.Group: 7, event_pb2.Event: 12}
"""The highest field numbers that a session without time controls and limits has ever used."""


def of(family: Family, base_ms: int = 10_000, **more: Any) -> TimeControl:
    """Return a control of one stage."""
    return TimeControl((Stage(base_ms, 0, family),), **more)


def played(control: TimeControl, *did: Did, **fields: Any) -> Play:
    """Play a session of ANN and BOB with a control."""
    spec = SessionSpec(Mode.PER_PARTICIPANT, (ParticipantSpec(ANN), ParticipantSpec(BOB)), time_control=control)
    play = Play(spec._replace(**fields))
    for at, command in ((0, Start()), *did):
        play.do(at, command)
    return play


def shown(play: Play, at: int) -> session_pb2.Session:
    """Return the session as it looks at an instant."""
    return session_message(play.session, BORN + at)


def parts(clock: pb.ClockState) -> dict[str, Any]:
    """Return the parts a clock has, but for its counts of turns."""
    found = {field.name: value for field, value in clock.ListFields()}
    return {name: value for name, value in found.items() if name not in ("stage", "turns_made")}


def drawn(message: session_pb2.Session) -> list[tuple[int, str, int, int]]:
    """Return the phases: ms from the creation, kind, what is shown, rate."""
    return [
        (
            one.starts_at.ToMilliseconds() - BORN,
            pb.ClockPhaseKind.Name(one.kind).removeprefix("CLOCK_PHASE_KIND_"),
            one.display_ms,
            one.rate,
        )
        for one in message.phases
    ]


KIND = pb.ClockPhaseKind.Value
CLOCKS: dict[str, tuple[TimeControl, int, int | None, dict[str, Any]]] = {
    "fischer": (of(Fischer(2_000)), 3_000, 7_000, {"bank_ms": 7_000, "phase": KIND("CLOCK_PHASE_KIND_MAIN")}),
    "delay": (
        of(SimpleDelay(5_000)),
        3_000,
        12_000,
        {"bank_ms": 10_000, "delay_remaining_ms": 2_000, "phase": KIND("CLOCK_PHASE_KIND_DELAY")},
    ),
    "byo-yomi": (
        of(ByoYomi(5, 30_000)),
        45_000,
        115_000,
        {"bank_ms": 0, "periods_left": 4, "period_remaining_ms": 25_000, "phase": KIND("CLOCK_PHASE_KIND_PERIOD")},
    ),
    "canadian": (
        of(Canadian(20, 300_000)),
        20_000,
        290_000,
        {
            "bank_ms": 0,
            "period_remaining_ms": 290_000,
            "period_turns_left": 20,
            "phase": KIND("CLOCK_PHASE_KIND_PERIOD"),
        },
    ),
    "per turn": (
        of(PerTurn(30_000)),
        35_000,
        5_000,
        {"bank_ms": 5_000, "period_remaining_ms": 0, "phase": KIND("CLOCK_PHASE_KIND_RESERVE")},
    ),
    "penalty": (
        of(Penalty(60_000, 10_000, 5)),
        21_000,
        49_000,
        {"bank_ms": -11_000, "penalty_points": 10, "phase": KIND("CLOCK_PHASE_KIND_PENALTY")},
    ),
    "penalty without a limit": (
        of(Penalty(0, 10_000, 5)),
        5_000,
        None,
        {"bank_ms": 5_000, "penalty_points": 0, "phase": KIND("CLOCK_PHASE_KIND_MAIN")},
    ),
    "free turn": (
        of(Fischer(), free_turns=1),
        5_000,
        10_000,
        {"bank_ms": 10_000, "phase": KIND("CLOCK_PHASE_KIND_FREE")},
    ),
    "lag": (
        of(Fischer(), lag_compensation=LagCompensation(300, 0, 300)),
        1_000,
        9_000,
        {"bank_ms": 9_000, "lag_quota_ms": 300, "phase": KIND("CLOCK_PHASE_KIND_MAIN")},
    ),
}


@pytest.mark.parametrize("name", CLOCKS)
def test_a_clock_shows_its_parts_as_of_the_instant(name: str) -> None:
    """Those of its family, and the time before the flag of all of them together; the other holder's clock stands."""
    control, at, left, expected = CLOCKS[name]

    ann, bob = shown(played(control), at).participants

    assert parts(ann.clock) == expected
    assert ann.HasField("time_remaining_ms") == (left is not None)
    assert ann.time_remaining_ms == (left or 0)
    assert ann.time_control == control_message(control)
    assert ann.total_time_ms == 10_000
    assert bob.clock.bank_ms == 10_000
    assert bob.time_control == ann.time_control


def test_the_phases_lead_from_the_instant_to_the_flag() -> None:
    """What is shown when each begins, and how it changes."""
    play = played(of(ByoYomi(2, 5_000)))

    assert drawn(shown(play, 4_000)) == [
        (4_000, "MAIN", 6_000, -1),
        (10_000, "PERIOD", 5_000, -1),
        (15_000, "PERIOD", 5_000, -1),
        (20_000, "FLAG", 0, 0),
    ]
    assert drawn(shown(play, 16_000)) == [(16_000, "PERIOD", 4_000, -1), (20_000, "FLAG", 0, 0)]
    assert [one.periods_left for one in shown(play, 4_000).phases] == [2, 2, 1, 0]
    assert shown(play, 4_000).deadline_at == timestamp(BORN + 20_000)


def test_at_most_eight_phases_are_told() -> None:
    """And whether more follow."""
    many, few = (shown(played(of(ByoYomi(count, 5_000))), 1_000) for count in (7, 6))

    assert (len(many.phases), many.phases_truncated) == (8, True)
    assert (len(few.phases), few.phases_truncated) == (8, False)


def test_a_clock_that_stands_has_no_phases() -> None:
    """Pending, paused and ended ones; but it says where it would go on."""
    paused = shown(played(of(SimpleDelay(5_000)), (3_000, Pause())), 9_000)

    assert list(paused.phases) == []
    assert parts(paused.participants[0].clock) == CLOCKS["delay"][3]
    ended = shown(played(of(Fischer()), (20_000, None)), 20_000)
    assert list(ended.phases) == []
    assert ended.participants[0].clock.phase == KIND("CLOCK_PHASE_KIND_FLAG")
    assert (ended.participants[0].time_remaining_ms, ended.expired_participant_id) == (0, ANN)


def test_overtime_runs_up() -> None:
    """Under NOTIFY the clock shows it; nothing is left of its parts but an empty bank."""
    message = shown(played(of(ByoYomi(1, 5_000)), (20_000, None), on_expire=OnExpire.NOTIFY), 22_000)

    ann = message.participants[0]
    assert drawn(message) == [(22_000, "OVERTIME", 7_000, 1)]
    assert parts(ann.clock) == {"bank_ms": 0, "phase": KIND("CLOCK_PHASE_KIND_OVERTIME")}
    assert (ann.time_remaining_ms, ann.overtime_ms) == (0, 7_000)


def test_an_hourglass_shows_what_flows_to_the_others() -> None:
    """As of the instant, though nothing has been stored."""
    play = played(of(Hourglass(), 60_000))

    later = shown(play, 10_000)

    assert [one.clock.bank_ms for one in later.participants] == [50_000, 70_000]
    assert [one.time_remaining_ms for one in later.participants] == [50_000, 70_000]
    assert [one.clock.bank_ms for one in shown(play, 4_000).participants] == [56_000, 64_000]


def test_groups_show_theirs() -> None:
    """Members have neither control nor clock."""
    spec = SessionSpec(
        Mode.PER_GROUP,
        (ParticipantSpec(ANN, group_id=RED), ParticipantSpec(BOB, group_id=BLUE)),
        (GroupSpec(RED), GroupSpec(BLUE, time_control=of(Fischer(), 70_000))),
        time_control=of(ByoYomi(3, 5_000)),
    )
    play = Play(spec)
    play.do(0, Start())

    message = shown(play, 12_000)

    red, blue = message.groups
    assert (red.time_remaining_ms, red.clock.periods_left, red.clock.period_remaining_ms) == (13_000, 3, 3_000)
    assert (blue.time_remaining_ms, blue.total_time_ms) == (70_000, 70_000)
    assert blue.time_control == control_message(of(Fischer(), 70_000))
    assert len(message.phases) == 4
    assert not any(one.HasField("clock") or one.HasField("time_control") for one in message.participants)


def test_an_event_says_what_its_turn_did() -> None:
    """Spent, granted, credited, burnt, and the stage it was made in."""
    control = of(ByoYomi(5, 30_000), lag_compensation=LagCompensation(500, 0, 500))
    play = played(control, (75_000, Switch(lag_ms=200)))

    message = event_message(play.events[-1])

    assert (message.turn.spent_ms, message.turn.credited_ms, message.turn.periods_burnt) == (75_000, 200, 2)
    assert message.turn.stage == 0
    assert not event_message(play.events[0]).HasField("turn")
    assert message.session.participants[0].clock.turns_made == 1


def test_the_trail_says_what_a_turn_did_and_what_it_changed() -> None:
    """As the event itself; a control that came with somebody is told value by value."""
    play = played(of(ByoYomi(5, 30_000)), (75_000, Switch()), (76_000, AddParticipant(ParticipantSpec(CLEO))))
    _, _, switched, joined = play.events
    audited = [
        AuditedEvent(AuditRecord(event), is_fork=False, recorded_at=BORN, before=before.session)
        for before, event in ((play.events[1], switched), (switched, joined))
    ]

    turn, change = map(audited_event, audited)

    assert turn.turn == event_message(switched).turn
    assert not change.HasField("turn")
    told = {one.path: one.new for one in change.changes}
    path = f"participants[{CLEO}].clock.progress.control.stages[0]"
    assert told[f"{path}.family.name"].string_value == "byo_yomi"
    assert told[f"{path}.family.periods"].number_value == 5


def test_limits_and_the_manual_clock_are_shown_as_given() -> None:
    """The fields of the creation come back."""
    close = SoftClose(5_000, 10_000, SoftClosePolicy.ADD, 90_000)
    auction = SessionSpec(
        Mode.GLOBAL, total_time_ms=60_000, soft_close=close, close_at=BORN + 99_000, manual_clock=True
    )
    limited = SessionSpec(Mode.PER_CYCLE, time_per_cycle_ms=5_000, session_limit_ms=70_000)

    message = session_message(Play(auction).session, BORN)

    assert message.soft_close == pb.SoftClose(
        window_ms=5_000, extend_ms=10_000, policy=pb.SOFT_CLOSE_POLICY_ADD, hard_limit_ms=90_000
    )
    assert (message.close_at, message.manual_clock) == (timestamp(BORN + 99_000), True)
    assert message.deadline_at == message.close_at
    assert session_message(Play(limited).session, BORN).session_limit_ms == 70_000


def test_a_phase_is_a_message_of_the_stream() -> None:
    """With whose clock it is, and the instant of the change."""
    session = played(of(ByoYomi(2, 5_000))).session
    phase = Phase(10_000, PhaseKind.PERIOD, 5_000, -1, 2)

    message = envelope(frames.moment(session, BORN + 10_000, phase))

    assert message.WhichOneof("payload") == "phase"
    assert (message.phase.participant_id, message.phase.group_id, message.phase.cycle_number) == (ANN, "", 1)
    assert message.phase.phase == pb.ClockPhase(
        starts_at=timestamp(BORN + 10_000),
        kind=pb.CLOCK_PHASE_KIND_PERIOD,
        display_ms=5_000,
        rate=-1,
        periods_left=2,
    )
    assert message.server_time == timestamp(BORN + 10_000)


@pytest.mark.parametrize(
    ("name", "at", "left", "over"),
    [
        ("byo-yomi", 45_000, 115_000, None),
        ("penalty without a limit", 45_000, None, None),
        ("delay", 1_000, 14_000, None),
    ],
)
def test_a_tick_counts_all_parts(name: str, at: int, left: int | None, over: int | None) -> None:
    """What is left before the flag; nothing where there is none."""
    message = tick_message(played(CLOCKS[name][0]).session, BORN + at)

    assert message.HasField("remaining_ms") == (left is not None)
    assert message.remaining_ms == (left or 0)
    assert message.HasField("overtime_ms") == (over is not None)


@settings(max_examples=200, derandomize=True, database=None)
@given(control=control_drawing.controls)
def test_a_control_comes_back_from_its_message(control: TimeControl) -> None:
    """Every number of every family."""
    fields = Fields()

    read = read_control(fields, "time_control", pb.TimeControl.FromString(control_message(control).SerializeToString()))

    assert repr(read) == repr(control)
    assert not fields.violations


def _numbers(message: Message) -> list[tuple[type[Message], int]]:
    """Return the fields that are set, of a message and of those in it."""
    found: list[tuple[type[Message], int]] = []
    for field, value in message.ListFields():
        found.append((type(message), field.number))
        for one in value if field.is_repeated else [value]:
            if isinstance(one, Message):
                found += _numbers(one)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_sessions_without_controls_and_limits_have_no_field_they_never_had(kind: str) -> None:
    """Their messages are what they always were."""
    play = Play(KINDS[kind])
    for at, command in ((0, Start()), (1_000, Switch()), (2_000, Pause())):
        play.do(at, command)

    for event in play.events:
        message = event_message(event)
        message.session.MergeFrom(session_message(event.session, event.session.updated_at + 500))
        for type_, number in _numbers(message):
            assert number <= LAST_OF.get(type_, number), (type_.DESCRIPTOR.full_name, number)
