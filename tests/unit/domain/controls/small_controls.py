"""Random time controls. The small ones are a few ms long, so that every millisecond of their turns can be looked at."""

from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from synckairos.domain.controls.time_control import LagCompensation, Stage, TimeControl
from synckairos.domain.families import ABSOLUTE
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.canadian import Canadian
from synckairos.domain.families.delays import Bronstein, SimpleDelay
from synckairos.domain.families.fischer import Fischer
from synckairos.domain.families.parts import Family
from synckairos.domain.families.penalty import Penalty
from synckairos.domain.families.per_turn import PerTurn


def families(scale: int) -> SearchStrategy[Family]:
    """Draw a family with times of a few times `scale` ms; none that flows to others."""
    some, any_ = st.integers(1, 5).map(lambda n: n * scale), st.integers(0, 5).map(lambda n: n * scale)
    return st.one_of(
        st.just(ABSOLUTE),
        st.builds(Fischer, any_, any_, st.booleans()),
        st.builds(SimpleDelay, some),
        st.builds(Bronstein, some),
        st.builds(ByoYomi, st.integers(1, 4), some, any_),
        st.builds(Canadian, st.integers(1, 3), some),
        st.builds(PerTurn, some),
        st.builds(Penalty, any_, some, st.integers(0, 9), any_),
    )


NEEDS_MAIN_TIME: Final = frozenset({"absolute", "fischer", "bronstein", "hourglass"})


@st.composite
def stages(draw: DrawFn, scale: int, turns: SearchStrategy[int]) -> Stage:
    """Draw a stage of so many turns, which can be played whatever the stage before it has left."""
    family = draw(families(scale))
    least = 1 if family.name in NEEDS_MAIN_TIME or (isinstance(family, Penalty) and not family.limit_ms) else 0
    # A bank below zero is taken along into the next stage.
    return Stage(draw(st.integers(least, 12)) * scale, draw(turns), family)


def lags(scale: int) -> SearchStrategy[LagCompensation]:
    """Draw a compensation of lag of a few ms."""
    few = st.integers(0, 3).map(lambda n: n * scale)
    return st.builds(LagCompensation, few, few, few, few)


@st.composite
def controls(draw: DrawFn, scale: int = 1) -> TimeControl:
    """Draw a control with any stages, and what is composed around them."""
    first = draw(st.lists(stages(scale, st.integers(1, 3)), max_size=2))
    last = draw(stages(scale, st.integers(0, 3)))
    return draw(composed((*first, last), scale))


@st.composite
def composed(draw: DrawFn, stages: tuple[Stage, ...], scale: int = 1) -> TimeControl:
    """Draw what is composed around these stages."""
    limit = st.one_of(st.just(0), st.integers(4, 40).map(lambda n: n * scale))
    free_turns = draw(st.sampled_from((0, 0, 0, 1, 2)))
    lag = draw(st.one_of(st.none(), lags(scale)))
    return TimeControl(stages, draw(limit), free_turns, draw(limit) if free_turns else 0, lag)
