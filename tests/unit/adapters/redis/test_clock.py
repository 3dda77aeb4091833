"""The estimate of Redis' clock: between readings never far from it, and never ahead of it by more than they allow."""

from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synckairos.adapters.redis.clock import WINDOW_S, EstimatedClock
from synckairos.adapters.redis.offset_bounds import DRIFT_PPM

AUTHORITY_US = 1_767_225_600_000_000
BOOT_S = 5_000.0


@dataclass
class Machine:
    """A process with a monotonic clock, and an authority it reads over a network; without drift both run alike."""

    local_s: float = BOOT_S
    authority_us: int = AUTHORITY_US
    steps: int = 0
    drift_ppm: int = 0
    rest_us: float = 0.0
    clock: EstimatedClock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = EstimatedClock(lambda: self.local_s, self._stepped)

    def _stepped(self) -> None:
        self.steps += 1

    def wait(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.local_s += seconds
        exact_us = seconds * (1_000_000 + self.drift_ppm) + self.rest_us
        self.authority_us += round(exact_us)
        self.rest_us = exact_us - round(exact_us)

    def ask(self, way_there_s: float = 0.0, way_back_s: float = 0.0) -> int:
        """Read the authority's clock, the instant of sending known; both ways take their time."""
        sent_s = self.local_s
        self.wait(way_there_s)
        return self.read(way_back_s, sent_s)

    def read(self, way_back_s: float = 0.0, sent_s: float | None = None) -> int:
        """Read the authority's clock; the reply takes its time to arrive."""
        seconds, microseconds = divmod(self.authority_us, 1_000_000)
        self.wait(way_back_s)
        return self.clock.read([str(seconds).encode(), str(microseconds).encode()], sent_s)

    @property
    def stated_us(self) -> int | None:
        """How wrong the estimate says that it may be."""
        return self.clock.estimate().error_us

    @property
    def error_us(self) -> int:
        """How far the estimate is ahead of the authority; rounding aside."""
        return self.clock.now_us() - self.authority_us


ROUNDING_US = 2


def test_nothing_is_known_before_the_first_reading() -> None:
    """Callers have to ask whether there is a time."""
    machine = Machine()

    before = machine.clock.is_set
    machine.read()

    assert (before, machine.clock.is_set) == (False, True)


def test_between_readings_time_goes_on() -> None:
    """One perfect reading is enough: the monotonic clock does the rest."""
    machine = Machine()
    machine.read()

    machine.wait(3.5)

    assert abs(machine.error_us) <= ROUNDING_US


def test_the_best_of_many_readings_counts() -> None:
    """A reply that took long makes the estimate late; a quick one puts it right, and slow ones do not spoil it."""
    machine = Machine()

    machine.read(way_back_s=0.080)
    late = machine.error_us
    machine.read(way_back_s=0.001)
    quick = machine.error_us
    for _ in range(20):
        machine.wait(0.1)
        machine.read(way_back_s=0.050)

    assert late == pytest.approx(-80_000, abs=ROUNDING_US)
    assert quick == pytest.approx(-1_000, abs=ROUNDING_US)
    assert machine.error_us == pytest.approx(-1_000, abs=ROUNDING_US)


@pytest.mark.parametrize("gap_s", [0.001, 0.04, 0.3, 4.0], ids=lambda gap: f"every {gap} s")
def test_the_estimate_errs_towards_the_past(gap_s: float) -> None:
    """However long replies take, the estimate is never ahead, and behind by no more than the quickest of them."""
    machine, random = Machine(), Random(7)

    for _ in range(400):
        way_back_s = random.choice([0.0005, 0.002, 0.030, 0.200])
        machine.read(way_back_s)
        assert -way_back_s * 1_000_000 - ROUNDING_US <= machine.error_us <= ROUNDING_US
        machine.wait(gap_s)


def test_a_good_reading_is_forgotten_after_its_window() -> None:
    """The authority's clock was slewed back: after ten seconds the estimate follows, until then it is ahead."""
    machine = Machine()
    machine.read()
    machine.authority_us -= 300_000

    for _ in range(int(WINDOW_S / 0.5) - 1):
        machine.wait(0.5)
        machine.read()
    within = machine.error_us
    for _ in range(4):
        machine.wait(0.5)
        machine.read()

    assert within == pytest.approx(300_000, abs=ROUNDING_US)
    assert machine.error_us == pytest.approx(0, abs=ROUNDING_US)
    assert machine.steps == 0


def test_a_step_forward_is_followed_at_once() -> None:
    """An authority that jumps ahead is believed by the next reading."""
    machine = Machine()
    machine.read()
    machine.authority_us += 5_000_000

    machine.read()

    assert machine.error_us == pytest.approx(0, abs=ROUNDING_US)
    assert machine.steps == 0


@pytest.mark.parametrize(
    ("back_us", "steps"), [(999_999, 0), (1_000_000, 0), (1_000_001, 1), (86_400_000_000, 1)], ids=str
)
def test_a_step_back_of_more_than_a_second_is_counted(back_us: int, steps: int) -> None:
    """Once; whatever its size, the clock stands still."""
    machine = Machine()
    machine.read()
    machine.authority_us -= back_us

    machine.read()
    after = machine.error_us
    machine.read()

    assert machine.steps == steps
    assert after == pytest.approx(back_us, abs=ROUNDING_US)


@pytest.mark.parametrize("back_s", [0.3, 5.0, 60.0])
def test_nothing_goes_behind_the_highest_reading(back_s: float) -> None:
    """While the authority's clock is behind it, readings and the estimate stand still, and then go on with it."""
    machine = Machine()
    highest = machine.read()
    machine.authority_us -= round(back_s * 1_000_000)

    shown, instants = [machine.read()], []
    for _ in range(30):
        machine.wait(back_s / 31)
        shown.append(machine.read())
        instants.append(machine.clock.now_us())
    machine.wait(back_s / 31 + 1.0)
    machine.read()

    assert set(shown) == {highest}
    assert instants == sorted(instants)
    if back_s > 1:  # a smaller step is followed by the window
        assert set(instants) == {highest}
        assert machine.error_us == pytest.approx(0, abs=100)


def test_a_timer_waits_for_the_standstill_to_end() -> None:
    """An instant that has been shown is there; a later one comes when the authority's clock comes to it."""
    machine = Machine()
    highest = machine.read()
    machine.authority_us -= 5_000_000
    machine.read()

    assert machine.clock.until_s(highest) == 0.0
    assert machine.clock.until_s(highest + 500_000) == pytest.approx(5.5, abs=0.001)


def test_a_flood_of_readings_does_not_push_out_the_best() -> None:
    """Thousands of readings a second: the best of the window still counts."""
    machine = Machine()
    machine.read(way_back_s=0.0)

    for _ in range(4_000):
        machine.wait(0.001)
        machine.read(way_back_s=0.0005)

    assert machine.error_us == pytest.approx(0, abs=ROUNDING_US)


def test_without_an_instant_of_sending_nothing_is_stated() -> None:
    """A reading that came says how late the estimate is at least, not at most."""
    machine = Machine()

    machine.read(way_back_s=0.001)

    assert machine.clock.estimate() == (machine.clock.now_us(), None)


def test_the_error_is_what_the_ways_leave_open() -> None:
    """The estimate goes by the quickest way back, its bound by the quickest way there, in whichever readings."""
    machine = Machine()

    machine.ask(0.001, 0.040)
    one = machine.stated_us
    machine.ask(0.040, 0.002)

    assert one == pytest.approx(41_000, abs=10)
    assert machine.error_us == pytest.approx(-2_000, abs=ROUNDING_US)
    assert machine.stated_us == pytest.approx(3_000, abs=50)


def test_the_error_grows_while_there_is_no_reading() -> None:
    """By a hundred microseconds a second: the clocks may drift apart."""
    machine = Machine()
    machine.ask()

    machine.wait(60.0)

    assert machine.stated_us == pytest.approx(6_000, abs=10)


@pytest.mark.parametrize("step_us", [-600_000, -5_000, 5_000, 3_600_000_000])
def test_bounds_that_cross_begin_anew(step_us: int) -> None:
    """The authority's clock was set: by the first reading afterwards the error is within what is stated again."""
    machine = Machine()
    machine.ask(0.001, 0.001)
    machine.authority_us += step_us

    machine.ask(0.001, 0.001)
    stood_us = machine.error_us
    machine.wait(max(0.0, -step_us / 1_000_000))
    machine.ask(0.001, 0.001)

    assert stood_us == pytest.approx(max(-1_000, -step_us - 3_000), abs=10)
    assert machine.error_us == pytest.approx(-1_000, abs=10)
    assert machine.stated_us == pytest.approx(2_000, abs=200)


def test_a_standstill_is_part_of_the_error() -> None:
    """Behind the highest reading the estimate waits, and says by how much it is ahead."""
    machine = Machine()
    machine.ask(0.001, 0.001)
    machine.authority_us -= 5_000_000

    machine.ask(0.001, 0.001)

    assert machine.error_us == pytest.approx(4_997_000, abs=10)
    assert machine.error_us <= (machine.stated_us or 0) <= machine.error_us + 2_000


ways = st.tuples(st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0, 20))


