"""The limits of a description, each at both of its edges; indexes; duplicates."""

from collections.abc import Callable
from typing import Final

import pytest

from synckairos.domain.commands import AddParticipant
from synckairos.domain.specification import GroupSpec, ParticipantSpec, SessionSpec, violations
from testing.harness.builders import (
    ANN,
    BLUE,
    BOB,
    CLEO,
    RED,
    ZOE,
    Game,
    countdown,
    per_cycle,
    per_group,
    per_participant,
    stopwatch,
)

Builder = Callable[[int], SessionSpec]

LONGEST: Final = 2_419_200_000
"""28 days."""


def _paths(spec: SessionSpec) -> list[str]:
    return [violation.path for violation in violations(spec)]


def _crowd(size: int) -> tuple[ParticipantSpec, ...]:
    return tuple(ParticipantSpec(f"00000000-0000-4000-8000-{number:012}") for number in range(size))


def _indexed(*indexes: int | None) -> SessionSpec:
    names = (ANN, BOB, CLEO)
    return countdown(60_000)._replace(
        participants=tuple(ParticipantSpec(name, index) for name, index in zip(names, indexes, strict=True))
    )


@pytest.mark.parametrize("ms", [1_000, LONGEST], ids=["shortest", "longest"])
@pytest.mark.parametrize("outside", [False, True], ids=["inside", "outside"])
@pytest.mark.parametrize(
    ("path", "build"),
    [
        pytest.param("participants[0].total_time_ms", lambda ms: per_participant(ms, 60_000), id="bank"),
        pytest.param("time_per_cycle_ms", per_cycle, id="cycle"),
        pytest.param("groups[0].total_time_ms", lambda ms: per_group(ms, 60_000), id="group"),
        pytest.param("total_time_ms", countdown, id="total"),
        pytest.param("max_time_ms", stopwatch, id="limit"),
        pytest.param("max_time_ms", lambda ms: per_participant(max_time_ms=ms), id="cap"),
        pytest.param("max_time_ms", lambda ms: per_group(max_time_ms=ms), id="group cap"),
    ],
)
def test_budgets(path: str, build: Builder, ms: int, outside: bool) -> None:
    """A budget lies between one second and 28 days, both included."""
    beyond = ms + (1 if ms == LONGEST else -1)

    assert _paths(build(beyond if outside else ms)) == ([path] if outside else [])


@pytest.mark.parametrize(
    ("increment", "paths"),
    [(0, []), (1, []), (3_600_000, []), (3_600_001, ["increment_ms"]), (-1, ["increment_ms"])],
)
def test_increments(increment: int, paths: list[str]) -> None:
    """An increment lies between nothing and an hour."""
    assert _paths(per_participant(increment_ms=increment)) == paths
    assert _paths(per_group(increment_ms=increment)) == paths


@pytest.mark.parametrize(
    ("cycles", "paths"), [(1, []), (-1, ["max_cycles"]), (1_000_000_000, []), (1_000_000_001, ["max_cycles"])]
)
def test_cycles(cycles: int, paths: list[str]) -> None:
    """A session has one cycle at least and a thousand million at most."""
    assert _paths(per_cycle(max_cycles=cycles)) == paths


@pytest.mark.parametrize(("size", "paths"), [(1_000, []), (1_001, ["participants"])])
def test_a_thousand_participants(size: int, paths: list[str]) -> None:
    """A thousand may take part, one more is refused."""
    assert _paths(countdown()._replace(participants=_crowd(size))) == paths


def test_a_full_session_takes_no_one_more() -> None:
    """The limit holds for later joins, too, and the last place can be filled."""
    game = Game(countdown()._replace(participants=_crowd(999)))

    game.ok(1, AddParticipant(ParticipantSpec(ANN)))
    refusal = game.refused(2, AddParticipant(ParticipantSpec(BOB)))

    assert (refusal.reason, len(game.session.participants)) == ("INVALID_FIELD", 1_000)


@pytest.mark.parametrize(
    ("thresholds", "paths"),
    [
        pytest.param(tuple(range(1, 11)), [], id="ten"),
        pytest.param(tuple(range(1, 12)), ["warning_thresholds_ms"], id="eleven"),
        pytest.param((60_000, 90_000), [], id="above the budget: accepted, never crossed"),
        pytest.param((5_000, 0), ["warning_thresholds_ms[1]"], id="zero"),
        pytest.param((-1,), ["warning_thresholds_ms[0]"], id="negative"),
        pytest.param((LONGEST,), [], id="longest"),
        pytest.param((LONGEST + 1,), ["warning_thresholds_ms[0]"], id="too long"),
        pytest.param((5_000, 1_000, 5_000), ["warning_thresholds_ms[2]"], id="given twice"),
    ],
)
def test_warning_thresholds(thresholds: tuple[int, ...], paths: list[str]) -> None:
    """Ten thresholds at most, each a time that can be left."""
    assert _paths(countdown(60_000, warning_thresholds_ms=thresholds)) == paths


