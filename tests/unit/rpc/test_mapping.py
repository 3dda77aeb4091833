"""Messages for clients: the fields of a session in each mode and state, and their values."""

from enum import Enum

import pytest
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from synckairos.application.streams.frames import EndReason, GapReason
from synckairos.domain.commands import Pause, Resume, Start, Switch
from synckairos.domain.events import Cause, EventType
from synckairos.domain.model import Mode, OnExpire, Status
from synckairos.rpc.mapping import event_message, session_message, tick_message
from synckairos.rpc.timestamps import timestamp, timestamp_us
from synckairos.v1 import event_pb2, session_pb2
from testing.harness.playing.plays import ANN, BLUE, BOB, BORN, BUDGET, KINDS, RED, Play, played

OPTIONAL_BY_KIND: dict[str, set[str]] = {
    "participant": {"increment_ms"},
    "participant capped": {"increment_ms", "max_time_ms"},
    "cycle": {"time_per_cycle_ms", "cycle_remaining_ms", "overtime_ms"},
    "cycle counted": {"time_per_cycle_ms", "cycle_remaining_ms", "overtime_ms", "max_cycles"},
    "group": {"increment_ms"},
    "global": {"total_time_ms", "remaining_ms", "overtime_ms"},
    "global alone": {"total_time_ms", "remaining_ms", "overtime_ms"},
    "count up": set(),
    "count up limited": {"max_time_ms", "remaining_ms", "overtime_ms"},
}
"""The durations of each kind of session, in every state; all others are absent."""

INSTANTS_BY_STATE: dict[str, set[str]] = {
    "PENDING": set(),
    "RUNNING": {"started_at", "cycle_started_at", "deadline_at"},
    "OVERTIME": {"started_at", "cycle_started_at"},
    "PAUSED": {"started_at", "cycle_started_at", "paused_at"},
    "EXPIRED": {"started_at", "cycle_started_at", "completed_at"},
    "COMPLETED": {"started_at", "cycle_started_at", "completed_at"},
    "CANCELLED": {"started_at", "cycle_started_at", "completed_at"},
}
ALWAYS = {"created_at", "updated_at"}
LIVE = ("RUNNING", "OVERTIME", "PAUSED")
CASES = [
    pytest.param(kind, state, id=f"{kind}-{state}")
    for kind in KINDS
    for state in INSTANTS_BY_STATE
    if not (kind == "count up" and state in ("EXPIRED", "OVERTIME"))
]


def present(message: Message) -> set[str]:
    """Return the fields that can be absent and are not."""
    return {field.name for field in message.DESCRIPTOR.fields if field.has_presence and message.HasField(field.name)}


def shown(kind: str, state: str, at: int = BUDGET) -> session_pb2.Session:
    """Return a session of a kind in a state, as it looks at an instant."""
    return session_message(played(kind, state, notify=state == "OVERTIME"), BORN + at)


@pytest.mark.parametrize(("kind", "state"), CASES)
def test_a_session_has_the_fields_of_its_mode_and_state(kind: str, state: str) -> None:
    """Durations depend on the mode, instants on the state, and nothing else is there."""
    message = shown(kind, state, 500 if state == "RUNNING" else BUDGET)

    instants = INSTANTS_BY_STATE[state] - ({"deadline_at"} if kind == "count up" else set())
    assert present(message) == OPTIONAL_BY_KIND[kind] | instants | ALWAYS
    assert message.mode == KINDS[kind].mode
    assert session_pb2.Status.Name(message.status) == f"STATUS_{'RUNNING' if state == 'OVERTIME' else state}"


@pytest.mark.parametrize(("kind", "state"), CASES)
def test_a_participant_has_the_fields_of_its_mode(kind: str, state: str) -> None:
    """Bank, remaining time and overtime are a participant's only where it holds the bank."""
    bank = {"total_time_ms", "time_remaining_ms", "overtime_ms"} if kind.startswith("participant") else set()

    for participant in shown(kind, state).participants:
        assert present(participant) == {"time_used_ms"} | bank
        assert bool(participant.group_id) == (kind == "group")


@pytest.mark.parametrize(("kind", "state"), CASES)
def test_the_active_participant_is_named_while_a_turn_is_on(kind: str, state: str) -> None:
    """Running or paused, one is active and is_active agrees; pending and terminal, none is."""
    message = shown(kind, state)

    is_on = state in LIVE
    somebody = is_on and kind != "global alone"
    assert message.active_participant_id == (ANN if somebody else "")
    assert message.active_group_id == (RED if is_on and kind == "group" else "")
    assert [one.participant_id for one in message.participants if one.is_active] == ([ANN] if somebody else [])
    assert [one.group_id for one in message.groups if one.is_active] == ([RED] if is_on and kind == "group" else [])
    assert message.cycle_number == (0 if state == "PENDING" else 1)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "count up"])
