"""Drawing time controls of every family, within their limits, from strategies that are made once."""

from functools import cache

from hypothesis import strategies as st

from synckairos.domain.controls.time_control import MAX_STAGES, Stage, TimeControl
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
from synckairos.domain.model import MAX_BUDGET_MS
from testing.harness.playing.session_drawing import chance


@cache
def durations(least_ms: int = 0, most_ms: int = MAX_BUDGET_MS) -> st.SearchStrategy[int]:
    """Draw a duration in ms; short ones, whole seconds and the limits more often than others."""
    seconds = st.integers(-(-least_ms // 1_000), most_ms // 1_000).map(lambda count: count * 1_000)
    short = st.integers(least_ms, min(most_ms, least_ms + 120_000))
    return st.one_of(short, seconds, st.integers(least_ms, most_ms), st.sampled_from([least_ms, most_ms]))


@cache
def families(longest_ms: int = MAX_BUDGET_MS) -> st.SearchStrategy[Family]:
    """Draw a family but the hourglass, which stands alone."""
    any_ms, long_ms = durations(0, longest_ms), durations(1_000, longest_ms)
    return st.one_of(
        st.just(ABSOLUTE),
        st.builds(Fischer, any_ms, st.just(0) | long_ms, st.booleans()),
        st.builds(SimpleDelay, durations(1, longest_ms)),
        st.builds(Bronstein, durations(1, longest_ms)),
        st.builds(ByoYomi, st.integers(1, 1_000), long_ms, any_ms),
        st.builds(Canadian, st.integers(1, 10_000), long_ms),
        st.builds(PerTurn, long_ms),
        st.builds(Penalty, any_ms, long_ms, st.integers(0, 1_000_000), any_ms),
    )


FREE_TURNS = st.just(0) | st.integers(1, 1_000)


@cache
def _or_none(some_ms: st.SearchStrategy[int]) -> st.SearchStrategy[int]:
    return st.just(0) | some_ms


@st.composite
def time_controls(draw: st.DrawFn, max_stages: int = MAX_STAGES, longest_ms: int = MAX_BUDGET_MS) -> TimeControl:
    """Draw a control that a text can say; only what its stages leave to each other may be wrong with it."""
    free_turns = draw(FREE_TURNS)
    limits = _or_none(durations(100, longest_ms))
    around = (draw(limits), free_turns, draw(limits) if free_turns else 0)
    if chance(draw, 9):
        return TimeControl((Stage(draw(durations(1_000, longest_ms)), 0, Hourglass()),), *around)
    count = draw(st.integers(1, min(3, max_stages) if chance(draw, 2) else max_stages))
    any_family, base = families(longest_ms), durations(1_000, longest_ms)
    stages = []
    for place in range(count):
        family = draw(any_family)
        can_be_zero = family.budget(family.begin(0)) != 0
        base_ms = draw(_or_none(base) if can_be_zero else base)
        least = 0 if place == count - 1 else 1
        turns = draw(st.integers(least, 3 if chance(draw, 2) else 10_000))
        stages.append(Stage(base_ms, turns, family))
    return TimeControl(tuple(stages), *around)
