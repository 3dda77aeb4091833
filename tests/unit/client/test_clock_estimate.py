"""The estimate of the server's clock: its error is within what it says, and what it shows never goes back."""

from hypothesis import given
from hypothesis import strategies as st

from synckairos.client.clock_estimate import (
    DRIFT_PPM,
    SERVER_ERROR_US,
    SLEW,
    STEP_US,
    Estimate,
    Sample,
    ShownTime,
    estimate_of,
    server_error,
)

SERVER_ZERO = 1_767_225_600_000_000
"""The server's clock when the local one shows 0."""

delays = st.integers(0, 300_000)


def sample(sent: int, there: int, back: int, offset: int = SERVER_ZERO, held: int = 7) -> Sample:
    """Return a sample whose ways took so long, with a server that held it for a moment."""
    arrived = sent + there
    return Sample(sent, arrived + offset, arrived + held + offset, arrived + held + back)


def test_an_even_way_gives_the_offset_exactly() -> None:
    """Half of the round trip is the most it could be wrong, though it is not."""
    found = estimate_of([sample(1_000, 400, 400)])

    assert found == Estimate(SERVER_ZERO, 400 + SERVER_ERROR_US, 1_807)


def test_the_shortest_round_trip_counts() -> None:
    """Slow samples say less, whichever way was slow."""
    samples = [sample(0, 90_000, 500), sample(200_000, 300, 500), sample(300_000, 500, 80_000)]

    assert estimate_of(samples).offset == SERVER_ZERO - 100


@given(st.lists(st.tuples(delays, delays), min_size=1, max_size=8), st.integers(0, 60_000_000), st.data())
def test_the_error_is_within_the_uncertainty(ways: list[tuple[int, int]], age: int, data: st.DataObject) -> None:
    """However unequal the ways, and while the clocks drift apart as far as they may."""
    drift = data.draw(st.integers(-DRIFT_PPM, DRIFT_PPM))
    samples = [sample(place * 1_000_000, *way) for place, way in enumerate(ways)]
    clock = ShownTime(estimate_of(samples), samples[-1].received)
    local = samples[-1].received + age

    reading = clock.at(local)

    drifted = (local - clock.estimate.taken) * drift // 1_000_000
    assert abs(reading.server_us - (local + SERVER_ZERO + drifted)) <= reading.uncertainty_us + 1


servers = st.tuples(delays, delays, st.integers(-20_000, 20_000), st.integers(0, 5_000))
"""The ways there and back, by how much the server is wrong, and by how much more it says that it could be."""


@given(st.lists(servers, min_size=1, max_size=8), st.integers(0, 60_000_000), st.data())
def test_what_the_server_does_not_know_is_stated_too(
    asked: list[tuple[int, int, int, int]], age: int, data: st.DataObject
) -> None:
    """For as long as the clock goes by that sample."""
    drift = data.draw(st.integers(-DRIFT_PPM, DRIFT_PPM))
    samples = [
        sample(place * 1_000_000, there, back, SERVER_ZERO + wrong)._replace(
            server_error=server_error(abs(wrong) + more)
        )
        for place, (there, back, wrong, more) in enumerate(asked)
        if wrong or more
    ] or [sample(0, 0, 0)]
    clock = ShownTime(estimate_of(samples), samples[-1].received)
    local = samples[-1].received + age

    reading = clock.at(local)

    drifted = (local - clock.estimate.taken) * drift // 1_000_000
    assert abs(reading.server_us - (local + SERVER_ZERO + drifted)) <= reading.uncertainty_us


def test_a_slower_sample_of_a_server_that_knows_better_is_believed() -> None:
    """What counts is what both leave open together."""
    late = sample(0, 2_000, 2_000)._replace(server_error=20_000)
    right = sample(10_000, 5_000, 5_000)._replace(server_error=200)

    assert estimate_of([late, right]) == Estimate(SERVER_ZERO, 5_200, right.received)


found_offsets = st.one_of(st.integers(-50_000, 50_000), st.integers(-5 * STEP_US, 5 * STEP_US))


@given(st.lists(st.tuples(found_offsets, st.integers(0, 20_000), st.integers(1, 3_000_000)), min_size=2, max_size=6))
def test_what_it_shows_never_goes_back(corrections: list[tuple[int, int, int]]) -> None:
    """Whatever is found out about the offset, and whenever it is looked at."""
    local = 0
    clock = ShownTime(Estimate(SERVER_ZERO, 500, local), local)
    shown = clock.at(local).server_us

    for offset, error, later in corrections:
        for step in (1, later // 3, later):
            local += step
            now = clock.at(local).server_us
            assert now >= shown
            shown = now
        clock = clock.corrected(Estimate(SERVER_ZERO + offset, error, local), local)
        assert clock.at(local).server_us >= shown


def test_a_correction_is_slewed_and_stated() -> None:
    """A clock 2 ms ahead is slowed to nine tenths; until it is right, what is left is part of its uncertainty."""
    clock = ShownTime(Estimate(SERVER_ZERO + 2_000, 5_000, 0), 0).corrected(Estimate(SERVER_ZERO, 500, 0), 0)

    assert clock.at(0) == (SERVER_ZERO + 2_000, 2_500)
    assert clock.at(10_000) == (SERVER_ZERO + 10_000 + 1_000, 1_501)
    assert clock.at(2_000 * SLEW) == (SERVER_ZERO + 20_000, 502)


def test_a_clock_far_behind_steps_and_one_far_ahead_waits() -> None:
    """Nobody wants to wait ten times as long for either."""
    right = Estimate(SERVER_ZERO, 500, 0)
    behind = ShownTime(Estimate(SERVER_ZERO - 2 * STEP_US, 500, 0), 0).corrected(right, 0)
    ahead = ShownTime(Estimate(SERVER_ZERO + 2 * STEP_US, 500, 0), 0).corrected(right, 0)

    assert behind.at(0).server_us == SERVER_ZERO
    assert ahead.at(0).server_us == ahead.at(2 * STEP_US).server_us == SERVER_ZERO + 2 * STEP_US
    assert ahead.at(2 * STEP_US + 9).server_us == SERVER_ZERO + 2 * STEP_US + 9


def test_a_better_estimate_is_kept_until_it_is_older_than_good() -> None:
    """A burst over a slow way does not spoil what a fast one has told; drift makes it count in the end."""
    clock = ShownTime(Estimate(SERVER_ZERO, 1_000, 0), 0)
    slow = Estimate(SERVER_ZERO + 700, 4_000, 10_000_000)

    assert clock.corrected(slow, 10_000_000) is clock
    later = slow.taken + 30_000_000
    assert clock.corrected(slow, later).estimate == clock.estimate
    fresh = Estimate(SERVER_ZERO + 700, 4_000, later)
    assert clock.corrected(fresh, later).estimate == fresh


def test_an_estimate_that_contradicts_wins() -> None:
    """The time authority's clock has changed: the old estimate was better, and is wrong."""
    clock = ShownTime(Estimate(SERVER_ZERO, 500, 0), 0)
    other = Estimate(SERVER_ZERO + 300_000, 5_000, 1_000)

    assert clock.corrected(other, 1_000).estimate == other
