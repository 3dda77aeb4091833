"""The binary encoding of sessions and events: nothing is lost, nothing foreign is believed, and it is small."""

from typing import Final
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from synckairos.adapters.redis.values import codec
from synckairos.application.ports import Remembered
from synckairos.domain import transitions
from synckairos.domain.commands import Caller, Pause, Start, Switch
from synckairos.domain.events import SYSTEM
from synckairos.domain.model import Mode, Participant, Session
from synckairos.domain.timing import Lifetimes
from synckairos.rpc.mapping import session_message
from testing.harness.builders import SESSION_ID, Game, one_of_each, per_participant
from testing.harness.playing.plays import played
from tests.unit.adapters import drawing

EXAMPLES: Final = settings(max_examples=60, derandomize=True, database=None)
MODES: Final = pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
HEAD_BYTES: Final = 34
"""Layout and flags, epoch and version, change id: as documented."""


@MODES
@EXAMPLES
@given(data=st.data())
def test_an_event_comes_back_as_it_was(mode: Mode, data: DataObject) -> None:
    """Every field of every value survives the round trip, types included: of the session, and of the event around it.

    Epoch, version and change id are in the first bytes of a session, and can be read without the rest.
    """
    event = data.draw(drawing.events(mode))
    session = event.session
    stored = codec.encode_session(session)
    encoded = codec.encode_event(event, stored)

    back = codec.decode_session(session.session_id, stored)

    assert back == session
    assert [type(value) for value in back] == [type(value) for value in session]
    assert [type(value) for value in back.rules] == [type(value) for value in session.rules]
    assert codec.decode_event(session.session_id, encoded) == event
    assert encoded.endswith(stored)
    assert codec.HEAD_BYTES == HEAD_BYTES
    assert codec.decode_head(stored[:HEAD_BYTES]) == codec.decode_head(stored) == session.head


def test_played_sessions_come_back_as_they_were() -> None:
    """What the rules make of each mode, step by step."""
    for spec in one_of_each().values():
        game = Game(spec)
        for ms, command in ((0, Start()), (5_000, Switch()), (7_000, Pause())):
            game.decide(ms, command)
        for event in game.events:
            encoded = codec.encode_event(event, codec.encode_session(event.session))
            assert codec.decode_event(SESSION_ID, encoded) == event


FIRST: Final = bytes.fromhex(
    "01000006474846222078000000000000000200000000000000000000000000000002"
    "9b0294010190cd01f4009293c4102000000000004000800000000000000a0091cdea6093c4102000000000004000800000000000000b"
    "0191cdea6001000000000000"
)
"""A running session as layout 1 has it since the first version."""
SECOND: Final = bytes.fromhex(
    "02000006474846222078000000000000000200000000000000000000000000000002"
    "dc001a0294010190cd01f4009293c4102000000000004000800000000000000a0091cdea6093c4102000000000004000800000000000000b"
    "0191cdea6001000000000000c0c00090c0c0c0c0c0c09000ce00015f900509"
)
"""The same with an idle time of 90 s, called 5 ms and ended 9 ms after its creation: layout 2."""
EVENT: Final = bytes.fromhex("0016980101c0c000c0a6756d70697265a77361696420736f")
"""A creation, before its session, as of the first version."""


def test_what_is_stored_stays_as_it_is() -> None:
    """Both layouts are read, and each session is written byte for byte as ever; nothing new means layout 1."""
    plain = played("participant", "RUNNING")
    born = plain.created_at
    later = plain._replace(idle_ttl_ms=90_000, called_at=born + 5, ended_at=born + 9)

    for session, stored in ((plain, FIRST), (later, SECOND)):
        assert codec.encode_session(session) == stored
        assert codec.decode_session(session.session_id, stored) == session
        assert codec.decode_head(stored) == session.head


def test_an_event_takes_more_only_where_somebody_is_acted_for() -> None:
    """Without, it is written byte for byte as ever; with, its row is longer."""
    event = Game(per_participant()).events[0]
    session = codec.encode_session(event.session)
    for_ann = event._replace(author=event.author._replace(on_behalf_of="Ann"))

    assert codec.encode_event(event, session) == EVENT + session
    assert codec.decode_event(SESSION_ID, EVENT + session) == event
    assert codec.decode_event(SESSION_ID, codec.encode_event(for_ann, session)) == for_ann


def some_session() -> Session:
    """Return a session with something in it."""
    return Game(per_participant()).session


@pytest.mark.parametrize("layout", [0, codec.LAYOUTS[-1] + 1, 255])
def test_another_layout_is_refused(layout: int) -> None:
    """Bytes of a newer version are not guessed at: neither the session, nor its head, nor an event around it."""
    event = Game(per_participant()).events[0]
    session = bytes([layout]) + codec.encode_session(event.session)[1:]

    for read in (
        lambda: codec.decode_session(SESSION_ID, session),
        lambda: codec.decode_head(session),
        lambda: codec.decode_event(SESSION_ID, codec.encode_event(event, session)),
    ):
        with pytest.raises(codec.UnknownLayoutError):
            read()


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda encoded: encoded[:1],
        lambda encoded: encoded[:HEAD_BYTES],
        lambda encoded: encoded[:-1],
        lambda encoded: encoded + b"\x00",
        lambda encoded: encoded[:HEAD_BYTES] + b"\xc1" * 20,
        lambda encoded: encoded[:HEAD_BYTES] + b"\x93\x01\x02\x03",
        lambda _: b"\x01" + b"not a session at all" * 4,
    ],
    ids=["nothing", "a byte", "a head", "cut", "longer", "no msgpack", "other msgpack", "text"],
)
def test_what_is_no_session_is_refused(damage: object) -> None:
    """Damaged or foreign bytes raise one error, whatever is wrong with them."""
    encoded = damage(codec.encode_session(some_session()))  # type: ignore[operator] # a function of the table

    with pytest.raises(codec.UnknownLayoutError):
        codec.decode_session(SESSION_ID, encoded)


