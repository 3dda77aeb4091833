"""The laws of a single clock with a time control, of any control and any turns."""

from copy import copy

from hypothesis import assume, example, given
from hypothesis import strategies as st

from synckairos.domain import clocks
from synckairos.domain.controls import controlled_clock
from synckairos.domain.controls.phases import phases_of_clock
from synckairos.domain.controls.time_control import Settled, Stage, TimeControl
from synckairos.domain.families.delays import Bronstein, SimpleDelay
from synckairos.domain.families.family import Phase, PhaseKind, Standing
from synckairos.domain.model import Clock, Mode, Rules
from tests.unit.domain.controls.control_builders import one_stage, progress_of
from tests.unit.domain.controls.small_controls import controls
from tests.unit.domain.controls.stepping import SteppingClock

RULES = Rules(Mode.PER_PARTICIPANT, None)
TURNS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), min_size=1, max_size=12)


def complete(clock: Clock, spent: int, lag_ms: int = 0) -> tuple[Clock, Settled]:
    """Return the clock after a completed turn, and what the turn did."""
    after, settled = clocks.complete_turn(clock, spent, RULES, lag_ms=lag_ms)
    assert settled is not None
    return after, settled


def same(clock: Clock, stepping: SteppingClock) -> None:
    """Check a clock against one that has counted every millisecond."""
    progress = progress_of(clock)
    shown = controlled_clock.standing(clock, progress, 0)
    assert (clock.used_ms, clock.overtime_ms, clock.in_overtime) == (stepping.used, stepping.overtime, stepping.is_over)
    assert (progress.stage, progress.turns_made) == (stepping.stage, stepping.turns)
    assert shown.bank_ms == stepping.bank
    if shown.periods_left is not None:
        assert shown.periods_left == stepping.periods
        assert shown.period_remaining_ms == (stepping.period if stepping.periods else 0)
    if shown.period_turns_left is not None:
        assert (shown.period_turns_left, shown.period_remaining_ms) == (stepping.block_turns, stepping.period)
    if shown.delay_remaining_ms is not None:
        assert isinstance(stepping.family, SimpleDelay)
        spent = 0 if stepping.is_free else stepping.turn
        assert shown.delay_remaining_ms == max(0, stepping.family.delay_ms - spent)


@given(controls(), TURNS)
def test_a_clock_counts_like_one_that_counts_every_millisecond(
    control: TimeControl, turns: list[tuple[int, int]]
) -> None:
    """At every millisecond of every turn, and after it; who runs out goes on in overtime."""
    clock, stepping = controlled_clock.begin(control), SteppingClock.new(control)
    same(clock, stepping)
    for spent, lag_ms in turns:
        begun, charged = copy(stepping), 0
        for ran in range(1, spent + 1):
            stepping.tick()
            same(clocks.charge(clock, ran - charged), stepping)
            if stepping.has_flagged:
                assert clocks.budget(clock) == ran - charged
                clock, charged = clocks.start_overtime(clocks.charge(clock, ran - charged)), ran
                stepping.flag()
        clock, settled = complete(clock, spent - charged, lag_ms)
        assert settled.credited_ms == 0 or not stepping.is_over
        if settled.credited_ms:
            stepping = stepping.without(settled.credited_ms, begun)
        stepping.complete()
        # No control may leave a stage without time at its beginning.
        assume(not stepping.has_flagged and stepping.bank >= _lowest(stepping))
        same(clock, stepping)


def _lowest(stepping: SteppingClock) -> int:
    """Return the lowest bank a turn may begin with: 0 but for penalties."""
    limit = getattr(stepping.family, "limit_ms", None)
    return 0 if limit is None else -(limit or 10**9)


@given(controls(), TURNS, st.integers(0, 10), st.integers(0, 10))
def test_nothing_depends_on_when_it_was_charged(
    control: TimeControl, turns: list[tuple[int, int]], first: int, second: int
) -> None:
    """A turn that is charged in pieces shows and settles what it does in one."""
    clock = controlled_clock.begin(control)
    for spent, lag_ms in turns:
        budget = clocks.budget(clock)
        if budget is not None and first + second + spent >= budget:
            return
        pieces = clocks.charge(clocks.charge(clock, first), second)
        assert pieces == clocks.charge(clock, first + second)
        shown = controlled_clock.standing(clock, progress_of(clock), first + second + spent)
        assert shown == controlled_clock.standing(pieces, progress_of(pieces), spent)
        assert clocks.remaining(clock, first + second + spent) == clocks.remaining(pieces, spent)
        whole = complete(clock, first + second + spent, lag_ms)
        assert complete(pieces, spent, lag_ms) == whole
        clock = whole[0]


@given(controls(), TURNS)
def test_time_is_conserved(control: TimeControl, turns: list[tuple[int, int]]) -> None:
    """used + left == what was there at the beginning + grants + credits, at the end of every turn."""
    clock = controlled_clock.begin(control)
    given_ms = controlled_clock.balance(clock, progress_of(clock))
    for spent, lag_ms in turns:
        budget, over, rest = clocks.budget(clock), clock.in_overtime, spent
        if budget is not None and not over and spent >= budget:
            clock = clocks.start_overtime(clocks.charge(clock, budget))
            assert clock.used_ms == given_ms, "a clock that ran out has not used exactly its budget"
            over, rest = True, spent - budget
        clock, settled = complete(clock, rest, lag_ms)
        has_time_again = controlled_clock.stage_of(progress_of(clock)).family.has_time_again
        assert not over or has_time_again or (settled.granted_ms, settled.credited_ms) == (0, 0)
        given_ms += settled.granted_ms + settled.credited_ms
        assert clock.used_ms + controlled_clock.balance(clock, progress_of(clock)) == given_ms


