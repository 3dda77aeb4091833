"""Whether servers come back by themselves: judged in calm stretches, when nothing is broken any more."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from testing.robustness.checks.promptness import calm
from testing.robustness.history import Call, History
from testing.robustness.load.senders import BROKEN
from testing.robustness.promises import Promise, Violation

ENOUGH: Final = 10
"""The fewest calls whose share of failures is judged."""
BOUND: Final = 0.2
"""The share of calls that may fail: connections are made again for some moments after a fault is over."""
AWAY: Final = frozenset(
    {"STORE_UNAVAILABLE", "UNAVAILABLE", "DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN", "DRAINING", BROKEN},
)


def check_availability(history: History) -> Iterator[Violation]:
    """Yield which servers did not come back."""
    for server, made in calls_in_calm(history).items():
        reasons = Counter(call.reason for call in made if call.reason in AWAY)
        failed = reasons.total()
        if len(made) >= ENOUGH and failed > BOUND * len(made):
            why = ", ".join(f"{reason} {times}" for reason, times in reasons.most_common())
            text = f"server {server} failed {failed} of {len(made)} calls although nothing was broken: {why}"
            yield Violation(Promise.AVAILABLE, "", text)


def calls_in_calm(history: History) -> dict[int, list[Call]]:
    """Return the calls that each server is judged by."""
    stretches = calm(history)
    made: dict[int, list[Call]] = {server: [] for server in range(history.run.servers)}
    for call in history.calls:
        if _is_within(call, stretches):
            made[call.server].append(call)
    return made


def _is_within(call: Call, stretches: list[tuple[float, float]]) -> bool:
    return any(begin <= call.invoked and call.returned <= end for begin, end in stretches)
