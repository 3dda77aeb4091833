"""Summaries of many latencies: percentiles, and a histogram that can be kept and added to others."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

PER_DECADE: Final = 20
"""Buckets of a histogram for a factor of ten: each is 12 % wide."""
LEAST_S: Final = 1e-5
PERCENTILES: Final = {"p50": 0.50, "p90": 0.90, "p99": 0.99}


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest of the ordered values that at least this share (0 to 1) does not exceed; 0 of none."""
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary(values: Iterable[float]) -> dict[str, float]:
    """Return p50, p90, p99 and max."""
    ordered = sorted(values)
    figures = {name: percentile(ordered, share) for name, share in PERCENTILES.items()}
    return {**figures, "max": ordered[-1] if ordered else 0.0}


def median(values: Iterable[float]) -> float:
    """Return the middle value, the mean of the two middle ones if their number is even; 0 of none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def histogram(seconds: Iterable[float]) -> dict[int, int]:
    """Count durations by bucket: bucket n holds those from 10 us * 10 ** (n / 20) on; shorter ones are in 0."""
    return dict(Counter(max(0, math.floor(PER_DECADE * math.log10(max(one, LEAST_S) / LEAST_S))) for one in seconds))


def bucket_s(number: float) -> float:
    """Return where a bucket begins, in seconds."""
    return float(LEAST_S * 10 ** (number / PER_DECADE))


def added(histograms: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Return the sum of histograms."""
    total: Counter[int] = Counter()
    for one in histograms:
        total.update(one)
    return dict(sorted(total.items()))
