"""Time controls and clocks that stand in them, of any shape that what is stored must carry."""

from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from synckairos.domain.controls.time_control import LagCompensation, Progress, Settled, Stage, TimeControl
from synckairos.domain.families import (
    ABSOLUTE,
    Bronstein,
    ByoYomi,
    Canadian,
    Fischer,
    Hourglass,
    Penalty,
    PerTurn,
    SimpleDelay,
)
from synckairos.domain.families.family import Family
from synckairos.domain.model import MAX_BUDGET_MS, Clock
from testing.harness.playing.session_drawing import chance, pick

maybe_none: Final = st.one_of(st.just(0), st.integers(1_000, MAX_BUDGET_MS))
some: Final = st.integers(1_000, MAX_BUDGET_MS)
increments: Final = st.integers(0, 100_000)
banks: Final = st.integers(-(2**40), 2**40)

families: Final[SearchStrategy[Family]] = st.one_of(
    st.just(ABSOLUTE),
    st.builds(Fischer, increments, maybe_none, st.booleans()),
    st.builds(SimpleDelay, st.integers(1, 100_000)),
    st.builds(Bronstein, st.integers(1, 100_000)),
    st.builds(ByoYomi, st.integers(1, 1_000), some, increments),
    st.builds(Canadian, st.integers(1, 10_000), some),
    st.builds(PerTurn, some),
)
penalties: Final = st.builds(Penalty, maybe_none, some, st.integers(0, 1_000_000), increments)
lags: Final = st.builds(LagCompensation, increments, increments, increments, increments)
_maybe_lags: Final = st.none() | lags


_staged: Final = st.lists(st.tuples(some, st.integers(1, 10_000), families), min_size=1, max_size=3)
_limits: Final = st.one_of(st.just(0), st.integers(100, MAX_BUDGET_MS))


@st.composite
def _controls(draw: DrawFn) -> TimeControl:
    """Draw a control of a few stages, or of as many as there can be."""
    stages = [Stage(*one) for one in draw(_staged)] * pick(draw, (1, 1, 5))
    stages[-1] = stages[-1]._replace(turns=pick(draw, (0, 40)))
    if len(stages) == 1 and chance(draw, 2):
        # In debt to the stage before, a later stage could begin without time.
        stages[0] = stages[0]._replace(family=draw(penalties))
    free_turns = draw(st.integers(0, 1_000))
    free_limit = draw(_limits) if free_turns else 0
    return TimeControl(tuple(stages), draw(_limits), free_turns, free_limit, draw(_maybe_lags))


hourglasses: Final = st.builds(lambda base: TimeControl((Stage(base, 0, Hourglass()),)), some)
controls: Final = st.one_of(hourglasses, _controls())
turns: Final = st.builds(
    Settled, st.integers(0, 2**40), banks, st.integers(0, 60_000), st.integers(0, 1_000), st.integers(0, 15)
)


_amounts, _counts = st.integers(0, 2**40), st.integers(0, 10_000)
_standing: Final = st.tuples(
    st.integers(0, 15),
    _counts,
    _counts,
    st.integers(0, 1_000),
    banks,
    _amounts,
    _counts,
    _amounts,
    _amounts,
    st.integers(0, 1_000),
)
_clocks: Final = st.builds(Clock, _amounts, banks, _amounts, _amounts, st.booleans(), st.booleans(), st.none())


def clock_of(draw: DrawFn, controls: list[TimeControl]) -> Clock:
    """Draw a clock with one of these controls."""
    control = pick(draw, controls)
    progress = Progress(control, *draw(_standing))
    return draw(_clocks)._replace(progress=progress._replace(stage=progress.stage % len(control.stages)))
