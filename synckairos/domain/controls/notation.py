"""The text of a time control, such as `40/5400:600|5x30!60`: a superset of PGN's TimeControl tag.

    control = stage *(":" stage) *suffix            the last stage repeats; one without a count stands last only
    stage   = [count "/"] clock
    clock   = time                                  absolute
            | time "+" time ["a"] ["c" time]        Fischer; a: granted before the turn, c: cap
            | time "d" time | time "b" time         simple delay, Bronstein
            | time "|" count "x" time ["+" time]    byo-yomi, with an increment in main time
            | time "/" count "x" time               Canadian
            | [time] "t" time                       per turn, with a reserve
            | "*" time                              hourglass
            | time ["+" time] "p" count "/" time ["-" time]     penalty
    suffix  = "!" time | "~" count ["@" time]       limit of turns; free turns and their limit
    time    = digits ["." 1*3digits] ["ms" | "s" | "m" | "h"]

`A/B` followed by `x` is Canadian, else A is the count of a stage. The limits of the numbers are in `limits`.
"""

import re
from collections.abc import Callable
from typing import Final

from synckairos.domain.controls.time_control import Stage, TimeControl
from synckairos.domain.families import (
    ABSOLUTE,
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

MAX_TEXT_BYTES: Final = 256
"""The longest text that is taken from a caller; a canonical text may be longer, and reads the same."""

MAX_DIGITS: Final = 15

_UNITS_MS: Final = {"": 1_000, "ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_NUMBER: Final = re.compile(r"([0-9]+)(?:\.([0-9]*))?(ms|s|m|h)?")
_STAGE_COUNT: Final = re.compile(r"[0-9]+/(?![0-9]+x)")
_DIGITS: Final = re.compile(r"[0-9]+")
_WITHOUT_CONTROL: Final = {"?": "that it is unknown", "-": "that there is none"}


class NotationError(ValueError):
    """A text is not that of a time control: `position` is counted in characters from 0."""

    def __init__(self, position: int, expected: str) -> None:
        super().__init__(f"at position {position}: expected {expected}")
        self.position = position
        self.expected = expected


class NoTextError(ValueError):
    """A time control has something that no text can say: its lag compensation."""


def parse(text: str) -> TimeControl:
    """Return the time control that a text describes, whose numbers may still be outside their limits.

    Raises NotationError, also for `?` and `-`, which PGN has for games without a known time control.
    """
    if text in _WITHOUT_CONTROL:
        raise NotationError(0, f"a time control, but `{text}` says {_WITHOUT_CONTROL[text]}")
    return _Reader(text).control()


def time_of(text: str) -> int:
    """Return the duration, in ms, that a text describes, such as `1.5m`; raises NotationError."""
    return _Reader(text).only_time()


class _Reader:
    """A text, the position up to which it has been read, and the marks that could have stood there."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._tried: list[str] = []

    def control(self) -> TimeControl:
        stages = [self._stage()]
        while stages[-1].turns and self._takes(":"):
            stages.append(self._stage())
        if self._text.startswith(":", self._at):
            raise NotationError(self._at, "the end of the text: a stage without a count of turns is the last")
        return self._with_suffixes(TimeControl(tuple(stages)))

    def _with_suffixes(self, control: TimeControl) -> TimeControl:
        left = {"!", "~"}
        while self._at < len(self._text):
            if "!" in left and self._takes("!"):
                left.remove("!")
                control = control._replace(turn_limit_ms=self._time())
            elif "~" in left and self._takes("~"):
                left.remove("~")
                control = control._replace(free_turns=self._count())
                control = control._replace(free_turn_limit_ms=self._time() if self._takes("@") else 0)
            else:
                raise self._error("the end of the text")
        return control

    def only_time(self) -> int:
        duration_ms = self._time()
        if self._at < len(self._text):
            raise self._error("the end of the text")
        return duration_ms

    def _stage(self) -> Stage:
        turns = 0
        if _STAGE_COUNT.match(self._text, self._at):
            turns = self._count()
            self._takes("/")
        base_ms, family = self._clock()
        return Stage(base_ms, turns, family)

    def _clock(self) -> tuple[int, Family]:
        if self._takes("*"):
            return self._time(), Hourglass()
        if self._takes("t"):
            return 0, PerTurn(self._time())
        base_ms = self._time()
        for mark, rest in self._rests().items():
            if self._takes(mark):
                return base_ms, rest()
        return base_ms, ABSOLUTE

    def _rests(self) -> dict[str, Callable[[], Family]]:
        """Return how a clock goes on after its time, by the next character."""
        return {
            "+": self._increment,
            "d": lambda: SimpleDelay(self._time()),
            "b": lambda: Bronstein(self._time()),
            "|": self._byo_yomi,
            "/": lambda: Canadian(*self._times()),
            "t": lambda: PerTurn(self._time()),
            "p": lambda: self._penalty(0),
        }

    def _increment(self) -> Family:
        increment_ms = self._time()
        if self._takes("p"):
            return self._penalty(increment_ms)
        before_turn = self._takes("a")
        return Fischer(increment_ms, self._time() if self._takes("c") else 0, before_turn)

    def _byo_yomi(self) -> Family:
        periods, period_ms = self._times()
        return ByoYomi(periods, period_ms, self._time() if self._takes("+") else 0)

    def _times(self) -> tuple[int, int]:
        count = self._count()
        self._must_take("x")
        return count, self._time()

    def _penalty(self, increment_ms: int) -> Family:
        points = self._count(least=0)
        self._must_take("/")
        unit_ms = self._time()
        return Penalty(self._time() if self._takes("-") else 0, unit_ms, points, increment_ms)

    def _takes(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            self._tried.append(f'"{mark}"')
            return False
        self._move_to(self._at + len(mark))
        return True

    def _must_take(self, mark: str) -> None:
        if not self._takes(mark):
            raise self._error()

    def _count(self, least: int = 1) -> int:
        found = _DIGITS.match(self._text, self._at)
        if found is None or int(self._bounded(found[0])) < least:
            raise self._error("a whole number of at least 1" if least else "a whole number")
        self._move_to(found.end())
        return int(found[0])

    def _time(self) -> int:
        found = _NUMBER.match(self._text, self._at)
        if found is None:
            raise self._error("a time")
        whole, fraction, unit = self._bounded(found[1]), found[2], _UNITS_MS[found[3] or ""]
        if fraction is not None and not 1 <= len(fraction) <= 3:
            raise NotationError(found.start(2), "one to three decimals")
        part, left = divmod(int((fraction or "0").ljust(3, "0")) * unit, 1_000)
        if left:
            raise NotationError(found.start(2), "whole milliseconds")
        self._move_to(found.end())
        return int(whole) * unit + part

    def _bounded(self, digits: str) -> str:
        if len(digits) > MAX_DIGITS:
            raise NotationError(self._at, f"a number with at most {MAX_DIGITS} digits")
        return digits

    def _move_to(self, position: int) -> None:
        self._at = position
        self._tried.clear()

    def _error(self, *expected: str) -> NotationError:
        return NotationError(self._at, " or ".join([*expected, *self._tried]))


def text_of(control: TimeControl) -> str:
    """Return the canonical text of a time control within its limits, which reads as the same control.

    Raises NoTextError for a control with lag compensation.
    """
    if control.lag_compensation is not None:
        raise NoTextError("lag compensation has no text")
    text = ":".join(map(_stage_text, control.stages))
    if control.turn_limit_ms:
        text += f"!{_seconds(control.turn_limit_ms)}"
    if control.free_turns:
        text += f"~{control.free_turns}{_optional('@', control.free_turn_limit_ms)}"
    return text


def _stage_text(stage: Stage) -> str:
    count = f"{stage.turns}/" if stage.turns else ""
    return count + _clock_text(_seconds(stage.base_ms), stage.family)


def _clock_text(base: str, family: Family) -> str:
    match family:
        case Fischer(increment_ms, cap_ms, before_turn):
            return f"{base}+{_seconds(increment_ms)}{'a' if before_turn else ''}{_optional('c', cap_ms)}"
        case SimpleDelay(delay_ms):
            return f"{base}d{_seconds(delay_ms)}"
        case Bronstein(delay_ms):
            return f"{base}b{_seconds(delay_ms)}"
        case ByoYomi(periods, period_ms, increment_ms):
            return f"{base}|{periods}x{_seconds(period_ms)}{_optional('+', increment_ms)}"
        case Canadian(turns, period_ms):
            return f"{base}/{turns}x{_seconds(period_ms)}"
        case PerTurn(turn_ms):
            return f"{'' if base == '0' else base}t{_seconds(turn_ms)}"
        case Hourglass():
            return f"*{base}"
        case Penalty(limit_ms, unit_ms, points, increment_ms):
            loss = f"p{points}/{_seconds(unit_ms)}{_optional('-', limit_ms)}"
            return f"{base}{_optional('+', increment_ms)}{loss}"
        case _:
            return base


def _optional(mark: str, duration_ms: int) -> str:
    return f"{mark}{_seconds(duration_ms)}" if duration_ms else ""


def _seconds(duration_ms: int) -> str:
    whole, rest = divmod(duration_ms, 1_000)
    return f"{whole}.{rest:03}".rstrip("0") if rest else str(whole)
