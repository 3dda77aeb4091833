"""The subject of an event: the participant or group it is about, and the state of its clock."""

from typing import Final

import pytest

from synckairos.domain import timing
from synckairos.domain.commands import (
    AddParticipant,
    AdjustTime,
    Cancel,
    Command,
    Complete,
    Delete,
    Pause,
    RemoveParticipant,
    Resume,
    Start,
    Switch,
    Update,
)
from synckairos.domain.events import Subject
from synckairos.domain.model import Mode
from synckairos.domain.specification import ParticipantSpec, SessionSpec
from testing.harness.builders import (
    ANN,
    BOB,
    EVE,
    RED,
    Game,
    at,
    countdown,
    one_of_each,
    per_cycle,
    per_group,
    per_participant,
    started,
    stopwatch,
)

ALONE: Final = per_participant(60_000, 60_000, 60_000, increment_ms=3_000)
TEAMS: Final = per_group(60_000, 60_000, increment_ms=3_000)


@pytest.mark.parametrize(
    ("spec", "command", "subject"),
    [
        pytest.param(ALONE, Switch(), Subject(ANN, None, 5_000, 58_000), id="who was switched away from"),
        pytest.param(TEAMS, Switch(), Subject(ANN, RED, 5_000, 58_000), id="and the group"),
        pytest.param(per_cycle(60_000, ANN, BOB), Switch(), Subject(ANN, None, 5_000, 55_000), id="cycle"),
        pytest.param(countdown(60_000, ANN, BOB), Switch(), Subject(ANN, None, 5_000, 55_000), id="countdown"),
        pytest.param(stopwatch(0, ANN, BOB), Switch(), Subject(ANN, None, 5_000, None), id="stopwatch"),
        pytest.param(ALONE, Pause(), Subject(ANN, None, 5_000, 55_000), id="who was paused"),
        pytest.param(TEAMS, Complete(), Subject(ANN, RED, 5_000, 55_000), id="whose turn was ended"),
        pytest.param(ALONE, Cancel(), Subject(ANN, None, 5_000, 55_000), id="whose turn was broken off"),
        pytest.param(ALONE, Update(labels=()), Subject(ANN, None, 5_000, 55_000), id="whose turn it was"),
        pytest.param(ALONE, Delete(), Subject(ANN, None, 5_000, 55_000), id="whose turn it was last"),
        pytest.param(
            ALONE, AddParticipant(ParticipantSpec(EVE, None, 9_000)), Subject(EVE, None, 0, 9_000), id="who joined"
        ),
        pytest.param(
            TEAMS, AddParticipant(ParticipantSpec(EVE, group_id=RED)), Subject(EVE, RED, 0, None), id="joined a group"
        ),
        pytest.param(ALONE, RemoveParticipant(ANN), Subject(ANN, None, 5_000, 55_000), id="who left at the move"),
        pytest.param(ALONE, RemoveParticipant(BOB), Subject(BOB, None, 0, 60_000), id="who left waiting"),
        pytest.param(ALONE, AdjustTime(ANN, delta_ms=-5_000), Subject(ANN, None, 5_000, 50_000), id="who was adjusted"),
        pytest.param(ALONE, AdjustTime(BOB, set_ms=7_000), Subject(BOB, None, 0, 7_000), id="who was, waiting"),
        pytest.param(TEAMS, AdjustTime("", RED, set_ms=7_000), Subject(None, RED, 5_000, 7_000), id="which group was"),
        pytest.param(countdown(60_000), AdjustTime(set_ms=7_000), Subject(None, None, 5_000, 7_000), id="the session"),
    ],
)
def test_the_subject_of_an_event(spec: SessionSpec, command: Command, subject: Subject) -> None:
    """Five seconds into ANN's turn, an event names its subject, the time run, and the time then left."""
    game = started(spec)

    game.ok(5_000, command)

    assert game.events[-1].subject == subject


@pytest.mark.parametrize(
    ("spec", "created", "begun"),
    [
        pytest.param(ALONE, Subject(), Subject(ANN, None, 0, 60_000), id="participants"),
        pytest.param(TEAMS, Subject(), Subject(ANN, RED, 0, 60_000), id="groups"),
        pytest.param(
            countdown(60_000), Subject(remaining_ms=60_000), Subject(remaining_ms=60_000), id="the session itself"
        ),
    ],
)
def test_the_subjects_of_the_first_events(spec: SessionSpec, created: Subject, begun: Subject) -> None:
    """At creation no turn is on; at the start the first one is, with its full time."""
    game = Game(spec)
    game.ok(3_000, Start())

    assert [event.subject for event in game.events] == [created, begun]
    assert [event.fired_at for event in game.events] == [None, None]


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_elapsed_counts_the_cycle_or_the_session(mode: Mode) -> None:
    """A switch starts the count anew, except where the clock is the session's; pauses are left out."""
    game = started(one_of_each()[mode])
    game.ok(10_000, Switch())
    game.ok(14_000, Pause())
    game.ok(50_000, Resume())

    session = game.ok(51_000)

    before = 10_000 if mode in {Mode.GLOBAL, Mode.COUNT_UP} else 0
    assert timing.elapsed(session, at(52_000)) == before + 6_000
    assert timing.elapsed(session, at(49_000)) == before + 4_000, "time that has not begun to run counts as none"
