"""Percentiles, medians and histograms are true to the measured values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load import samples

DURATIONS = st.lists(st.floats(min_value=1e-6, max_value=100.0), min_size=1, max_size=200)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, 0.0),
        ([7.0], 0.99, 7.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 0.51, 3.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
        ([float(n) for n in range(1, 101)], 1.0, 100.0),
    ],
)
def test_a_percentile_is_the_nearest_rank(values: list[float], share: float, expected: float) -> None:
    """No value between two measured ones is made up."""
    assert samples.percentile(values, share) == expected


@given(DURATIONS, st.floats(min_value=0.01, max_value=1.0))
def test_a_percentile_is_not_exceeded_by_its_share(values: list[float], share: float) -> None:
    """At least the share lies at or below it, and less than the share below."""
    ordered = sorted(values)
    found = samples.percentile(ordered, share)

    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-9
    assert sum(value < found for value in ordered) < share * len(ordered) + 1e-9


@pytest.mark.parametrize(("values", "expected"), [([], 0.0), ([3.0, 1.0, 2.0], 2.0), ([4.0, 1.0, 2.0, 3.0], 2.5)])
def test_a_median(values: list[float], expected: float) -> None:
    """The middle one, or the mean of the two."""
    assert samples.median(values) == expected


@given(DURATIONS)
def test_a_histogram_holds_every_duration_in_its_bucket(values: list[float]) -> None:
    """Nothing is lost, and each lies between its bucket's edges (those shorter than the first are in the first)."""
    counted = samples.histogram(values)

    assert sum(counted.values()) == len(values)
    for value in values:
        ((bucket, _),) = samples.histogram([value]).items()
        assert samples.bucket_s(bucket) <= max(value, samples.LEAST_S) * (1 + 1e-9)
        assert value < samples.bucket_s(bucket + 1) * (1 + 1e-9)


def test_histograms_add_up() -> None:
    """As if all had been counted at once."""
    one, other = samples.histogram([0.001, 0.002]), samples.histogram([0.002, 0.5])

    assert samples.added([one, other]) == dict(sorted(samples.histogram([0.001, 0.002, 0.002, 0.5]).items()))