def test_warnings_need_something_to_warn_of() -> None:
    """A stopwatch without a limit has no zero to warn of."""
    assert _paths(stopwatch(0, warning_thresholds_ms=(1_000,))) == ["warning_thresholds_ms"]
    assert _paths(stopwatch(60_000, warning_thresholds_ms=(1_000,))) == []


@pytest.mark.parametrize("excess", [0, 1], ids=["at the limit", "one byte more"])
def test_metadata(excess: int) -> None:
    """A session carries 10 KB, a participant 1 KB; both come back unchanged."""
    own, theirs = b"s" * (10_240 + excess), b"p" * (1_024 + excess)
    spec = countdown(60_000, metadata=own)._replace(participants=(ParticipantSpec(ANN, metadata=theirs),))

    assert _paths(spec) == (["participants[0].metadata", "metadata"] if excess else [])
    if not excess:
        session = Game(spec).session
        assert (session.metadata, session.participants[0].metadata) == (own, theirs)


@pytest.mark.parametrize(
    ("labels", "paths"),
    [
        pytest.param({f"k{number}": "v" for number in range(32)}, [], id="32 labels"),
        pytest.param({f"k{number}": "v" for number in range(33)}, ["labels"], id="33 labels"),
        pytest.param({"k" * 128: "v" * 128}, [], id="128 bytes"),
        pytest.param({"k" * 129: "v"}, [f'labels["{"k" * 32}"]'], id="129 bytes of key"),
        pytest.param({"k": "v" * 129}, ['labels["k"]'], id="129 bytes of value"),
        pytest.param({"k": "\u00e9" * 65}, ['labels["k"]'], id="65 letters of two bytes"),
        pytest.param({"": "v"}, ["labels"], id="no key"),
        pytest.param({"k": ""}, [], id="no value"),
    ],
)
def test_labels(labels: dict[str, str], paths: list[str]) -> None:
    """32 labels of 128 bytes, counted in bytes."""
    assert _paths(countdown(60_000, labels=tuple(labels.items()))) == paths


@pytest.mark.parametrize(
    ("indexes", "paths"),
    [
        pytest.param((None, None, None), [], id="none"),
        pytest.param((2, 0, 1), [], id="all"),
        pytest.param((7, 0, 1_000), [], id="all, with holes"),
        pytest.param((0, None, 1), ["participants[1].participant_index"], id="one missing"),
        pytest.param((None, None, 0), ["participants[0].participant_index"], id="one given, even if it is 0"),
        pytest.param((3, 1, 3), ["participants[2].participant_index"], id="twice"),
        pytest.param((-1, 0, 1), ["participants[0].participant_index"], id="negative"),
    ],
)
def test_indexes_are_all_given_or_none(indexes: tuple[int | None, ...], paths: list[str]) -> None:
    """Either every participant has a place of its own, or the list order counts."""
    assert _paths(_indexed(*indexes)) == paths


def test_indexes_make_the_order() -> None:
    """The rotation follows the indexes, or the list where there are none."""
    indexed, listed = Game(_indexed(20, 3, 10)).session, Game(_indexed(None, None, None)).session

    assert [(one.participant_id, one.participant_index) for one in indexed.participants] == [
        (BOB, 3),
        (CLEO, 10),
        (ANN, 20),
    ]
    assert [(one.participant_id, one.participant_index) for one in listed.participants] == [
        (ANN, 0),
        (BOB, 1),
        (CLEO, 2),
    ]


@pytest.mark.parametrize(("index", "has_room"), [(999_999, True), (1_000_000, False)])
def test_the_indexes_have_an_end(index: int, has_room: bool) -> None:
    """The last place is the millionth; behind it nobody can join."""
    game = Game(countdown(participants=(ParticipantSpec(ANN, index),)))

    outcome = game.decide(1, AddParticipant(ParticipantSpec(BOB)))

    assert _paths(countdown(participants=(ParticipantSpec(ANN, 1_000_001),))) == ["participants[0].participant_index"]
    assert (outcome.refusal is None, len(outcome.session.participants)) == (has_room, 1 + has_room)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        pytest.param(per_cycle(60_000, ANN, BOB, ANN), "participants[2].participant_id", id="participant"),
        pytest.param(
            per_group(groups=(GroupSpec(RED, 60_000), GroupSpec(BLUE, 60_000), GroupSpec(RED, 60_000))),
            "groups[2].group_id",
            id="group",
        ),
    ],
)
def test_ids_are_unique(spec: SessionSpec, path: str) -> None:
    """The second of two equal ids is named."""
    assert _paths(spec) == [path]


def test_the_first_is_one_of_them() -> None:
    """The participant that starts must take part."""
    assert _paths(per_participant(first_participant_id=BOB)) == []
    assert _paths(per_participant(first_participant_id=ZOE)) == ["first_participant_id"]
