"""`synckairos tc`: words, tables, JSON and pictures of time controls, without any server."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from typer.testing import CliRunner, Result

from synckairos.cli.app import app
from synckairos.cli.clock_faces import face
from synckairos.cli.timeline import COLOURS, timeline
from synckairos.domain.controls.limits import control_violations
from synckairos.domain.controls.notation import text_of
from synckairos.domain.controls.simulation import TurnPlan, play
from synckairos.domain.controls.time_control import Stage, TimeControl
from synckairos.domain.families import Penalty
from synckairos.domain.families.family import PhaseKind
from testing.harness.playing.control_drawing import time_controls

SVG = "{http://www.w3.org/2000/svg}"


def tc(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tc", *arguments])


def printed(*arguments: str) -> list[str]:
    result = tc(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def refused(*arguments: str) -> str:
    result = tc(*arguments)
    assert result.exit_code == 1, result.output
    return result.stderr


def test_a_control_is_explained() -> None:
    """Its canonical text, words, and what turns of instructive lengths do."""
    assert printed("explain", "10m|5x30s") == [
        "600|5x30",
        "10 minutes, then 5 periods of 30 seconds: a turn that ends within a period gets it back whole.",
        "",
        "A first turn from 10:00 + 5 x 0:30",
        "of          is in                                and leaves",
        "5:00        main                                 5:00 + 5 x 0:30",
        "10:00       main, period 5                       5 x 0:30",
        "10:30       main, period 5, period 4             4 x 0:30",
        "11:00       main, period 5, period 4, period 3   3 x 0:30",
        "12:29.999   main, ..., period 2, period 1        1 x 0:30",
        "12:30       main, ..., period 1, flag            flag",
    ]


@pytest.mark.parametrize(
    ("control", "lines"),
    [
        ("180+2", ["0:02       main         3:00", "2:59.999   main         0:02.001", "3:00       main, flag   flag"]),
        ("60+5c60", ["0:02.5     main         1:00"]),
        ("300d5", ["0:05       delay, main         5:00", "5:05       delay, main, flag   flag"]),
        ("300b5", ["0:02.5     main         5:00", "4:59.999   main         0:05.001"]),
        ("600/20x300", ["10:00       main, period         19 turns in 5:00"]),
        ("120t60", ["1:00       period, reserve         2:00 + 1:00 a turn"]),
        ("t60", ["0:30       period         1:00 a turn"]),
        ("*60", ["0:30       main         0:30, and 1:30 to the other of two"]),
        ("1500p10/60-600", ["26:00.001   main, penalty         -1:00.001 + 20 points"]),
        ("1500p10/60", ["25:00.001   main, penalty   -0:00.001 + 10 points"]),
        ("300!30", ["0:29.999   main         4:30.001", "0:30       main, flag   flag"]),
        (
            "40/5400:1800|1x60",
            [
                "Stage 1, by itself: a first turn from 1:30:00",
                "Stage 2, by itself: a first turn from 30:00 + 1 x 1:00",
                "30:59.999   main, period 1         1 x 1:00",
            ],
        ),
    ],
)
def test_every_family_is_worked_out(control: str, lines: list[str]) -> None:
    """With the numbers of the golden vectors."""
    assert [line for line in printed("explain", control) if line in lines] == lines


@example(TimeControl((Stage(0, family=Penalty(limit_ms=0, unit_ms=1_000, points=0)),)))
@given(time_controls(max_stages=3))
@settings(max_examples=60)
def test_any_control_can_be_explained(control: TimeControl) -> None:
    """Whatever it is made of."""
    if not any(control_violations("", control)):
        assert printed("explain", text_of(control))[0] == text_of(control)


def test_a_wrong_text_is_pointed_at() -> None:
    """Under the character that was not expected, also behind some that a terminal must not be sent."""
    assert refused("explain", "600|5y30") == 'synckairos: at position 5: expected "x"\n  600|5y30\n       ^\n'
    assert refused("explain", "\x1b[31m").splitlines()[1:] == ["  \\x1b[31m", "  ^"]
    assert refused("explain", "300\x1b").splitlines()[1:] == ["  300\\x1b", "     ^"]


def test_a_control_outside_its_limits_is_refused() -> None:
    """Every wrong number by its path."""
    assert refused("explain", "0.5|1x0.5") == (
        "synckairos: 0.5|1x0.5 is outside the limits:\n"
        "stages[0].base_ms must be between 1000 and 2419200000, is 500\n"
        "stages[0].byo_yomi.period_ms must be between 1000 and 2419200000, is 500\n"
    )


def test_turns_are_played() -> None:
    """Up to a flag, with every clock after each turn."""
    assert printed("simulate", "10|2x30", "15", "9.999", "75") == [
        "turn   of         is in                      holder 1   holder 2",
        "1      0:15       main, period 2             2 x 0:30   0:10 + 2 x 0:30",
        "2      0:09.999   main                       2 x 0:30   0:00.001 + 2 x 0:30",
        "3      1:00       period 2, period 1, flag   flag       0:00.001 + 2 x 0:30",
    ]


def test_holders_may_have_odds() -> None:
    """A control each."""
    lines = printed("simulate", "60", "--odds", "30+1", "--odds", "t10", "5", "5", "5")

    assert lines[0].split() == ["turn", "of", "is", "in", "holder", "1", "holder", "2", "holder", "3"]
    assert lines[3].split() == ["3", "0:05", "period", "0:55", "0:26", "0:10", "a", "turn"]


def test_the_reply_of_the_service_is_printed() -> None:
    """With --json, to the letter."""
    reply = json.loads("\n".join(printed("simulate", "10", "4@1+60", "20", "--json")))

    assert [turn["spent_ms"] for turn in reply["turns"]] == ["4000", "10000"]
    assert reply["turns"][1]["phases_passed"][0]["starts_at"] == "1970-01-01T00:01:04Z"
    assert reply["flagged_holder"] == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["60", "5x"], "5x is no turn: at position 1: expected the end of the text"),
        (["60", ""], " is no turn: at position 0: expected a time"),
        (["60", "5@3"], "5@3 is no turn: a pause is @ its start + its length, as in 90@30+600"),
        (["60", "5@3+x"], "5@3+x is no turn: at position 0: expected a time"),
        (["60", "5@6+1"], "turns[0].pauses[0].start_ms: must be between 0 and 5000, is 6000"),
        (["*60", "5", "--holders", "1"], "holders: an hourglass needs at least two holders"),
        (["*60", "--odds", "60", "5"], "time_controls[1]: hourglass is the family of every holder or of none"),
        (["60", "--odds", "60", "--holders", "3", "5"], "time_controls: has 2 entries for 3 holders"),
    ],
)
def test_what_cannot_be_played_is_refused(arguments: list[str], problem: str) -> None:
    """As the service refuses it."""
    assert refused("simulate", *arguments) == f"synckairos: {problem}\n"


def test_a_picture_shows_turns_phases_pauses_and_flags(tmp_path: Path) -> None:
    """A bar a holder: each phase where it was, by its name and colour."""
    assert printed("simulate", "10|2x30", "15@5+60", "100", "--svg", str(tmp_path / "clock.svg")) == []
    picture = ET.parse(tmp_path / "clock.svg").getroot()

    bars = [(bar.findtext(f"{SVG}title"), bar.get("fill")) for bar in picture.iter(f"{SVG}rect")]
    blue, green = COLOURS[PhaseKind.MAIN], COLOURS[PhaseKind.PERIOD]
    assert [bar for bar in bars if bar[0]] == [
        (f"{blue[1]}, from 0:10", blue[0]),
        (f"{green[1]}, from 0:30", green[0]),
        ("pause", "#d0d7de"),
        (f"{blue[1]}, from 0:10", blue[0]),
        (f"{green[1]}, from 0:30", green[0]),
        (f"{green[1]}, from 0:30", green[0]),
    ]
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert texts[0] == "10|2x30"
    assert {"holder 1", "holder 2", "2 x 0:30", "flag", "pause"} <= set(texts)


def test_a_picture_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Like any other failure."""
    assert "No such file or directory" in refused("simulate", "60", "5", "--svg", str(tmp_path / "no" / "clock.svg"))


