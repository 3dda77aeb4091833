"""The next turn: by index, by group, by name, past the eliminated."""

from typing import Final

import pytest

from synckairos.domain.commands import AddParticipant, RemoveParticipant, Start, Switch
from synckairos.domain.model import Mode, OnExpire
from synckairos.domain.specification import GroupSpec, ParticipantSpec, SessionSpec
from testing.harness.builders import (
    ANN,
    BLUE,
    BOB,
    CLEO,
    DAN,
    EVE,
    GREEN,
    RED,
    ZOE,
    Game,
    countdown,
    one_of_each,
    participant,
    per_cycle,
    per_group,
    per_participant,
    started,
    stopwatch,
)

ELIMINATE: Final = OnExpire.ELIMINATE


def _turns(game: Game, count: int, start_ms: int = 1_000) -> list[str | None]:
    """Switch this many times, one second apart, and return whose turn it was each time."""
    turns = []
    for number in range(count):
        game.ok(start_ms + 1_000 * number, Switch())
        turns.append(game.active_id)
    return turns


def _three_groups() -> SessionSpec:
    """Describe RED with ANN and CLEO, BLUE with BOB, GREEN with DAN and EVE, every one with a bank of 60 s."""
    members = ((ANN, RED), (BOB, BLUE), (CLEO, RED), (DAN, GREEN), (EVE, GREEN))
    return per_group(
        participants=tuple(ParticipantSpec(name, group_id=group) for name, group in members),
        groups=tuple(GroupSpec(name, 60_000) for name in (RED, BLUE, GREEN)),
    )


@pytest.mark.parametrize(
    "spec",
    [per_participant(60_000, 60_000, 60_000), per_cycle(60_000, ANN, BOB, CLEO), countdown(60_000, ANN, BOB, CLEO),
     stopwatch(0, ANN, BOB, CLEO)],
    ids=lambda spec: spec.mode.name,
)  # fmt: skip
def test_turns_go_round_in_order(spec: SessionSpec) -> None:
    """Without groups the turns go round in order in every mode."""
    assert _turns(started(spec), 5) == [BOB, CLEO, ANN, BOB, CLEO]


def test_the_index_is_the_order() -> None:
    """The turns follow the indexes, not the list, and begin with the lowest."""
    listed = ((ANN, 30), (BOB, 10), (CLEO, 20))
    game = started(countdown(participants=tuple(ParticipantSpec(name, index) for name, index in listed)))

    assert (game.active_id, _turns(game, 4)) == (BOB, [CLEO, ANN, BOB, CLEO])


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_the_first_can_be_named(mode: Mode) -> None:
    """The named participant begins; the next one follows, or the next group."""
    game = Game(one_of_each()[mode]._replace(first_participant_id=BOB))

    assert game.session.first_participant_id == BOB
    game.ok(0, Start())

    assert (game.active_id, _turns(game, 1)) == (BOB, [ANN if mode is Mode.PER_GROUP else CLEO])


def test_groups_take_turns_in_their_order() -> None:
    """RED, BLUE, GREEN and again; in each group the members take turns."""
    game = started(_three_groups())

    assert (game.active_id, _turns(game, 8)) == (ANN, [BOB, DAN, CLEO, BOB, EVE, ANN, BOB, DAN])


def test_groups_follow_their_list_and_members_their_index() -> None:
    """The order of the groups is that of the list, also against the indexes of their members."""
    spec = _three_groups()
    listed = ((ANN, RED, 4), (CLEO, RED, 2), (BOB, BLUE, 0), (DAN, GREEN, 3), (EVE, GREEN, 1))
    members = tuple(ParticipantSpec(name, index, group_id=group) for name, group, index in listed)
    game = started(spec._replace(participants=members, first_participant_id=CLEO))

    assert _turns(game, 6) == [BOB, EVE, ANN, BOB, DAN, CLEO]


