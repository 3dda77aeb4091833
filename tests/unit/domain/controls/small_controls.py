"""Random time controls, drawn from strategies that are made once for each scale.

The small ones are a few ms long, so that every millisecond of their turns can be looked at.
"""

from functools import cache
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from synckairos.domain.controls.time_control import LagCompensation, Stage, TimeControl
from synckairos.domain.families import ABSOLUTE
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.canadian import Canadian
from synckairos.domain.families.delays import Bronstein, SimpleDelay
from synckairos.domain.families.family import Family
from synckairos.domain.families.fischer import Fischer
from synckairos.domain.families.penalty import Penalty
from synckairos.domain.families.per_turn import PerTurn
from testing.harness.playing.session_drawing import chance, pick


@cache
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


def stage(draw: DrawFn, scale: int, least_turns: int) -> Stage:
    """Draw a stage of up to three turns, which can be played whatever the stage before it has left."""
    family = draw(families(scale))
    least = 1 if family.name in NEEDS_MAIN_TIME or (isinstance(family, Penalty) and not family.limit_ms) else 0
    # A bank below zero is taken along into the next stage.
    return Stage(draw(st.integers(least, 12)) * scale, draw(st.integers(least_turns, 3)), family)


@cache
def lags(scale: int) -> SearchStrategy[LagCompensation]:
    """Draw a compensation of lag of a few ms."""
    few = st.integers(0, 3).map(lambda n: n * scale)
    return st.builds(LagCompensation, few, few, few, few)


@st.composite
def controls(draw: DrawFn, scale: int = 1) -> TimeControl:
    """Draw a control with any stages, and what is composed around them."""
    first = [stage(draw, scale, 1) for _ in range(pick(draw, (0, 1, 2, 2, 2, 2)))]
    return composed(draw, (*first, stage(draw, scale, 0)), scale)


def composed(draw: DrawFn, stages: tuple[Stage, ...], scale: int = 1) -> TimeControl:
    """Draw what is composed around these stages."""

    def limit() -> int:
        return draw(st.integers(4, 40)) * scale if chance(draw, 2) else 0

    free_turns = pick(draw, (0, 0, 0, 1, 2))
    lag = draw(lags(scale)) if chance(draw, 2) else None
    return TimeControl(stages, limit(), free_turns, limit() if free_turns else 0, lag)