def test_at_zero_the_holder_is_named(kind: str) -> None:
    """An expiry shows 0 left and the whole budget used; it names the holder of the bank, or of the cycle."""
    message = shown(kind, "EXPIRED", BUDGET + 5_000)

    by_participant, by_group, by_cycle = kind.startswith("participant"), kind == "group", kind.startswith("cycle")
    assert (message.expired_participant_id, message.winner_participant_id) == (
        (ANN, BOB) if by_participant or by_cycle else ("", "")
    )
    assert (message.expired_group_id, message.winner_group_id) == ((RED, BLUE) if by_group else ("", ""))
    expired = [one.participant_id for one in message.participants if one.has_expired]
    assert expired == ([ANN] if by_participant or by_group or by_cycle else [])
    assert [one.group_id for one in message.groups if one.has_expired] == ([RED] if by_group else [])
    assert message.completed_at == timestamp(BORN + BUDGET) == message.updated_at
    clock = message.participants[0] if by_participant else message.groups[0] if by_group else None
    if clock is not None:
        assert (clock.time_remaining_ms, clock.time_used_ms) == (0, BUDGET)
    else:
        left = message.cycle_remaining_ms if kind.startswith("cycle") else message.remaining_ms
        assert (left, message.elapsed_ms) == (0, BUDGET)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "count up"])
def test_overtime_runs_on_where_the_clock_is(kind: str) -> None:
    """Two seconds past the budget are two seconds of overtime, of the holder or of the session's own clock."""
    message = shown(kind, "OVERTIME", BUDGET + 2_000)

    by_participant, by_group, by_cycle = kind.startswith("participant"), kind == "group", kind.startswith("cycle")
    assert [one.overtime_ms for one in message.participants] == (
        [2_000, 0] if by_participant else [0] * len(message.participants)
    )
    assert [one.overtime_ms for one in message.groups] == ([2_000, 0] if by_group else [])
    assert message.overtime_ms == (0 if by_participant or by_group else 2_000)
    assert [one.has_expired for one in message.participants[:1]] == (
        [by_participant or by_group or by_cycle] if message.participants else []
    )
    assert [one.has_expired for one in message.groups] == ([True, False] if by_group else [])
    assert message.elapsed_ms == BUDGET + 2_000
    expired = (message.expired_participant_id, message.expired_group_id)
    assert expired == (ANN if by_participant or by_cycle else "", RED if by_group else "")


def test_two_clocks_as_worked_out_by_hand() -> None:
    """2 x 600 000, increment 3 000, switched at 5 000 and read at 7 000: 598 000 and 598 000 left."""
    play = Play(KINDS["participant"]._replace(
        participants=tuple(one._replace(total_time_ms=600_000) for one in KINDS["participant"].participants),
        increment_ms=3_000,
    ))  # fmt: skip
    play.do(0, Start())
    session = play.do(5_000, Switch())

    message = session_message(session, BORN + 7_000)

    ann, bob = message.participants
    assert (ann.time_used_ms, ann.time_remaining_ms, ann.cycle_count) == (5_000, 598_000, 1)
    assert (bob.time_used_ms, bob.time_remaining_ms, bob.cycle_count) == (2_000, 598_000, 0)
    assert (message.elapsed_ms, message.cycle_number, message.version) == (2_000, 2, 3)
    assert message.cycle_started_at == timestamp(BORN + 5_000) == message.updated_at
    assert message.deadline_at == timestamp(BORN + 605_000)


def test_a_pause_keeps_the_elapsed_time() -> None:
    """Paused at 12 000 of 60 000, the clock stands; resumed at 20 000, it is due at 68 000."""
    play = Play(KINDS["global"])
    play.do(0, Start())

    paused = session_message(play.do(12_000, Pause()), BORN + 19_000)
    resumed = session_message(play.do(20_000, Resume()), BORN + 21_000)

    assert (paused.elapsed_ms, paused.remaining_ms) == (12_000, 48_000)
    assert paused.paused_at == timestamp(BORN + 12_000)
    assert (resumed.elapsed_ms, resumed.remaining_ms) == (13_000, 47_000)
    assert resumed.deadline_at == timestamp(BORN + 68_000)


@pytest.mark.parametrize(
    ("numbers", "contract", "prefix"),
    [
        pytest.param(Mode, session_pb2.Mode, "MODE_", id="Mode"),
        pytest.param(Status, session_pb2.Status, "STATUS_", id="Status"),
        pytest.param(OnExpire, session_pb2.OnExpire, "ON_EXPIRE_", id="OnExpire"),
        pytest.param(EventType, event_pb2.EventType, "EVENT_TYPE_", id="EventType"),
        pytest.param(Cause, event_pb2.Cause, "CAUSE_", id="Cause"),
        pytest.param(GapReason, event_pb2.GapReason, "GAP_REASON_", id="GapReason"),
        pytest.param(EndReason, event_pb2.EndReason, "END_REASON_", id="EndReason"),
    ],
)
def test_the_inside_counts_as_the_contract_does(numbers: type[Enum], contract: object, prefix: str) -> None:
    """Enums are cast, not translated: every name must carry the contract's number, and no name may be missing."""
    inside = {prefix + one.name: one.value for one in numbers}

    assert {f"{prefix}UNSPECIFIED": 0, **inside} == dict(contract.items())  # type: ignore[attr-defined] # the stubs' enum


