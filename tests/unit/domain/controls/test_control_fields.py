"""What is wrong with a session with time controls, and where."""

from typing import Final

import pytest

from synckairos.domain.commands import AddParticipant, Caller, RemoveParticipant
from synckairos.domain.controls.time_control import Stage, TimeControl
from synckairos.domain.creation import create
from synckairos.domain.errors import InvalidField
from synckairos.domain.families.hourglass import Hourglass
from synckairos.domain.families.per_turn import PerTurn
from synckairos.domain.model import Mode, OnExpire, SoftClose, SoftClosePolicy
from synckairos.domain.specification import GroupSpec, ParticipantSpec, SessionSpec
from testing.harness.builders import (
    ANN,
    BLUE,
    BOB,
    DAY,
    RED,
    SESSION_ID,
    UMPIRE,
    ZOE,
    Game,
    at,
    change_ids,
    clock_of,
    countdown,
    one_of_each,
    per_group,
    per_participant,
    started,
)
from tests.unit.domain.controls.control_builders import bank, one_stage, players, progress_of, teams

END, ELIMINATE, ADVANCE, NOTIFY = OnExpire
PLAIN: Final = one_stage(60_000)
FLOWING: Final = one_stage(60_000, Hourglass())
TURNS: Final = one_stage(0, PerTurn(10_000))
TWO_STAGES: Final = TimeControl((Stage(0, 3, PerTurn(10_000)), Stage(0, 0, PerTurn(5_000))))
SOFT: Final = SoftClose(5_000, 10_000, SoftClosePolicy.RESET, 0)


def paths(spec: SessionSpec) -> set[str]:
    """Return the fields that a creation names as wrong."""
    try:
        create(SESSION_ID, spec, Caller(UMPIRE), at(0) * 1_000, change_ids().__next__)
    except InvalidField as refused:
        return {path for path, _ in refused.violations}
    return set()


def each(control: TimeControl | None, *others: TimeControl | None, **fields: TimeControl) -> SessionSpec:
    """Describe a participant for each control, who has none of it if it is None."""
    spec = players(*[PLAIN] * (1 + len(others)))
    named = tuple(
        one._replace(time_control=its) for one, its in zip(spec.participants, (control, *others), strict=False)
    )
    return spec._replace(participants=named, **fields)


GOOD: Final = {
    "own controls": players(PLAIN, FLOWING._replace(stages=PLAIN.stages)),
    "one for all": each(None, None, time_control=PLAIN),
    "one for all, and odds": each(None, TURNS, time_control=PLAIN),
    "of a team": teams(PLAIN),
    "an hourglass": players(FLOWING),
    "turns that go on": players(TURNS, on_expire=ADVANCE),
    "turns of teams that go on": teams(TURNS, on_expire=ADVANCE),
    "a session limit": per_participant()._replace(session_limit_ms=1_000),
    "closing in a year": countdown()._replace(close_at=at(366 * DAY)),
    "a soft close": countdown()._replace(soft_close=SOFT, on_expire=END),
    "a manual clock": per_participant()._replace(manual_clock=True),
}

MEMBER: Final = ParticipantSpec(ZOE, group_id=BLUE, time_control=PLAIN)
ONE_RED: Final = (ParticipantSpec(ANN, group_id=RED),)
WRONG: Final[dict[str, tuple[SessionSpec, set[str]]]] = {
    "not for everybody": (each(PLAIN, None), {"participants[1].time_control"}),
    "not for every team": (
        teams(PLAIN)._replace(time_control=None, groups=(GroupSpec(RED, 0, PLAIN), GroupSpec(BLUE))),
        {"groups[1].time_control"},
    ),
    "a total time of somebody": (
        per_participant()._replace(time_control=PLAIN),
        {"time_control", "participants[0].total_time_ms", "participants[1].total_time_ms"},
    ),
    "a total time beside an own control": (
        SessionSpec(Mode.PER_PARTICIPANT, (ParticipantSpec(ANN, None, 60_000, time_control=PLAIN),)),
        {"participants[0].time_control", "participants[0].total_time_ms"},
    ),
    "a total time of a team": (
        per_group()._replace(time_control=PLAIN),
        {"time_control", "groups[0].total_time_ms", "groups[1].total_time_ms"},
    ),
    "an old increment": (players(PLAIN)._replace(increment_ms=1), {"participants[0].time_control", "increment_ms"}),
    "an old cap": (teams(PLAIN)._replace(max_time_ms=60_000), {"time_control", "max_time_ms"}),
    "a control of a cycle": (one_of_each()[Mode.PER_CYCLE]._replace(time_control=PLAIN), {"time_control"}),
    "a control of a countdown": (countdown()._replace(time_control=PLAIN), {"time_control"}),
    "a member's own control": (
        per_group()._replace(
            participants=(*per_group().participants[:3], ParticipantSpec(ZOE, None, 0, BLUE, None, PLAIN))
        ),
        {"participants[3].time_control"},
    ),
    "a team's control without teams": (
        per_participant()._replace(groups=(GroupSpec(RED, 0, PLAIN),)),
        {"groups", "groups[0].time_control"},
    ),
    "a participant's control in a cycle": (
        SessionSpec(Mode.PER_CYCLE, (ParticipantSpec(ANN, time_control=PLAIN),), time_per_cycle_ms=30_000),
        {"participants[0].time_control"},
    ),
    "an hourglass alone": (each(FLOWING), {"participants"}),
    "an hourglass of one team": (
        SessionSpec(Mode.PER_GROUP, ONE_RED, (GroupSpec(RED),), time_control=FLOWING),
        {"groups"},
    ),
    "an hourglass of some": (players(FLOWING, PLAIN), {"participants[1].time_control"}),
    "an hourglass by odds": (each(None, FLOWING, time_control=PLAIN), {"participants[0].time_control"}),
    "advancing without turns": (players(PLAIN, on_expire=ADVANCE), {"on_expire"}),
    "advancing with stages": (players(TWO_STAGES, on_expire=ADVANCE), {"on_expire"}),
    "advancing by odds": (players(TURNS, PLAIN, on_expire=ADVANCE), {"on_expire"}),
    "advancing by old fields": (per_participant(on_expire=ADVANCE), {"on_expire"}),
    "a session limit of a countdown": (countdown()._replace(session_limit_ms=9_000), {"session_limit_ms"}),
    "too short a session": (players(PLAIN, session_limit_ms=999), {"session_limit_ms"}),
    "too long a session": (players(PLAIN, session_limit_ms=28 * DAY + 1), {"session_limit_ms"}),
    "closing at once": (countdown()._replace(close_at=at(0)), {"close_at"}),
    "closing in more than a year": (countdown()._replace(close_at=at(366 * DAY) + 1), {"close_at"}),
    "a soft close of a turn": (per_participant()._replace(soft_close=SOFT), {"soft_close"}),
    "a soft close that is told of": (countdown(on_expire=NOTIFY)._replace(soft_close=SOFT), {"soft_close"}),
    "a hard limit before the end": (
        countdown(60_000)._replace(soft_close=SOFT._replace(hard_limit_ms=59_999)),
        {"soft_close.hard_limit_ms"},
    ),
}


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD.keys())
def test_what_is_right(spec: SessionSpec) -> None:
    """Nothing is wrong with these."""
    assert paths(spec) == set()