@given(st.integers(-DRIFT_PPM, DRIFT_PPM), st.lists(ways, min_size=1, max_size=30))
def test_the_truth_is_within_the_stated_error(drift_ppm: int, readings: list[tuple[float, float, float]]) -> None:
    """However long the ways take, and while the clocks drift apart as far as they may."""
    machine = Machine(drift_ppm=drift_ppm)

    for way_there_s, way_back_s, pause_s in readings:
        machine.ask(way_there_s, way_back_s)
        for _ in range(3):
            assert abs(machine.error_us) <= (machine.stated_us or 0)
            machine.wait(pause_s / 3)


@given(st.integers(-DRIFT_PPM, DRIFT_PPM), st.lists(ways, min_size=1, max_size=15))
def test_readings_may_overtake_each_other(drift_ppm: int, readings: list[tuple[float, float, float]]) -> None:
    """Batches are under way side by side: what was asked first may come last."""
    machine = Machine(drift_ppm=drift_ppm)
    moments: list[tuple[float, str, int]] = []
    for number, (way_there_s, way_back_s, after_s) in enumerate(readings):
        moments += [
            (after_s, "sent", number),
            (after_s + way_there_s, "told", number),
            (after_s + way_there_s + way_back_s, "came", number),
        ]
    sent: dict[int, float] = {}
    told: dict[int, int] = {}
    passed_s = 0.0

    for at_s, what, number in sorted(moments, key=lambda moment: moment[0]):
        machine.wait(at_s - passed_s)
        passed_s = at_s
        if what == "sent":
            sent[number] = machine.local_s
        elif what == "told":
            told[number] = machine.authority_us
        else:
            machine.clock.note(told[number], sent[number])
        if machine.clock.is_set:
            assert abs(machine.error_us) <= (machine.stated_us or 0)