@given(st.integers(0, 40), st.integers(1, 9), st.lists(st.integers(0, 30), max_size=15))
@example(10_000, 5_000, [5_000, 5_001, 14_998])
@example(10_000, 5_000, [15_000])
def test_a_simple_delay_is_bronstein_shown_otherwise(main: int, delay: int, turns: list[int]) -> None:
    """With a bank that is larger by the delay, Bronstein has B + D at every turn's beginning and flags with it."""
    simple = controlled_clock.begin(one_stage(main, SimpleDelay(delay)))
    bronstein = controlled_clock.begin(one_stage(main + delay, Bronstein(delay)))
    for spent in turns:
        assert clocks.budget(simple) == clocks.budget(bronstein)
        if spent >= (clocks.budget(simple) or 0):
            return
        for ran in range(min(spent, 40)):
            assert clocks.remaining(simple, ran) == clocks.remaining(bronstein, ran)
        (simple, one), (bronstein, other) = complete(simple, spent), complete(bronstein, spent)
        assert (simple.bank_ms or 0) + delay == bronstein.bank_ms
        assert one == other


def shown_by(phase: Phase, standing: Standing, clock: Clock) -> int | None:
    """Return what a view shows where a client that has drawn the phases shows this one."""
    match phase.kind:
        case PhaseKind.PERIOD:
            return standing.period_remaining_ms
        case PhaseKind.OVERTIME:
            return clock.overtime_ms
        case _:
            return standing.bank_ms


@given(controls(), TURNS, st.integers(0, 12))
def test_phases_are_the_view(control: TimeControl, turns: list[tuple[int, int]], since: int) -> None:
    """At every millisecond until the flag, whenever they are drawn; each kind but once in a row."""
    clock = controlled_clock.begin(control)
    for spent, lag_ms in turns:
        progress, budget = progress_of(clock), clocks.budget(clock)
        if not controlled_clock.is_free(progress) and (budget is None or since < budget):
            drawn = list(phases_of_clock(clock, progress, since))
            assert [one.spent_ms for one in drawn] == sorted({one.spent_ms for one in drawn})
            assert drawn[0].spent_ms == since
            until = since + 40 if budget is None or clock.in_overtime else budget
            assert clock.in_overtime or budget is None or drawn[-1][:2] == (budget, PhaseKind.FLAG)
            for ran in range(since, until):
                phase = [one for one in drawn if one.spent_ms <= ran][-1]
                view = clocks.charge(clock, ran)
                standing = controlled_clock.standing(view, progress_of(view), 0)
                assert phase.display_ms + phase.rate * (ran - phase.spent_ms) == shown_by(phase, standing, view)
                assert phase.periods_left == (standing.periods_left or 0)
        if budget is not None and not clock.in_overtime and spent >= budget:
            clock = clocks.start_overtime(clocks.charge(clock, budget))
        clock, _ = complete(clock, spent, lag_ms)


@given(controls(), TURNS, st.integers(0, 20), st.integers(-10, 30))
def test_an_adjustment_leaves_what_it_says(
    control: TimeControl, turns: list[tuple[int, int]], spent: int, target: int
) -> None:
    """After any turns and in the middle of one, the adjusted part has what it was given; the others keep theirs."""
    clock = controlled_clock.begin(control)
    for before, lag_ms in turns:
        budget = clocks.budget(clock)
        if budget is not None and before >= budget:
            break
        clock, _ = complete(clock, before, lag_ms)
    budget = clocks.budget(clock)
    assume(budget is None or spent < budget)
    clock = clocks.charge(clock, spent)
    part, least = clocks.adjustable(clock, 0)
    wanted = max(target, least + 1)

    adjusted = clocks.adjust(clock, 0, wanted)

    assert clocks.adjustable(adjusted, 0) == (wanted, least)
    before_ms, after_ms = (controlled_clock.balance(one, progress_of(one)) for one in (clock, adjusted))
    assert after_ms - before_ms == wanted - part
    assert clocks.adjust(clock, 0, part) == clock or _settles_alike(clock, clocks.adjust(clock, 0, part))


def _settles_alike(clock: Clock, other: Clock) -> bool:
    """Whether an adjustment of nothing has changed nothing that the rest of the turn does."""
    budget = clocks.budget(clock)
    runs = range(min(20, budget if budget is not None else 20))
    return budget == clocks.budget(other) and all(complete(clock, ran)[0] == complete(other, ran)[0] for ran in runs)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(1, 30))
def test_stages_are_promoted_on_the_exact_turn(turns: list[int], count: int) -> None:
    """After k turns comes the next stage, the last one again and again, each with its base."""
    control = TimeControl(tuple(Stage(100 * (place + 1), k) for place, k in enumerate(turns)))
    clock, made, expected = controlled_clock.begin(control), 0, 100
    for _ in range(count):
        stage = progress_of(clock).stage
        clock, settled = complete(clock, 1)
        made, expected = made + 1, expected - 1
        assert settled.stage == stage
        if made == turns[stage]:
            made, stage = 0, min(stage + 1, len(turns) - 1)
            expected += 100 * (stage + 1)
        assert (progress_of(clock).stage, clock.bank_ms) == (stage, expected)