def test_the_first_of_all_may_be_of_any_group() -> None:
    """The lowest index begins; the groups go on from there."""
    spec = _three_groups()
    members = tuple(
        one._replace(participant_index=index) for index, one in zip((1, 0, 2, 3, 4), spec.participants, strict=True)
    )
    game = started(spec._replace(participants=members))

    assert (game.active_id, _turns(game, 4)) == (BOB, [DAN, ANN, BOB, EVE])


def test_a_group_remembers_its_last_member_over_others_turns() -> None:
    """A member called out of order is the one the group goes on from."""
    game = started(_three_groups())
    game.ok(1_000, Switch(next_participant_id=EVE))

    assert _turns(game, 4, 2_000) == [CLEO, BOB, DAN, ANN]


@pytest.mark.parametrize("named", [CLEO, ANN], ids=["another", "oneself"])
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_the_next_can_be_named(mode: Mode, named: str) -> None:
    """The turn goes to the named participant, even the active one, and is a turn like any other."""
    game = started(one_of_each()[mode])

    session = game.ok(1_000, Switch(next_participant_id=named))

    assert (game.active_id, participant(session, ANN).cycle_count, session.cycle_number) == (named, 1, 2)


@pytest.mark.parametrize(
    "spec",
    [per_participant(60_000), per_cycle(60_000, ANN), countdown(60_000, ANN), stopwatch(0, ANN)],
    ids=lambda spec: spec.mode.name,
)
def test_a_single_participant_follows_itself(spec: SessionSpec) -> None:
    """Alone, every switch is a completed turn and the next one is one's own."""
    game = started(spec)

    assert _turns(game, 3) == [ANN] * 3
    assert (participant(game.session, ANN).cycle_count, game.session.cycle_number) == (3, 4)


def test_the_eliminated_are_passed_over() -> None:
    """The eliminated have no more turns; the others keep their order."""
    game = started(per_participant(60_000, 5_000, 60_000, 60_000, on_expire=ELIMINATE))
    game.ok(1_000, Switch())
    game.ok(6_000)

    assert (game.active_id, _turns(game, 4, 7_000)) == (CLEO, [DAN, ANN, CLEO, DAN])


def test_eliminated_groups_are_passed_over() -> None:
    """An eliminated group has no turn any more."""
    game = started(_three_groups()._replace(on_expire=ELIMINATE))
    game.ok(60_000)

    assert (game.active_id, _turns(game, 4, 61_000)) == (BOB, [DAN, BOB, EVE, BOB])


def test_a_participant_in_overtime_is_not_passed_over() -> None:
    """NOTIFY leaves the rotation as it is."""
    game = started(per_participant(5_000, 60_000, on_expire=OnExpire.NOTIFY))

    assert _turns(game, 3, 6_000) == [BOB, ANN, BOB]


def test_the_removed_are_gone() -> None:
    """The rotation goes on without a removed participant, in a group as well."""
    game = started(_three_groups())
    game.ok(500, RemoveParticipant(EVE))

    assert _turns(game, 6) == [BOB, DAN, CLEO, BOB, DAN, ANN]


def test_a_new_member_comes_last_in_its_group() -> None:
    """The newcomer's turn comes after the other members'."""
    game = started(_three_groups())
    game.ok(500, AddParticipant(ParticipantSpec(ZOE, group_id=RED)))

    assert _turns(game, 9) == [BOB, DAN, CLEO, BOB, EVE, ZOE, BOB, DAN, ANN]


def test_the_first_to_join_an_empty_session_begins() -> None:
    """In a session that was empty the turn goes to the participant that joined first."""
    game = started(per_cycle(60_000))
    game.ok(500, *(AddParticipant(ParticipantSpec(name)) for name in (CLEO, ANN)))

    assert _turns(game, 3) == [CLEO, ANN, CLEO]


def test_a_session_without_participants_switches_cycles() -> None:
    """A switch without participants begins a new cycle with no active participant."""
    game = started(per_cycle(60_000))

    assert (_turns(game, 2), game.session.cycle_number) == ([None, None], 3)
