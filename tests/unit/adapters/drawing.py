"""Sessions and events of any shape that the encoding must carry, reachable by the rules or not.

Strategies are made once: to make one takes longer than to draw from it.
"""

from functools import cache
from typing import Final, TypeVar
from uuid import UUID

from google.protobuf.struct_pb2 import Struct, Value
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from synckairos.domain.controls.time_control import TimeControl
from synckairos.domain.events import Author, Cause, Event, EventType, Subject
from synckairos.domain.model import (
    MAX_BUDGET_MS,
    MAX_REPLICAS,
    UNTIMED,
    Clock,
    Durability,
    DurabilityLevel,
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
from testing.harness.playing.session_drawing import chance, pick
from tests.unit.adapters import control_drawing

AnyT = TypeVar("AnyT")

ids: Final = st.integers(0, 2**128 - 1).map(lambda number: str(UUID(int=number)))
durations: Final = st.one_of(st.integers(0, 2**17), st.integers(0, MAX_BUDGET_MS), st.integers(0, 2**40))
instants: Final = st.integers(1_700_000_000_000, 1_800_000_000_000)
texts: Final = st.text(max_size=40)
metadata: Final = st.none() | st.dictionaries(st.text(max_size=8), texts, max_size=3).map(
    lambda fields: Struct(fields={name: Value(string_value=text) for name, text in fields.items()}).SerializeToString()
)


@cache
def maybe(strategy: SearchStrategy[AnyT]) -> SearchStrategy[AnyT | None]:
    """Draw a value or None."""
    return st.none() | strategy


timed_clocks: Final = st.builds(
    Clock, durations, durations, durations, durations, st.booleans(), st.booleans(), st.none()
)
clocks: Final = st.one_of(st.just(UNTIMED), durations.map(lambda used: Clock(None, None, used)), timed_clocks)


durabilities: Final = st.builds(Durability, st.sampled_from(DurabilityLevel), st.integers(0, MAX_REPLICAS))
soft_closes: Final = st.builds(SoftClose, durations, durations, st.sampled_from(SoftClosePolicy), durations)


_rules: Final = st.builds(
    Rules,
    st.just(Mode.GLOBAL),
    maybe(st.sampled_from(OnExpire)),
    maybe(durations),
    maybe(durations.map(lambda ms: ms + 1)),
    durations,
    maybe(durations),
    maybe(st.integers(1, 10**9)),
    st.lists(durations, max_size=10).map(tuple),
    maybe(durations),
    maybe(instants),
    maybe(soft_closes),
    st.none(),
    maybe(durabilities),
)


def rules(draw: DrawFn, mode: Mode, controls: list[TimeControl]) -> Rules:
    """Draw what was agreed, with one of these controls for those who have none of their own."""
    return draw(_rules)._replace(mode=mode, time_control=pick(draw, [None, *controls]))


def _clock(draw: DrawFn, plain: SearchStrategy[Clock], controls: list[TimeControl]) -> Clock:
    """Draw a clock, with one of these controls if there are any."""
    return control_drawing.clock_of(draw, controls) if controls else draw(plain)


_names: Final = st.lists(ids, max_size=8, unique=True)
_group_ids: Final = st.lists(ids, max_size=4, unique=True)
_controls: Final = st.lists(control_drawing.controls, max_size=2)
_labels: Final = st.dictionaries(texts, texts, max_size=4).map(lambda labels: tuple(labels.items()))
_counts: Final = st.integers(0, 10**6)


def _participants(draw: DrawFn, group_ids: list[str], controls: list[TimeControl]) -> tuple[Participant, ...]:
    return tuple(
        Participant(
            name,
            draw(_counts),
            pick(draw, [None, *group_ids]),
            _clock(draw, clocks, controls),
            draw(_counts),
            draw(metadata),
        )
        for name in draw(_names)
    )


@st.composite
def sessions(draw: DrawFn, mode: Mode) -> Session:
    """Draw a session of this mode."""
    group_ids = draw(_group_ids) if mode is Mode.PER_GROUP else []
    controls = draw(_controls)
    participants = _participants(draw, group_ids, controls)
    return Session(
        session_id=draw(ids),
        epoch=draw(st.integers(0, 2**64 - 1)),
        version=draw(st.integers(1, 2**53)),
        change_id=draw(ids),
        rules=rules(draw, mode, controls),
        status=pick(draw, tuple(Status)),
        created_at=draw(instants),
        updated_at=draw(instants),
        participants=participants,
        groups=tuple(
            Group(one, _clock(draw, timed_clocks, controls), draw(st.integers(-1, 10**6))) for one in group_ids
        ),
        clock=draw(clocks),
        active=pick(draw, (None, *range(len(participants)))),
        **{name: draw(maybe(ids)) for name in NAMED},  # type: ignore[arg-type] # mypy takes it for any field
        cycle_number=draw(st.integers(0, 10**9)),
        carried_ms=draw(durations),
        charged_ms=draw(durations),
        **{name: draw(maybe(instants)) for name in MOMENTS},  # type: ignore[arg-type] # mypy takes it for any field
        metadata=draw(metadata),
        labels=draw(_labels),
        recovered=draw(st.booleans()),
        deleted=draw(st.booleans()),
        idle_ttl_ms=0 if chance(draw, 2) else draw(st.integers(60_000, 366 * 86_400_000)),
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
        pick(draw, tuple(EventType)),
        pick(draw, tuple(Cause)),
        Author(draw(texts), draw(texts)),
        Subject(draw(maybe(ids)), draw(maybe(ids)), draw(durations), draw(maybe(durations))),
        draw(maybe(instants)),
        draw(sessions(mode)),
        draw(maybe(control_drawing.turns)),
        draw(durations),
        draw(durations),
    )
