"""Time controls in words."""

from typing import Final

import pytest
from hypothesis import given

from synckairos.domain.controls.description import description
from synckairos.domain.controls.notation import parse
from synckairos.domain.controls.time_control import LagCompensation, TimeControl
from synckairos.domain.families.words import in_words
from testing.harness.playing.control_drawing import time_controls

WHOLE: Final = "a turn that ends within a period gets it back whole."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("300", "5 minutes."),
        ("180+2", "3 minutes, and 2 seconds more after every turn."),
        ("180+2a", "3 minutes, and 2 seconds more before every turn."),
        ("180+2c60", "3 minutes, and 2 seconds more after every turn, up to 1 minute on the clock."),
        ("180+0", "3 minutes."),
        ("300d5", "5 minutes; in every turn the clock waits 5 seconds before it runs."),
        ("0d5", "No main time; in every turn the clock waits 5 seconds before it runs."),
        ("300b5", "5 minutes; every turn gets back what it took, up to 5 seconds."),
        ("600|5x30", f"10 minutes, then 5 periods of 30 seconds: {WHOLE}"),
        (
            "600|1x30+5",
            f"10 minutes, with 5 seconds more after every turn that ends in it, then 1 period of 30 seconds: {WHOLE}",
        ),
        ("600/20x300", "10 minutes, then 5 minutes for every 20 turns."),
        ("0/1x300", "No main time, then 5 minutes for every turn."),
        ("t60", "1 minute for every turn."),
        ("120t60", "1 minute for every turn; a longer turn takes from a reserve of 2 minutes."),
        ("*180", "3 minutes; what a turn takes flows to the others."),
        ("1500p10/60", "25 minutes; below zero, 10 points for each begun minute."),
        (
            "1500+5p1/30-600",
            (
                "25 minutes, and 5 seconds more after every turn; below zero, 1 point for each begun 30 seconds, "
                "and 10 minutes below zero the time is over."
            ),
        ),
        ("40/5400", "40 turns: 1 hour 30 minutes. It repeats: every 40 turns add 1 hour 30 minutes."),
        (
            "40/5400+30:20/0:1/60",
            (
                "40 turns: 1 hour 30 minutes, and 30 seconds more after every turn. Then 20 turns: what is left. "
                "Then 1 turn: what is left and 1 minute more. The last stage repeats: every turn adds 1 minute."
            ),
        ),
        (
            "40/5400:1800|1x60",
            (
                "40 turns: 1 hour 30 minutes. "
                f"Then all the rest: what is left and 30 minutes more, then 1 period of 1 minute: {WHOLE}"
            ),
        ),
        (
            "300!30~2@60",
            (
                "5 minutes. No turn may last 30 seconds. "
                "The first 2 turns cost nothing, and none of them may last 1 minute."
            ),
        ),
        ("300~1", "5 minutes. The first turn costs nothing."),
        ("300~1@90", "5 minutes. The first turn costs nothing, and may not last 1 minute 30 seconds."),
    ],
)
def test_descriptions(text: str, words: str) -> None:
    """Each family and each thing around it, in the words that people read."""
    assert description(parse(text)) == words


def test_lag_compensation_is_described() -> None:
    """It has words, though no text."""
    control = parse("300")._replace(lag_compensation=LagCompensation(1_000, 100, 3_000, 500))

    assert description(control) == (
        "5 minutes. Network lag is given back from a quota of 1 second, which gains 100 milliseconds with every turn, "
        "up to 3 seconds; no turn gets more than 500 milliseconds."
    )


@pytest.mark.parametrize(
    ("duration_ms", "words"),
    [
        (0, "0 seconds"),
        (1, "1 millisecond"),
        (999, "999 milliseconds"),
        (1_000, "1 second"),
        (1_001, "1.001 seconds"),
        (61_500, "1 minute 1.5 seconds"),
        (90_061_000, "1 day 1 hour 1 minute 1 second"),
        (28 * 86_400_000, "28 days"),
    ],
)
def test_durations(duration_ms: int, words: str) -> None:
    """Exact to the millisecond."""
    assert in_words(duration_ms) == words


@given(time_controls())
def test_every_control_has_a_description(control: TimeControl) -> None:
    """In whole sentences, whatever it is made of."""
    told = description(control)

    assert told.endswith(".")
    assert told[0].isupper() or told[0].isdigit()
