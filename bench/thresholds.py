"""What the figures have to reach, and how much room a shared machine is given in a check.

`python -m bench` shows every figure beside its bound, without room. `--check` ends with 1 if one is missed by more than
its room; with `--quick` it looks only at those that rounds of a third of a second on two shared cores can tell:

- ratios of throughputs measured side by side: a slow machine slows down both; what remains is the luck of the scheduler
  in a short round, which the median of several rounds and the room cover;
- bytes: the same everywhere.

Not at p99 and the slowest call (one hiccup of the machine decides them), not at times and shares of a core (they are
the machine's, and the quick sizes are smaller), and not at what needs two free cores.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Threshold(NamedTuple):
    """What one figure has to reach."""

    figure: str
    bound: float
    is_most: bool = False
    """Whether the bound is the most it may be, rather than the least."""
    aim: float | None = None
    room: float = 0.10
    """Share of the bound by which a check lets it be missed."""
    quick_room: float | None = None
    """The same for a quick run; None: not looked at there."""


class Verdict(NamedTuple):
    """How a figure stands."""

    threshold: Threshold
    value: float

    @property
    def is_met(self) -> bool:
        """Whether the bound itself is kept."""
        return self.is_within(0.0)

    def is_within(self, room: float) -> bool:
        """Whether the bound is kept, or missed by no more than this share of it."""
        threshold = self.threshold
        if threshold.is_most:
            return self.value <= threshold.bound * (1 + room)
        return self.value >= threshold.bound * (1 - room)


THRESHOLDS: Final = (
    Threshold("get/echo", 0.65, quick_room=0.25),
    Threshold("switch/echo", 0.50, aim=0.60, quick_room=0.25),
    Threshold("switch_1/floor", 1.5, is_most=True, quick_room=0.35),
    Threshold("commands/switch", 1.6, aim=2.0, quick_room=0.25),
    Threshold("pair_cpu", 0.10, is_most=True, room=0.5),
    Threshold("contended/switch", 0.8, quick_room=0.30),
    Threshold("contended_max_ms", 100, is_most=True, room=0.5),
    Threshold("contended_pair_max_ms", 200, is_most=True, room=0.5),
    Threshold("paced_p50/echo", 2.5, is_most=True, room=0.2),
    Threshold("paced_p99/echo", 4.0, is_most=True, room=0.5),
    Threshold("fan_out_us", 28, is_most=True, room=0.2),
    Threshold("fan_out_last_ms", 50, is_most=True, room=0.2),
    Threshold("fan_out_many_last_ms", 700, is_most=True, room=0.2),
    Threshold("storm_kb", 40, is_most=True, quick_room=0.25),
    Threshold("ticking_core", 0.15, is_most=True, room=0.2),
    Threshold("expiry_p50_ms", 3, is_most=True, room=0.5),
    Threshold("expiry_p99_ms", 15, is_most=True, room=0.5),
    Threshold("large/small", 0.90, room=0.05, quick_room=0.25),
    Threshold("session_bytes", 1_024, is_most=True, room=0.0, quick_room=0.0),
    Threshold("event_bytes", 400, is_most=True, quick_room=0.15),
)


def verdicts(figures: Mapping[str, float]) -> list[Verdict]:
    """Return how the figures that have a threshold stand, in the order of the thresholds."""
    return [Verdict(one, figures[one.figure]) for one in THRESHOLDS if one.figure in figures]


def failures(found: list[Verdict], *, is_quick: bool) -> list[Verdict]:
    """Return those that a check does not let pass."""
    failed = []
    for verdict in found:
        room = verdict.threshold.quick_room if is_quick else verdict.threshold.room
        if room is not None and not verdict.is_within(room):
            failed.append(verdict)
    return failed
