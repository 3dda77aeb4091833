"""The bounds of the figures, and the room that a check gives to a shared machine.

`python -m bench` shows every figure beside its bound, without room. `--check` ends with 1 if one is missed by more than
its room; with `--quick` it looks only at those that rounds of a third of a second on two shared cores can tell:

- ratios of throughputs measured side by side: a slow machine slows down both; the rest is the luck of the scheduler
  in a short round, which the median of several rounds covers;
- bytes: the same everywhere.

Not at p99 and the slowest call (one hiccup of the machine decides them), not at times and shares of a core (they are
the machine's, and the quick sizes are smaller), and not at figures that need two free cores.

A quick check has limits of its own, for it runs for every commit on whatever machine there is, and how far Python keeps
up with gRPC's C core differs from one to the next: GetSession was measured at 0.92 of the echo on one, 0.81 on another.
The ratios lie a tenth to a third beyond the worst that was measured on machines doing nothing else; no change may fall
behind, and they are no aim. A stream of commands is held to a stream of empty messages: held to switches, it fell
behind whenever these got faster. A lone caller's latency is held to the CPU time of its calls, so that nothing waits
for others. Against an echo it says how deep the cores sleep: one commit had 1.7 to 3.8. The median is 0.96 to 1.04 of
the CPU time, but was 1.97 on a machine whose host gave its cores to others too. A wait of ours would show in the
quickest calls as well, so the quick check looks at those: 0.73 to 0.87 of the CPU time in the best of twenty rounds,
also beside four busy processes.

A figure that falls behind in a quick check is measured again, twice at most: a machine has bad minutes, and a change
that made something slower falls behind each time.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple


class Threshold(NamedTuple):
    """The bound of one figure."""

    figure: str
    bound: float
    is_most: bool = False
    """Whether the bound is the most it may be, rather than the least."""
    aim: float | None = None
    room: float = 0.10
    """Share of the bound by which a check lets it be missed."""
    quick: float | None = None
    """The bound in a quick check; None: not looked at there."""

    def limit(self, *, is_quick: bool) -> float | None:
        """Return the limit of a check; None if it does not look at the figure."""
        if is_quick:
            return self.quick
        return self.bound * (1 + self.room if self.is_most else 1 - self.room)

    def is_kept(self, value: float, limit: float | None = None) -> bool:
        """Whether a value is on the right side of a limit: of the bound, if no other is given."""
        limit = self.bound if limit is None else limit
        return value <= limit if self.is_most else value >= limit

    def complaint(self, value: float, *, is_quick: bool) -> str:
        """Return the objection of a check to a value; empty if it lets it pass."""
        limit = self.limit(is_quick=is_quick)
        if limit is None or self.is_kept(value, limit):
            return ""
        side = "most" if self.is_most else "least"
        return f"{self.figure} is {value:.3g}, this check asks for {limit:.3g} at {side}"


THRESHOLDS: Final = (
    Threshold("get/echo", 0.65, quick=0.60),
    Threshold("switch/echo", 0.50, aim=0.60, quick=0.31),
    Threshold("switch_1/floor", 1.5, is_most=True),
    Threshold("switch_1/cpu", 1.2, is_most=True),
    Threshold("switch_1_best/cpu", 1.1, is_most=True, quick=1.2),
    Threshold("commands/switch", 1.6, aim=2.0),
    Threshold("commands_32/switch", 2.5, aim=4.0),
    Threshold("commands/stream", 0.14, quick=0.13),
    Threshold("drained_outbox_s", 1.0, is_most=True, room=0.0),
    Threshold("outage/switch", 0.9, room=0.0),
    Threshold("drain_rate", 12_000, room=0.0),
    Threshold("page_first_ms", 20, is_most=True, room=0.0),
    Threshold("page_middle_ms", 20, is_most=True, room=0.0),
    Threshold("pair_cpu", 0.10, is_most=True, room=0.5),
    Threshold("contended/switch", 0.8, quick=0.7),
    Threshold("contended_max_ms", 100, is_most=True, room=0.5),
    Threshold("contended_pair_max_ms", 200, is_most=True, room=0.5),
    Threshold("paced_p50/echo", 2.5, is_most=True, room=0.2),
    Threshold("paced_p99/echo", 4.0, is_most=True, room=0.5),
    Threshold("fan_out_us", 28, is_most=True, room=0.2),
    Threshold("fan_out/echo", 1.4, is_most=True, quick=1.7),
    Threshold("fan_out_last_ms", 50, is_most=True, room=0.2),
    Threshold("fan_out_many_last_ms", 700, is_most=True, room=0.2),
    Threshold("storm_kb", 40, is_most=True, quick=50),
    Threshold("ticking_core", 0.15, is_most=True, room=0.2),
    Threshold("expiry_p50_ms", 3, is_most=True, room=0.5),
    Threshold("expiry_p99_ms", 15, is_most=True, room=0.5),
    Threshold("crowd/full", 0.9, room=0.05),
    Threshold("crowd_p99/alone", 10, is_most=True, room=0.5),
    Threshold("flood_health_ms", 1_000, is_most=True, room=0.0),
    Threshold("flood_after/full", 0.9, room=0.05),
    Threshold("large/small", 0.90, room=0.05, quick=0.68),
    Threshold("session_bytes", 1_024, is_most=True, room=0.0, quick=1_024),
    Threshold("event_bytes", 400, is_most=True, room=0.0, quick=400),
)
QUICK: Final = frozenset(one.figure for one in THRESHOLDS if one.quick is not None)
"""The figures that a quick check looks at."""


def complaints(
    figures: Mapping[str, float], *, is_quick: bool, thresholds: Sequence[Threshold] = THRESHOLDS
) -> dict[str, str]:
    """Return the objections of a check to the figures that were measured, by figure, in the order of the thresholds."""
    measured = [one for one in thresholds if one.figure in figures]
    return {one.figure: text for one in measured if (text := one.complaint(figures[one.figure], is_quick=is_quick))}