@pytest.mark.parametrize("encoded", [b"", b"\x00", b"\xff\xff", b"\x00\x01\xc0", b"hello world"], ids=repr)
def test_what_is_no_event_is_refused(encoded: bytes) -> None:
    """Anybody may publish anything on a channel: it is no event, and no other error."""
    with pytest.raises(codec.UnknownLayoutError):
        codec.decode_event(SESSION_ID, encoded)


@given(st.integers(0, 2**128 - 1).map(lambda number: str(UUID(int=number))))
@EXAMPLES
def test_ids_take_sixteen_bytes(text: str) -> None:
    """A UUID's text and its bytes stand for one another."""
    assert codec.pack_id(text) == UUID(text).bytes
    assert codec.unpack_id(codec.pack_id(text)) == text


def test_a_remembered_request_comes_back_as_it_was() -> None:
    """Fingerprint, epoch and version in 32 bytes."""
    remembered = Remembered(bytes(range(16)), 2**60, 2**40)

    encoded = codec.encode_request(remembered)

    assert len(encoded) == 32
    assert codec.decode_request(encoded) == remembered


def test_sizes() -> None:
    """A session of two is small, one of a thousand is far below the limit of 256 KB."""
    game = Game(per_participant(increment_ms=3_000, warning_thresholds_ms=(60_000, 10_000)))
    for ms, command in ((0, Start()), (5_000, Switch()), (9_000, Switch())):
        game.ok(ms, command)
    event = game.events[-1]
    crowd = some_session()._replace(
        participants=tuple(
            Participant(str(UUID(int=number)), number, None, event.session.participants[0].clock, 3)
            for number in range(1_000)
        )
    )

    two, record = codec.encode_session(event.session), codec.encode_event(event, codec.encode_session(event.session))

    assert len(two) < 150, len(two)
    assert len(record) - len(two) < 40, len(record)
    assert len(codec.encode_session(crowd)) < 48_000, len(codec.encode_session(crowd))


NESTED: Final = b"\x91" * 100_000 + b"\xc0"
FAR: Final = b"\xcf" + b"\xff" * 8


def body(**values: object) -> bytes:
    """Return the bytes of a session with these values of its body changed, by their place in the row."""
    encoded = codec.encode_session(some_session())
    row: list[object] = msgspec.msgpack.decode(encoded[HEAD_BYTES:])
    row += [None] * (23 - len(row))
    row[13], row[14], row[21], row[22] = 0, [], [], 0
    for name, value in values.items():
        row[int(name[1:])] = value
    return encoded[:HEAD_BYTES] + msgspec.msgpack.encode(row)


@pytest.mark.parametrize(
    "foreign",
    [
        codec.encode_session(some_session())[:HEAD_BYTES] + NESTED,
        codec.encode_session(some_session())[:HEAD_BYTES] + b"\xdc\x00\x20" + b"\xc0" * 31 + NESTED,
        body(_2=2**64 - 1),
        body(_4=2**64 - 1),
        body(_5=99),
        body(_5=-1),
        body(_6=b"soon"),
        body(_9=1.5),
        body(_13=[2**64 - 1]),
        body(_13=[1, 2, "three"]),
        body(_3=[[b"short"]]),
        body(_3=[[b"\x01" * 16, 2**31]]),
        body(_3=[[b"\x01" * 16, 0, 0, 0, 7]]),
        body(_3=[7]),
        body(_15=b"short"),
        body(_20="text"),
        body(_21=[[1, 2]]),
        body(_1=[99]),
        body(_1=[1, None, ["x"]]),
        body(_1=[2, 3, [], 0, None, 0]),
        codec.encode_session(some_session()._replace(version=2**64 - 1)),
    ],
    ids=lambda foreign: foreign[HEAD_BYTES:][-12:].hex(),
)
def test_what_cannot_be_used_is_no_session(foreign: bytes) -> None:
    """Whatever msgpack a value holds, it is refused here with one error, and fails nowhere else."""
    with pytest.raises(codec.UnknownLayoutError):
        codec.decode_session(SESSION_ID, foreign)


def test_the_row_of_an_event_is_no_less_checked() -> None:
    """Nested, far out of range, or of another type: no event."""
    session = codec.encode_session(some_session())
    for row in (
        NESTED[-60_000:],
        b"\x95\x01\x01\xc0\xc0" + FAR,
        b"\x93\x01\x01\xa1x",
        b"\x97\x01\x01\xc0\xc0\x00\xc0\x05",
    ):
        with pytest.raises(codec.UnknownLayoutError):
            codec.decode_event(SESSION_ID, len(row).to_bytes(2, "big") + row + session)


@settings(EXAMPLES, max_examples=200)
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
    sessions = []
    for spec in one_of_each().values():
        game = Game(spec)
        for ms, command in ((0, Start()), (5_000, Switch()), (7_000, Pause())):
            game.decide(ms, command)
        sessions += [event.session for event in game.events]
    return sessions


PLAYED: Final = _played()