@pytest.mark.parametrize(
    ("ms", "seconds", "nanos"),
    [(0, 0, 0), (1, 0, 1_000_000), (999, 0, 999_000_000), (1_000, 1, 0), (BORN, 1_767_225_600, 123_000_000)],
)
def test_instants_are_whole_milliseconds(ms: int, seconds: int, nanos: int) -> None:
    """A Timestamp says exactly the instant, in seconds and nanoseconds."""
    stamp = timestamp(ms)

    assert (stamp.seconds, stamp.nanos) == (seconds, nanos)
    assert timestamp_us(ms * 1_000 + 7).ToMicroseconds() == ms * 1_000 + 7


def struct(**fields: object) -> Struct:
    """Return a Struct."""
    made = Struct()
    made.update(fields)
    return made


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param(None, id="absent"),
        pytest.param(Struct(), id="empty"),
        pytest.param(struct(a=None, b=True, c=-1.5e300, d="é\n", e=[1, [], {}], f={"g": {"": 2**53}}), id="everything"),
    ],
)
def test_metadata_comes_back_as_it_was_given(metadata: Struct | None) -> None:
    """A session's and a participant's data return unchanged; none given and an empty object given are two things."""
    encoded = None if metadata is None else metadata.SerializeToString(deterministic=True)
    play = Play(KINDS["global"]._replace(
        metadata=encoded, participants=tuple(one._replace(metadata=encoded) for one in KINDS["global"].participants)
    ))  # fmt: skip

    message = session_message(play.session, BORN)

    for told in (message, message.participants[0]):
        assert told.HasField("metadata") == (metadata is not None)
        assert told.metadata == (metadata or Struct())


def test_an_event_has_its_author_instants_and_cause() -> None:
    """A call's event has no fired_at; an expiry has the instant it was due, the instant it fired, and the time left."""
    play = Play(KINDS["participant"])
    play.do(0, Start())
    play.do(4_000, Switch())
    play.do(4_000 + BUDGET + 30, None)
    _, started, switched, expired = (event_message(event) for event in play.events)

    assert (started.actor, started.reason, started.cause) == ("umpire", "because", event_pb2.CAUSE_CALL)
    assert not started.HasField("fired_at")
    assert (switched.participant_id, switched.time_elapsed_ms) == (ANN, 4_000)
    assert switched.time_remaining_ms == BUDGET - 4_000 + 500
    assert (expired.type, expired.cause) == (event_pb2.EVENT_TYPE_SESSION_EXPIRED, event_pb2.CAUSE_DEADLINE)
    assert (expired.actor, expired.participant_id, expired.time_remaining_ms) == ("system", BOB, 0)
    assert expired.occurred_at == timestamp(BORN + 4_000 + BUDGET) == expired.session.updated_at
    assert expired.fired_at == timestamp(BORN + 4_000 + BUDGET + 30)
    assert expired.change_id == play.session.change_id
    assert expired.session == session_message(play.session, play.session.updated_at)


@pytest.mark.parametrize(
    ("kind", "state", "at", "fields"),
    [
        pytest.param("participant", "RUNNING", 1, {"elapsed_ms": 1, "remaining_ms": BUDGET - 1}, id="runs"),
        pytest.param("participant", "RUNNING", BUDGET - 1, {"elapsed_ms": BUDGET - 1, "remaining_ms": 1}, id="last ms"),
        pytest.param("group", "RUNNING", 10, {"elapsed_ms": 10, "remaining_ms": BUDGET - 10}, id="group"),
        pytest.param("cycle", "OVERTIME", BUDGET + 7, {"elapsed_ms": BUDGET + 7, "overtime_ms": 7}, id="overtime"),
        pytest.param("count up", "RUNNING", 12_345, {"elapsed_ms": 12_345}, id="no budget"),
    ],
)
def test_a_tick_says_how_the_running_clock_stands(kind: str, state: str, at: int, fields: dict[str, int]) -> None:
    """Remaining time is there until overtime begins, never 0; without a budget neither is there."""
    tick = tick_message(played(kind, state, notify=state == "OVERTIME"), BORN + at)

    assert {
        field.name for field in event_pb2.Tick.DESCRIPTOR.fields if field.has_presence and tick.HasField(field.name)
    } == (set(fields) - {"elapsed_ms"})
    assert {name: getattr(tick, name) for name in fields} == fields
    assert (tick.active_participant_id, tick.cycle_number) == (ANN, 1)
    assert tick.active_group_id == (RED if kind == "group" else "")
