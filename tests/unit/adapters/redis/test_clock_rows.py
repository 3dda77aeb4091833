"""Clocks with time controls in Redis: stored once, read once, and refused where nothing could use them."""

from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from synckairos.adapters.redis.values import clock_rows, codec
from synckairos.domain import transitions
from synckairos.domain.commands import Caller, Pause, Start, Switch
from synckairos.domain.controls.time_control import LagCompensation, Settled, Stage, TimeControl
from synckairos.domain.events import SYSTEM, Author, Cause, Event, EventType, Subject
from synckairos.domain.families import ByoYomi, Fischer, Penalty
from synckairos.domain.model import DAY_MS, Durability, DurabilityLevel, Session, SoftClose, SoftClosePolicy
from synckairos.domain.timing import Lifetimes
from synckairos.rpc.mapping import session_message
from testing.harness.builders import SESSION_ID, Game, per_group, per_participant
from testing.harness.playing.plays import played
from tests.unit.adapters import control_drawing

EXAMPLES: Final = settings(max_examples=100, derandomize=True, database=None)
CONTROL: Final = TimeControl(
    (Stage(600_000, 40, Fischer(5_000)), Stage(0, 0, ByoYomi(5, 30_000))),
    turn_limit_ms=90_000,
    lag_compensation=LagCompensation(200, 100, 500),
)
CONTROLLED: Final = bytes.fromhex(
    "02000006474846222078000000000000000200000000000000000000000000000002"
    "dc002102920101009293c4102000000000004000800000000000000a009ece000927c0cd1388cd271000000000010100000000cd012c"
    "93c4102000000000004000800000000000000b019ece000927c0000000000000000000000000ccc801000000000000c0c00090c0c0c0"
    "c0c0c0900000c0c091c429959294ce000927c0280193cd138800c2940000049305cd753000ce00015f90000094ccc864cd01f40000"
    "c0cd2710c2c0ce0036ee80"
)
"""A running session of two with `CONTROL` and a close_at an hour after its creation: layout 2."""
SWITCHED: Final = bytes.fromhex("001e9a030100ce00091438cd2710c0a6756d70697265a0c093cd2710cd13ec64") + CONTROLLED
"""The event before it: a turn of 10 s that earned 5 100 ms, 100 of them for its lag."""


def controlled(control: TimeControl = CONTROL) -> Session:
    """Return a running session whose first turn has been made."""
    plain = played("participant", "RUNNING")
    ann, bob = plain.participants
    clock = Game(_described(control)).session.participants[0].clock
    assert clock.progress is not None
    after = clock.progress._replace(turns_made=1, stage_turns=1, lag_quota_ms=300)
    return plain._replace(
        participants=(
            ann._replace(clock=clock._replace(bank_ms=595_000, used_ms=10_000, progress=after)),
            bob._replace(clock=clock),
        ),
        rules=plain.rules._replace(time_control=control, close_at=plain.created_at + 3_600_000, increment_ms=0),
        ran_ms=10_000,
    )


def _described(control: TimeControl) -> Any:
    spec = per_participant()
    holders = tuple(one._replace(total_time_ms=0) for one in spec.participants)
    return spec._replace(participants=holders, time_control=control)


def switched(session: Session) -> Event:
    """Return the event that led to this session."""
    subject = Subject(session.participants[0].participant_id, None, 10_000, 595_000)
    turn = Settled(10_000, 5_100, 100)
    return Event(EventType.CYCLE_SWITCHED, Cause.CALL, Author("umpire"), subject, None, session, turn)


def test_what_is_stored_stays_as_it_is() -> None:
    """A session with controls, and an event with what its turn did, are written byte for byte as ever."""
    session = controlled()
    event = switched(session)

    assert codec.encode_session(session) == CONTROLLED
    assert codec.decode_session(session.session_id, CONTROLLED) == session
    assert codec.encode_event(event, CONTROLLED) == SWITCHED
    assert codec.decode_event(session.session_id, SWITCHED) == event


