"""Sessions and events of any shape that the encoding must carry, reachable by the rules or not."""

from typing import Final
from uuid import UUID

from google.protobuf.struct_pb2 import Struct, Value
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from synckairos.domain.controls.time_control import TimeControl
from synckairos.domain.events import Author, Cause, Event, EventType, Subject
from synckairos.domain.model import (
    MAX_BUDGET_MS,
    UNTIMED,
    Clock,
    Group,
    Mode,
    OnExpire,
    Participant,
    Rules,
    Session,
    SoftClose,
    SoftClosePolicy,
    Status,
)
from tests.unit.adapters import control_drawing

ids: Final = st.integers(0, 2**128 - 1).map(lambda number: str(UUID(int=number)))
durations: Final = st.one_of(st.integers(0, 2**17), st.integers(0, MAX_BUDGET_MS), st.integers(0, 2**40))
instants: Final = st.integers(1_700_000_000_000, 1_800_000_000_000)
texts: Final = st.text(max_size=40)
metadata: Final = st.none() | st.dictionaries(st.text(max_size=8), texts, max_size=3).map(
    lambda fields: Struct(fields={name: Value(string_value=text) for name, text in fields.items()}).SerializeToString()
)


def maybe(strategy: SearchStrategy[int]) -> SearchStrategy[int | None]:
    """Draw a value or None."""
    return st.none() | strategy


timed_clocks: Final = st.builds(
    Clock, durations, durations, durations, durations, st.booleans(), st.booleans(), st.none()
)
clocks: Final = st.one_of(st.just(UNTIMED), durations.map(lambda used: Clock(None, None, used)), timed_clocks)


soft_closes: Final = st.builds(SoftClose, durations, durations, st.sampled_from(SoftClosePolicy), durations)


def rules(mode: Mode, controls: list[TimeControl]) -> SearchStrategy[Rules]:
    """Draw what was agreed, with one of these controls for those who have none of their own."""
    return st.builds(
        Rules,
        st.just(mode),
        st.none() | st.sampled_from(OnExpire),
        maybe(durations),
        maybe(durations.map(lambda ms: ms + 1)),
        durations,
        maybe(durations),
        maybe(st.integers(1, 10**9)),
        st.lists(durations, max_size=10).map(tuple),
        maybe(durations),
        maybe(instants),
        st.none() | soft_closes,
        st.sampled_from([None, *controls]),
    )


def clocks_among(plain: SearchStrategy[Clock], controls: list[TimeControl]) -> SearchStrategy[Clock]:
    """Draw a clock, with one of these controls if there are any."""
    return control_drawing.clocks_of(controls) if controls else plain


@st.composite
def _participants(draw: DrawFn, group_ids: list[str], controls: list[TimeControl]) -> tuple[Participant, ...]:
    names = draw(st.lists(ids, max_size=8, unique=True))
    groups = st.sampled_from([None, *group_ids])
    return tuple(
        Participant(
            name,
            draw(st.integers(0, 10**6)),
            draw(groups),
            draw(clocks_among(clocks, controls)),
            draw(st.integers(0, 10**6)),
            draw(metadata),
        )
        for name in names
    )


@st.composite
def sessions(draw: DrawFn, mode: Mode) -> Session:
    """Draw a session of this mode."""
    group_ids = draw(st.lists(ids, max_size=4, unique=True)) if mode is Mode.PER_GROUP else []
    controls = draw(st.lists(control_drawing.controls, max_size=2))
    participants = draw(_participants(group_ids, controls))
    positions = st.integers(0, len(participants) - 1) if participants else st.nothing()
    return Session(
        session_id=draw(ids),
        epoch=draw(st.integers(0, 2**64 - 1)),
        version=draw(st.integers(1, 2**53)),
        change_id=draw(ids),
        rules=draw(rules(mode, controls)),
        status=draw(st.sampled_from(Status)),
        created_at=draw(instants),
        updated_at=draw(instants),
        participants=participants,
        groups=tuple(
            Group(one, draw(clocks_among(timed_clocks, controls)), draw(st.integers(-1, 10**6))) for one in group_ids
        ),
        clock=draw(clocks),
        active=draw(st.none() | positions),
        **{name: draw(st.none() | ids) for name in NAMED},  # type: ignore[arg-type] # mypy takes it for any field
        cycle_number=draw(st.integers(0, 10**9)),
        carried_ms=draw(durations),
        charged_ms=draw(durations),
        **{name: draw(maybe(instants)) for name in MOMENTS},  # type: ignore[arg-type] # mypy takes it for any field
        metadata=draw(metadata),
        labels=tuple(draw(st.dictionaries(texts, texts, max_size=4)).items()),
        recovered=draw(st.booleans()),
        deleted=draw(st.booleans()),
        idle_ttl_ms=draw(st.just(0) | st.integers(60_000, 366 * 86_400_000)),
        called_at=draw(maybe(instants)),
        ended_at=draw(maybe(instants)),
        ran_ms=draw(durations),
        limit_passed=draw(st.booleans()),
        manual_at=draw(maybe(instants)),
        real_at=draw(maybe(instants)),
    )


NAMED: Final = (
    "first_participant_id",
    "expired_participant_id",
    "expired_group_id",
    "winner_participant_id",
    "winner_group_id",
)
MOMENTS: Final = ("started_at", "cycle_started_at", "resumed_at", "paused_at", "completed_at")


@st.composite
def events(draw: DrawFn, mode: Mode) -> Event:
    """Draw an event of a session of this mode."""
    return Event(
        draw(st.sampled_from(EventType)),
        draw(st.sampled_from(Cause)),
        Author(draw(texts), draw(texts)),
        Subject(draw(st.none() | ids), draw(st.none() | ids), draw(durations), draw(maybe(durations))),
        draw(maybe(instants)),
        draw(sessions(mode)),
        draw(st.none() | control_drawing.turns),
        draw(durations),
        draw(durations),
    )
