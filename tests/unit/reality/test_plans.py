"""What is played follows from the record and one named convention; what fits none is left out, with the reason."""

import pytest

from testing.reality.books import Shown, Standing
from testing.reality.examples import write_examples
from testing.reality.plans import Plan, plan_of
from testing.reality.readers import read_folder
from testing.reality.records import Game, LeftOut, Move


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan | LeftOut]:
    """The examples as they are played, by source and number."""
    folder = tmp_path_factory.mktemp("examples")
    write_examples(folder)
    games = [record for record in read_folder(folder) if isinstance(record, Game)]
    return {f"{game.source} {game.number}": plan_of(game) for game in games}


def planned(plans: dict[str, Plan | LeftOut], name: str) -> Plan:
    """Return a plan that there must be."""
    plan = plans[name]
    assert isinstance(plan, Plan), plan
    return plan


@pytest.mark.parametrize(
    ("name", "shown", "spent"),
    [
        ("lichess.pgn 0", Shown.AT_ONCE, [1, 2_500, 4_000, 1_000, 0]),
        ("engines.pgn 0", Shown.AT_ONCE, [1_500, 250, 59_499, 0, 1_000]),
        ("board.pgn 0", Shown.LATE, [10_000, 1_000, 20_000, 58_000, 5_000, 29_000, 15_000, 0]),
        ("board.pgn 1", Shown.AT_ONCE, [10_000, 1_000, 20_000, 58_000, 59_000]),
        ("board.pgn 2", Shown.AT_ONCE, [5_000, 14_000, 6_000, 0]),
        ("kgs.sgf 0", Shown.AT_ONCE, [9_500, 59_750, 60_499, 10_250, 10_001]),
        ("canadian.sgf 0", Shown.AT_ONCE, [6_000, 1_000, 6_000, 1_000, 1, 1_000, 1_000]),
        ("igs.sgf 0", Shown.LATE, [4_000, 59_000, 54_000, 2_000, 4_000, 14_000, 8_000, 14_000, 15_000, 0, 1_000]),
        ("fischer.sgf 0", Shown.AT_ONCE, [9_877, 0, 1]),
    ],
)
def test_turns_take_what_the_record_says(
    plans: dict[str, Plan | LeftOut], name: str, shown: Shown, spent: list[int]
) -> None:
    """Where it is silent, within a period or a free turn, something is drawn that the record allows."""
    plan = planned(plans, name)

    assert (plan.shown, [turn.spent_ms for turn in plan.turns]) == (shown, spent)


def test_a_clock_has_what_the_record_does_not_show_yet(plans: dict[str, Plan | LeftOut]) -> None:
    """A bonus and an increment that show a move late are there at once."""
    turns = planned(plans, "board.pgn 0").turns

    assert [(turn.standing.bank_ms, turn.hidden_ms) for turn in turns[::2]] == [
        (50_000, 0),
        (60_000, 30_000),
        (65_000, 10_000),
        (60_000, 10_000),
    ]
    assert turns[-1].risen_ms == 1_000


def test_the_parts_of_an_overtime(plans: dict[str, Plan | LeftOut]) -> None:
    """Periods are burnt, blocks are counted down and come back whole."""
    assert planned(plans, "kgs.sgf 0").turns[-1].standing == Standing(0, 10_000, 1, 10_000)
    blocks = [turn.standing for turn in planned(plans, "canadian.sgf 0").turns[::2]]
    assert blocks == [
        Standing(4_000, 24_000, None, 20_000, 2),
        Standing(0, 18_000, None, 18_000, 1),
        Standing(0, 20_000, None, 20_000, 2),
        Standing(0, 19_000, None, 19_000, 1),
    ]


def game(control: str, *moves: Move, unit_ms: int = 1, flagged: int | None = None) -> Game:
    """Return a record."""
    return Game("hand", 0, control, unit_ms, moves, flagged)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (game("60"), "it has no moves"),
        (game("60", Move(0, 1, 59_999), Move(0, 1, 59_998)), "the players do not take turns"),
        (game("60", Move(2, 1, 59_999)), "it is no game of two"),
        (game("60", Move(0, 1, 59_999), flagged=0), "the player who ran out of time was not to move"),
        (game("60", Move(0, 1, 59_999))._replace(is_complete=False), "some of its moves are missing"),
        (game("?", Move(0, 1, 59_999)), "its control ? is not understood: at position 0"),
        (game("60", Move(0, None, None)), "turn 1 tells neither the time it took nor the time left"),
        (game("60", Move(0, 2, 59_999)), "turn 1 takes 2 ms, by its clock 1 ms"),
        (game("60", Move(0, 1_000, 57_000), unit_ms=1_000), "turn 1 takes 1000 ms, by its clock 3000 ms"),
        (game("60", Move(0, None, 60_001)), "turn 1 leaves 60001 ms, which is 1 ms more than there was"),
        (game("60", Move(0, None, 62_000), unit_ms=1_000), "turn 1 leaves 62000 ms, which is 2000 ms more"),
        (game("60", Move(0, 60_000, 0)), "turn 1 takes 60000 ms of 60000 ms"),
        (game("60|3x30", Move(0, None, 30_000, 4)), "turn 1 leaves 30000 ms"),
        (game("1/5x30", Move(0, None, 29_000, 3)), "turn 1 leaves 3 of the overtime, by the control 4"),
        (game("*60", Move(0, 1, 59_999)), "records under hourglass as it stands here are not modelled"),
        (game("60+5c90", Move(0, 1, 59_999)), "records under fischer as it stands here are not modelled"),
        (game("60!30", Move(0, 1, 59_999)), "limits of turns are not modelled"),
    ],
)
def test_what_fits_no_convention_is_left_out(record: Game, reason: str) -> None:
    """A record that contradicts its own control is never bent to it."""
    found = plan_of(record)

    assert isinstance(found, LeftOut), found
    assert reason in found.reason


def test_periods_of_another_length_are_not_what_is_left_of_them() -> None:
    """A record whose every period stands at 10 s has periods of 10 s, whatever its control says."""
    moves = [Move(place % 2, None, 10_000, 1) for place in range(6)]

    assert isinstance(plan_of(game("1|3x30", *moves)), LeftOut)
    assert isinstance(plan_of(game("1|3x30", *moves[:5], Move(1, None, 9_000, 1))), Plan)