@pytest.mark.parametrize(
    "changed",
    [
        {"ran_ms": 1},
        {"limit_passed": True},
        {"manual_at": 1_767_225_600_124, "real_at": 1_767_225_600_125},
        {"rules": played("participant", "RUNNING").rules._replace(session_limit_ms=60_000)},
        {"rules": played("participant", "RUNNING").rules._replace(close_at=1_767_225_700_123)},
        {
            "rules": played("participant", "RUNNING").rules._replace(
                soft_close=SoftClose(5_000, 10_000, SoftClosePolicy.ADD, 90_000)
            )
        },
        {"rules": played("participant", "RUNNING").rules._replace(time_control=CONTROL)},
    ],
    ids="+".join,
)
def test_each_new_fact_means_layout_2(changed: dict[str, Any]) -> None:
    """A server that knows layout 1 alone must not take a part of a session for the whole."""
    session = played("participant", "RUNNING")._replace(**changed)

    encoded = codec.encode_session(session)

    assert encoded[0] == 2
    assert codec.decode_session(session.session_id, encoded) == session


def test_a_durability_means_layout_3() -> None:
    """A server that does not know it must not answer a change before it is durable."""
    session = played("participant", "RUNNING")
    asked = session._replace(rules=session.rules._replace(durability=Durability(DurabilityLevel.REPLICAS, 2)))

    encoded = codec.encode_session(asked)

    assert encoded[0] == 3
    assert codec.decode_session(session.session_id, encoded) == asked


@EXAMPLES
@given(control=control_drawing.controls)
def test_a_control_comes_back_as_it_was(control: TimeControl) -> None:
    """Types included, and as the same object whenever the same bytes are read."""
    encoded = clock_rows.encode_control(control)

    assert repr(clock_rows.decode_control(encoded)) == repr(control)
    assert clock_rows.decode_control(bytes(bytearray(encoded))) is clock_rows.decode_control(encoded)


def test_equal_controls_are_stored_once() -> None:
    """However many holders have one, and whether or not it is the same object."""
    again = TimeControl((Stage(600_000, 40, Fischer(5_000)), *CONTROL.stages[1:]), *CONTROL[1:])
    session = controlled()
    ann, bob = session.participants
    assert ann.clock.progress is not None
    apart = ann._replace(clock=ann.clock._replace(progress=ann.clock.progress._replace(control=again)))

    assert again is not CONTROL
    assert codec.encode_session(session._replace(participants=(apart, bob))) == CONTROLLED


def test_controls_in_memory_are_bounded() -> None:
    """Many different ones push each other out."""
    for base in range(1_000, 7_000):
        clock_rows.decode_control(clock_rows.encode_control(TimeControl((Stage(base),))))

    for cached in (clock_rows.decode_control, clock_rows.encode_control):
        assert cached.cache_info().currsize <= 4_096


def test_a_turn_of_decades_can_be_read_again() -> None:
    """Nothing flags a penalty without a limit, and a manual clock passes 28 days with each call."""
    session = controlled(TimeControl((Stage(1_000, 0, Penalty(0, 60_000, 10)),)))
    ann, bob = session.participants
    assert ann.clock.progress is not None
    open_ms = 1_000 * 365 * DAY_MS
    long = ann._replace(clock=ann.clock._replace(progress=ann.clock.progress._replace(open_ms=open_ms)))
    session = session._replace(participants=(long, bob))

    assert codec.decode_session(SESSION_ID, codec.encode_session(session)) == session._replace(session_id=SESSION_ID)


FAR: Final = 2**63 - 1
CLOCK: Final = 2
"""Where a participant's row has its clock."""


def _with_clock(*values: object) -> bytes:
    """Return the bytes of the session with other values from the place of the control on in its first clock."""
    row: list[Any] = msgspec.msgpack.decode(CONTROLLED[codec.HEAD_BYTES :])
    clock = row[3][0][CLOCK]
    row[3][0][CLOCK] = [*clock[:5], *values]
    return CONTROLLED[: codec.HEAD_BYTES] + msgspec.msgpack.encode(row)


def _with_body(place: int, value: object) -> bytes:
    row: list[Any] = msgspec.msgpack.decode(CONTROLLED[codec.HEAD_BYTES :])
    row[place] = value
    return CONTROLLED[: codec.HEAD_BYTES] + msgspec.msgpack.encode(row)


def _with_control(control: object) -> bytes:
    encoded = control if isinstance(control, bytes) else msgspec.msgpack.encode(control)
    return _with_body(26, [encoded])