def test_texts_in_pictures_are_escaped() -> None:
    """A name is a name, whatever it is made of."""
    plans = [TurnPlan(5_000)]
    turns = list(play([TimeControl((Stage(60_000),))] * 2, plans))
    picture = ET.fromstring(timeline("<a> & b", ["<b>", "c & d"], plans, turns))

    assert next(text.text for text in picture.iter(f"{SVG}text")) == "<a> & b"
    assert picture.findtext(f"{SVG}title") == "<a> & b"


@given(time_controls(max_stages=2))
@settings(max_examples=40)
def test_any_control_can_be_drawn(control: TimeControl) -> None:
    """As well-formed XML, however short or long its turns."""
    if any(control_violations("", control)):
        return
    plans = [TurnPlan(0), TurnPlan(1), TurnPlan(1_000), TurnPlan(90_000_000)]
    picture = ET.fromstring(timeline("any", ["a", "b"], plans, list(play([control] * 2, plans))))

    assert picture.tag == f"{SVG}svg"


@pytest.mark.parametrize(
    ("ms", "shown"),
    [(0, "0:00"), (1, "0:00.001"), (61_500, "1:01.5"), (3_600_000, "1:00:00"), (-60_001, "-1:00.001")],
)
def test_faces(ms: int, shown: str) -> None:
    """To the millisecond, without needless zeros."""
    assert face(ms) == shown
