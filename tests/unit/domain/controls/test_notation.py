"""The notation of time controls: what is read, what is printed, and what is refused where."""

from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synckairos.domain.controls.notation import NotationError, NoTextError, parse, text_of
from synckairos.domain.controls.time_control import LagCompensation, Stage, TimeControl
from synckairos.domain.families import (
    ABSOLUTE,
    FAMILIES,
    Bronstein,
    ByoYomi,
    Canadian,
    Family,
    Fischer,
    Hourglass,
    Penalty,
    PerTurn,
    SimpleDelay,
)
from testing.harness.playing.control_drawing import time_controls


def one(base_ms: int, family: Family = ABSOLUTE, turns: int = 0) -> TimeControl:
    return TimeControl((Stage(base_ms, turns, family),))


CANONICAL: Final[dict[str, TimeControl]] = {
    "300": one(300_000),
    "0.001": one(1),
    "1.5": one(1_500),
    "40/5400": one(5_400_000, turns=40),
    "40/5400:1800": TimeControl((Stage(5_400_000, 40), Stage(1_800_000))),
    "180+2": one(180_000, Fischer(2_000)),
    "180+0": one(180_000, Fischer(0)),
    "180+2c60": one(180_000, Fischer(2_000, 60_000)),
    "180+2a": one(180_000, Fischer(2_000, before_turn=True)),
    "180+2ac60": one(180_000, Fischer(2_000, 60_000, before_turn=True)),
    "300d5": one(300_000, SimpleDelay(5_000)),
    "0d5": one(0, SimpleDelay(5_000)),
    "300b5": one(300_000, Bronstein(5_000)),
    "600|5x30": one(600_000, ByoYomi(5, 30_000)),
    "600|5x30+5": one(600_000, ByoYomi(5, 30_000, 5_000)),
    "0|1x30": one(0, ByoYomi(1, 30_000)),
    "600/20x300": one(600_000, Canadian(20, 300_000)),
    "40/600/20x300": one(600_000, Canadian(20, 300_000), turns=40),
    "t60": one(0, PerTurn(60_000)),
    "120t60": one(120_000, PerTurn(60_000)),
    "40/t60": one(0, PerTurn(60_000), turns=40),
    "*180": one(180_000, Hourglass()),
    "1500p10/60": one(1_500_000, Penalty(0, 60_000, 10)),
    "1500p10/60-600": one(1_500_000, Penalty(600_000, 60_000, 10)),
    "1500+5p0/60-600": one(1_500_000, Penalty(600_000, 60_000, 0, 5_000)),
    "40/1500p10/60-600": one(1_500_000, Penalty(600_000, 60_000, 10), turns=40),
    "300!30": one(300_000)._replace(turn_limit_ms=30_000),
    "300~2@30": one(300_000)._replace(free_turns=2, free_turn_limit_ms=30_000),
    "300~2": one(300_000)._replace(free_turns=2),
    "300!30~2@0.1": one(300_000)._replace(turn_limit_ms=30_000, free_turns=2, free_turn_limit_ms=100),
    "40/5400+30:20/3600:900|1x60!600~1@120": TimeControl(
        (
            Stage(5_400_000, 40, Fischer(30_000)),
            Stage(3_600_000, 20),
            Stage(900_000, 0, ByoYomi(1, 60_000)),
        ),
        turn_limit_ms=600_000,
        free_turns=1,
        free_turn_limit_ms=120_000,
    ),
}
"""Texts that are printed as they are read."""