@pytest.mark.parametrize(("spec", "wrong"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong(spec: SessionSpec, wrong: set[str]) -> None:
    """Every field that is wrong is named, and no other."""
    assert paths(spec) == wrong


def joining(game: Game, spec: ParticipantSpec) -> set[str]:
    """Return the fields that keep a participant from joining."""
    refusal = game.refused(0, AddParticipant(spec))
    assert isinstance(refusal, InvalidField)
    return {path for path, _ in refusal.violations}


CONTROL, TOTAL, STAGES = "participant.time_control", "participant.total_time_ms", "participant.time_control.stages"
NEWCOMER: Final = ParticipantSpec(ZOE, time_control=PLAIN)


@pytest.mark.parametrize(
    ("spec", "newcomer", "wrong"),
    [
        pytest.param(players(PLAIN), ParticipantSpec(ZOE), {CONTROL}, id="without a control"),
        pytest.param(
            players(PLAIN), ParticipantSpec(ZOE, None, 60_000, time_control=PLAIN), {CONTROL, TOTAL}, id="with both"
        ),
        pytest.param(
            each(None, None, time_control=PLAIN), ParticipantSpec(ZOE, None, 60_000), {TOTAL}, id="with an old total"
        ),
        pytest.param(
            per_participant(), ParticipantSpec(ZOE, None, 60_000, time_control=PLAIN), {CONTROL}, id="to old clocks"
        ),
        pytest.param(
            per_participant(), ParticipantSpec(ZOE, time_control=PLAIN), {CONTROL, TOTAL}, id="without a total"
        ),
        pytest.param(players(FLOWING), ParticipantSpec(ZOE, time_control=PLAIN), {CONTROL}, id="to an hourglass"),
        pytest.param(players(PLAIN), ParticipantSpec(ZOE, time_control=FLOWING), {CONTROL}, id="with an hourglass"),
        pytest.param(
            players(TURNS, on_expire=ADVANCE), ParticipantSpec(ZOE, time_control=PLAIN), {CONTROL}, id="to turns"
        ),
        pytest.param(teams(PLAIN), ParticipantSpec(ZOE, None, 0, RED, time_control=PLAIN), {CONTROL}, id="to a team"),
        pytest.param(countdown(), ParticipantSpec(ZOE, time_control=PLAIN), {CONTROL}, id="to a countdown"),
        pytest.param(
            players(PLAIN), ParticipantSpec(ZOE, time_control=TimeControl(())), {f"{CONTROL}.stages"}, id="limits"
        ),
    ],
)
def test_who_cannot_join(spec: SessionSpec, newcomer: ParticipantSpec, wrong: set[str]) -> None:
    """Every field that is wrong is named, and nothing changes."""
    assert joining(Game(spec), newcomer) == wrong


def test_who_joins_with_a_control() -> None:
    """Their own, or that of the session, whole, as at its creation."""
    game = started(each(None, TURNS, time_control=one_stage(50_000)))

    game.ok(1_000, AddParticipant(ParticipantSpec(ZOE)))
    assert (bank(game.session, ZOE), clock_of(game.session, ZOE).allotted_ms) == (50_000, 50_000)
    game.ok(1_000, RemoveParticipant(ZOE), AddParticipant(ParticipantSpec(ZOE, time_control=one_stage(9_000))))

    assert bank(game.session, ZOE) == 9_000


def test_who_joins_a_team_shares_its_clock() -> None:
    """And has none of their own."""
    game = started(teams(PLAIN))

    game.ok(1_000, AddParticipant(ParticipantSpec(ZOE, None, 0, RED)))

    assert clock_of(game.session, ZOE).progress is None


def test_odds() -> None:
    """Each holder has its own control, whatever the session's is."""
    game = started(each(None, TURNS, time_control=PLAIN))

    assert [progress_of(clock_of(game.session, name)).control for name in (ANN, BOB)] == [PLAIN, TURNS]
    assert game.session.rules.time_control == PLAIN
