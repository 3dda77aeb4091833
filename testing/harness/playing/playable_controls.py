"""Random time controls to be played, and sessions whose clocks have them.

Times are a few seconds, so that every boundary is met.
"""

from typing import Final

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from synckairos.domain.commands import AdjustTime, Command, Switch
from synckairos.domain.controls.limits import control_violations
from synckairos.domain.controls.time_control import LagCompensation, Stage, TimeControl
from synckairos.domain.families import ABSOLUTE
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.canadian import Canadian
from synckairos.domain.families.delays import Bronstein, SimpleDelay
from synckairos.domain.families.family import Family
from synckairos.domain.families.fischer import Fischer
from synckairos.domain.families.hourglass import Hourglass
from synckairos.domain.families.penalty import Penalty
from synckairos.domain.families.per_turn import PerTurn
from synckairos.domain.model import Mode, OnExpire, Session, SoftClose, SoftClosePolicy
from synckairos.domain.specification import SessionSpec
from testing.harness.playing import session_drawing as drawing

times: Final = st.integers(1_000, 6_000)
spans: Final = st.integers(1, 4_000)
families: Final[SearchStrategy[Family]] = st.one_of(
    st.just(ABSOLUTE),
    st.builds(Fischer, spans, st.one_of(st.just(0), times), st.booleans()),
    st.builds(SimpleDelay, spans),
    st.builds(Bronstein, spans),
    st.builds(ByoYomi, st.integers(1, 4), times, st.one_of(st.just(0), spans)),
    st.builds(Canadian, st.integers(1, 4), times),
    st.builds(PerTurn, times),
    st.builds(Penalty, st.one_of(st.just(0), times), times, st.integers(0, 20), st.one_of(st.just(0), spans)),
)
lags: Final = st.builds(LagCompensation, spans, spans, times, st.one_of(st.just(0), spans))


@st.composite
def controls(draw: DrawFn, *, is_hourglass: bool = False, is_per_turn: bool = False) -> TimeControl:
    """Draw a control of up to three stages; of one, where its family is given."""
    if is_hourglass or is_per_turn:
        family: Family = Hourglass() if is_hourglass else PerTurn(draw(times))
        stages: tuple[Stage, ...] = (Stage(draw(times), 0, family),)
    else:
        turns = [*draw(st.lists(st.integers(1, 3), max_size=2)), draw(st.integers(0, 3))]
        stages = tuple(Stage(draw(times), count, draw(families)) for count in turns)
    free_turns = draw(st.sampled_from((0, 0, 2)))
    control = TimeControl(
        stages,
        turn_limit_ms=draw(st.sampled_from((0, 0, 2_500))),
        free_turns=free_turns,
        free_turn_limit_ms=draw(st.sampled_from((0, 1_500))) if free_turns else 0,
        lag_compensation=draw(st.one_of(st.none(), lags)),
    )
    assume(not list(control_violations("", control)))
    return control


@st.composite
def controlled_specs(draw: DrawFn, mode: Mode) -> SessionSpec:
    """Draw a session of this mode (whose holders have clocks of their own) in which every clock has a control."""
    spec = draw(drawing.specs(mode))._replace(increment_ms=0, max_time_ms=0)
    spec = spec._replace(
        participants=tuple(one._replace(total_time_ms=0) for one in spec.participants),
        groups=tuple(one._replace(total_time_ms=0) for one in spec.groups),
    )
    holders = len(spec.groups or spec.participants)
    is_hourglass = holders > 1 and draw(st.integers(0, 3)) == 0
    is_per_turn = not is_hourglass and draw(st.integers(0, 5)) == 0
    ends = (OnExpire.ADVANCE,) if is_per_turn else (OnExpire.END_SESSION, OnExpire.ELIMINATE, OnExpire.NOTIFY)
    control = controls(is_hourglass=is_hourglass, is_per_turn=is_per_turn)
    spec = spec._replace(time_control=draw(control), on_expire=draw(st.sampled_from(ends)))
    if draw(st.booleans()):
        spec = spec._replace(session_limit_ms=draw(st.integers(5_000, 60_000)))
    odds = draw(control)
    if mode is Mode.PER_GROUP:
        return spec._replace(groups=(spec.groups[0]._replace(time_control=odds), *spec.groups[1:]))
    return spec._replace(participants=(spec.participants[0]._replace(time_control=odds), *spec.participants[1:]))


@st.composite
def soft_closing_specs(draw: DrawFn) -> SessionSpec:
    """Draw a session with one clock, which late bids extend."""
    spec = draw(drawing.specs(Mode.GLOBAL))
    hard_ms = draw(st.one_of(st.just(0), st.integers(0, 9_000).map(lambda more: spec.total_time_ms + more)))
    close = SoftClose(draw(times), draw(spans), draw(st.sampled_from(SoftClosePolicy)), hard_ms)
    return spec._replace(on_expire=OnExpire.END_SESSION, soft_close=close)


def controlled_command(draw: DrawFn, session: Session) -> Command:
    """Draw a command for a session with time controls: with lag, with periods, or one for any session."""
    command = drawing.command(draw, session)
    if isinstance(command, Switch) and drawing.chance(draw, 2):
        return Switch(command.next_participant_id, lag_ms=draw(spans))
    if isinstance(command, AdjustTime) and drawing.chance(draw, 3):
        return AdjustTime(command.participant_id, command.group_id, set_periods=draw(st.integers(0, 4)))
    return command