@pytest.mark.parametrize(("text", "control"), CANONICAL.items(), ids=CANONICAL)
def test_canonical_texts_are_read_and_printed(text: str, control: TimeControl) -> None:
    """Every form of the grammar, in its canonical text."""
    assert parse(text) == control
    assert text_of(control) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("5m", "300"),
        ("1.5h", "5400"),
        ("90m+30s", "5400+30"),
        ("1500ms", "1.5"),
        ("250ms", "0.25"),
        ("1.050s", "1.05"),
        ("0.001h", "3.6"),
        ("007", "7"),
        ("3m+2sac1m", "180+2ac60"),
        ("10m|5x30s+5s", "600|5x30+5"),
        ("10m/20x5m", "600/20x300"),
        ("40/10m/20x5m", "40/600/20x300"),
        ("40/10m", "40/600"),
        ("0t60", "t60"),
        ("180+2c0", "180+2"),
        ("600|5x30+0", "600|5x30"),
        ("1500+0p10/1m-0", "1500p10/60"),
        ("300!0", "300"),
        ("300~2@0", "300~2"),
        ("300~2@30!1m", "300!60~2@30"),
    ],
)
def test_other_forms_have_one_canonical_text(text: str, canonical: str) -> None:
    """Units, zeros and the order of suffixes are free to write, and printed in one way."""
    assert text_of(parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 0, 'a time or "*" or "t"'),
        (" 300", 0, 'a time or "*" or "t"'),
        ("300 ", 3, 'the end of the text or "+" or "d" or "b" or "|" or "/" or "t" or "p" or "!" or "~"'),
        ("?", 0, "a time control, but `?` says that it is unknown"),
        ("-", 0, "a time control, but `-` says that there is none"),
        ("??", 0, 'a time or "*" or "t"'),
        ("-5", 0, 'a time or "*" or "t"'),
        ("٣", 0, 'a time or "*" or "t"'),
        ("1.", 2, "one to three decimals"),
        ("1.0000", 2, "one to three decimals"),
        ("1.5ms", 2, "whole milliseconds"),
        ("1d", 2, "a time"),
        ("1S", 1, 'the end of the text or "+" or "d" or "b" or "|" or "/" or "t" or "p" or "!" or "~"'),
        ("180+", 4, "a time"),
        ("180++2", 4, "a time"),
        ("180+2c", 6, "a time"),
        ("180+2ca", 6, "a time"),
        ("180+2c60a", 8, 'the end of the text or "!" or "~"'),
        ("180+2|5x30", 5, 'the end of the text or "p" or "a" or "c" or "!" or "~"'),
        ("300d", 4, "a time"),
        ("300b-5", 4, "a time"),
        ("600|x30", 4, "a whole number of at least 1"),
        ("600|0x30", 4, "a whole number of at least 1"),
        ("600|5", 5, '"x"'),
        ("600|5.5x30", 5, '"x"'),
        ("600|5x", 6, "a time"),
        ("600|5x30|3x10", 8, 'the end of the text or "+" or "!" or "~"'),
        ("10m/600", 7, '"x"'),
        ("600/20x", 7, "a time"),
        ("40/", 3, 'a time or "*" or "t"'),
        ("0/600", 0, "a whole number of at least 1"),
        ("40/40/600", 9, '"x"'),
        ("t", 1, "a time"),
        ("60tt60", 3, "a time"),
        ("*", 1, "a time"),
        ("180*", 3, 'the end of the text or "+" or "d" or "b" or "|" or "/" or "t" or "p" or "!" or "~"'),
        ("1500p/60", 5, "a whole number"),
        ("1500p10", 7, '"/"'),
        ("1500p10/60-", 11, "a time"),
        ("1500p10/60+5", 10, 'the end of the text or "-" or "!" or "~"'),
        ("300:600", 3, "the end of the text: a stage without a count of turns is the last"),
        ("40/300:600:60", 10, "the end of the text: a stage without a count of turns is the last"),
        ("40/300:", 7, 'a time or "*" or "t"'),
        ("40/300::60", 7, 'a time or "*" or "t"'),
        ("40/300!30:60", 9, 'the end of the text or "~"'),
        ("300!", 4, "a time"),
        ("300!30!20", 6, 'the end of the text or "~"'),
        ("300~0", 4, "a whole number of at least 1"),
        ("300~2~2", 5, 'the end of the text or "@" or "!"'),
        ("300~2@", 6, "a time"),
        ("300@30", 3, 'the end of the text or "+" or "d" or "b" or "|" or "/" or "t" or "p" or "!" or "~"'),
        ("1234567890123456", 0, "a number with at most 15 digits"),
        ("300|1234567890123456x1", 4, "a number with at most 15 digits"),
        ("9" * 10_000, 0, "a number with at most 15 digits"),
    ],
)
def test_errors_name_the_position_and_what_was_expected(text: str, position: int, expected: str) -> None:
    """A wrong text is refused where it begins to be wrong."""
    with pytest.raises(NotationError) as caught:
        parse(text)

    assert (caught.value.position, caught.value.expected) == (position, expected)
    assert str(caught.value) == f"at position {position}: expected {expected}"


def test_every_family_has_a_text() -> None:
    """A new one needs its rows above."""
    assert {type(stage.family) for control in CANONICAL.values() for stage in control.stages} == set(FAMILIES)


def test_lag_compensation_has_no_text() -> None:
    """Printing it would lose it."""
    with pytest.raises(NoTextError, match="lag compensation has no text"):
        text_of(one(300_000)._replace(lag_compensation=LagCompensation(1_000)))


@given(time_controls())
def test_what_is_printed_reads_the_same(control: TimeControl) -> None:
    """parse(print(x)) == x for every family, stage and suffix."""
    assert parse(text_of(control)) == control


@given(st.text(alphabet="0123456789.:/+-|!~@*?abcdhmpstx ", max_size=40) | st.text(max_size=40))
@example("40/600/20x300")
@example("1/1/1x1:1/1x1~1@1ms!1h")
@settings(max_examples=max(2_000, settings().max_examples))
def test_no_text_crashes_or_prints_differently_than_it_reads(text: str) -> None:
    """Any text is refused at one of its positions, or has a canonical text that reads as the same control."""
    try:
        control = parse(text)
    except NotationError as error:
        position = error.position
    else:
        position = 0
        assert parse(text_of(control)) == control
    assert 0 <= position <= len(text)
