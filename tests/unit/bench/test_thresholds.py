"""Figures are held to their bounds: shown without room, checked with it."""

import pytest

from bench.thresholds import THRESHOLDS, Threshold, Verdict, complaints, verdicts


@pytest.mark.parametrize(
    ("threshold", "value", "is_met", "passes"),
    [
        (Threshold("a", 0.5, room=0.1), 0.50, True, True),
        (Threshold("a", 0.5, room=0.1), 0.46, False, True),
        (Threshold("a", 0.5, room=0.1), 0.44, False, False),
        (Threshold("a", 100, is_most=True, room=0.5), 100, True, True),
        (Threshold("a", 100, is_most=True, room=0.5), 149, False, True),
        (Threshold("a", 100, is_most=True, room=0.5), 151, False, False),
    ],
)
def test_a_figure_stands_where_it_stands(threshold: Threshold, value: float, is_met: bool, passes: bool) -> None:
    """The room lets a check pass, but makes nothing met."""
    verdict = Verdict(threshold, value)

    assert verdict.is_met is is_met
    assert (complaints([verdict], is_quick=False) == []) is passes


def test_a_quick_check_looks_only_at_what_it_can_tell() -> None:
    """A figure without a quick limit never fails a quick check, and the others are held to that limit."""
    shaky, stable = Threshold("a", 1.0), Threshold("b", 1.0, quick=0.8)
    found = [Verdict(shaky, 0.1), Verdict(stable, 0.7)]

    assert complaints(found, is_quick=True) == ["b is 0.7, this check asks for 0.8 at least"]
    assert len(complaints(found, is_quick=False)) == 2


def test_what_was_not_measured_is_not_judged() -> None:
    """Only figures at hand get a verdict, in the order of the thresholds."""
    found = verdicts({"switch/echo": 0.6, "get/echo": 0.7, "without threshold": 1.0})

    assert [one.threshold.figure for one in found] == ["get/echo", "switch/echo"]


def test_every_threshold_is_of_its_own_figure() -> None:
    """A figure listed twice would be held to one bound only by luck."""
    names = [threshold.figure for threshold in THRESHOLDS]

    assert len(names) == len(set(names))