@pytest.mark.parametrize(
    "foreign",
    [
        _with_clock(1, 0),
        _with_clock(-1, 0),
        _with_clock(None, 1),
        _with_clock(0, 2),
        _with_clock(0, -1),
        _with_clock(0, 0, -1),
        _with_clock(0, 0, 0, 2**31),
        _with_clock(0, 0, 0, 0, 1_001),
        _with_clock(0, 0, 0, 0, -1),
        _with_clock(0, 0, 0, 0, 0, -FAR),
        _with_clock(0, 0, 0, 0, 0, 0, -1),
        _with_clock(0, 0, 0, 0, 0, 0, FAR),
        _with_clock(0, 0, 0, 0, 0, 0, 0, -1),
        _with_clock(0, 0, 0, 0, 0, 0, 0, 0, FAR),
        _with_clock(0, 0, 0, 0, 0, 0, 0, 0, 0, -1),
        _with_clock(0, 0, 0, 0, 0, 0, 0, 0, 0, FAR),
        _with_clock(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7),
        _with_clock("0"),
        _with_clock(True),
        _with_body(26, []),
        _with_body(26, [7]),
        _with_body(26, "x"),
        _with_body(27, 1),
        _with_body(28, -1),
        _with_body(29, FAR),
        _with_body(30, 1),
        _with_body(31, [1, 1, 3, 0]),
        _with_body(31, [1, -1, 1, 0]),
        _with_body(31, [1, 1, 1]),
        _with_body(32, FAR),
        _with_control(b"\xc1"),
        _with_control(b"\x91" * 1_000),
        _with_control([]),
        _with_control([[]]),
        _with_control([[[1_000]] * 17]),
        _with_control([[[1_000, 0, 9]]]),
        _with_control([[[1_000, 0, -1]]]),
        _with_control([[[1_000, 0, 1, [FAR]]]]),
        _with_control([[[1_000, 0, 1, [-1]]]]),
        _with_control([[[1_000, 0, 1, [1, 0, 0]]]]),
        _with_control([[[1_000, 0, 1, [True, 0, False]]]]),
        _with_control([[[1_000, 0, 4]]]),
        _with_control([[[1_000, 0, 4, [5, 30_000, 0, 1]]]]),
        _with_control([[[1_000]], 0, 0, 0, [1, 2, 3]]),
        _with_control([[[1_000]], -1]),
        _with_control([[[1_000]], 0, 0, 0, None, 7]),
        _with_control([[[1_000]], 0, 0, 0, b"x" * 1_024]),
    ],
    ids=lambda foreign: foreign[codec.HEAD_BYTES :][-12:].hex(),
)
def test_what_cannot_be_used_is_no_session(foreign: bytes) -> None:
    """Whatever a clock or a control holds, it is refused here with one error, and fails nowhere else."""
    with pytest.raises(codec.UnknownLayoutError):
        codec.decode_session(SESSION_ID, foreign)


@pytest.mark.parametrize("turn", [[1, 2, 3, -1], [FAR], ["x"], 7, [0, 0, 0, 0, 0, 1]], ids=repr)
def test_the_row_of_a_turn_is_no_less_checked(turn: object) -> None:
    """Out of range, or of another type: no event."""
    row = msgspec.msgpack.encode([3, 1, 0, None, 0, None, "umpire", "", None, turn])

    with pytest.raises(codec.UnknownLayoutError):
        codec.decode_event(SESSION_ID, len(row).to_bytes(2, "big") + row + CONTROLLED)


@settings(EXAMPLES, max_examples=300)
@given(data=st.data())
def test_damaged_bytes_are_refused_or_can_be_used(data: DataObject) -> None:
    """Bytes that pass can be settled, shown and written again."""
    session = codec.encode_session(data.draw(st.sampled_from(PLAYED)))
    damaged = bytearray(session)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(2, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = codec.decode_session(SESSION_ID, bytes(damaged))
    except codec.UnknownLayoutError:
        return
    now = read.updated_at + 1_000
    outcome = transitions.decide(read, None, Caller(SYSTEM), now, lambda: SESSION_ID, Lifetimes())
    session_message(outcome.session, now).SerializeToString()
    assert codec.decode_session(SESSION_ID, codec.encode_session(outcome.session)) == outcome.session


def _played() -> list[Session]:
    """Return sessions of each kind of control, after a few turns."""
    sessions = []
    penalty = TimeControl((Stage(1_000, 0, Penalty(60_000, 10_000, 5)),))
    groups = tuple(one._replace(total_time_ms=0) for one in per_group().groups)
    for spec in (
        _described(CONTROL),
        _described(penalty),
        per_group()._replace(groups=groups, time_control=TimeControl((Stage(10_000, 0, ByoYomi(3, 5_000)),))),
    ):
        game = Game(spec)
        for ms, command in ((0, Start()), (5_000, Switch()), (17_000, Pause())):
            game.decide(ms, command)
        sessions += [event.session for event in game.events]
    return sessions


PLAYED: Final = _played()
