"""Whether deadlines are settled at once, judged in calm stretches.

A later call settles them with the right stamp: without this check, servers without timers would pass.
"""

from collections.abc import Iterator
from itertools import pairwise
from math import inf
from typing import Final

from testing.robustness.branches import Branch, Branches, Entry
from testing.robustness.checks.promptness import RECOVERY_S
from testing.robustness.checks.sessions import TIMED
from testing.robustness.history import History
from testing.robustness.promises import Promise, Violation

BOUND_MS: Final = 1_500
"""Several looks of the sweep."""


def check_deadlines(history: History, branches: Branches) -> Iterator[Violation]:
    """Yield the deadlines that passed in a calm stretch and were left lying."""
    stretches, seen = _calm_ms(history), set()
    for branch in branches:
        for entry, due in _due(branch):
            is_calm = any(begin <= due and due + BOUND_MS <= end for begin, end in stretches)
            late_ms = entry.acted_ms - due
            if late_ms > BOUND_MS and is_calm and entry.row.change_id not in seen:
                text = f"version {entry.row.version} ({entry.row.type}) fired {late_ms} ms late, and nothing was broken"
                yield Violation(Promise.PUNCTUAL, branch.life.session_id, text)
            seen.add(entry.row.change_id)


def _due(branch: Branch) -> Iterator[tuple[Entry, int]]:
    """Yield the events of deadlines, each with the instant (Redis' clock) from which it was possible."""
    for before, entry in pairwise(branch.entries):
        if entry.row.cause in TIMED:
            yield entry, max(entry.row.occurred_ms, before.acted_ms)


def _calm_ms(history: History) -> list[tuple[float, float]]:
    """Return the stretches without any fault or its after-effects, by Redis' clock."""
    stretches, since = [], -inf
    for fault in history.faults:
        stretches.append((since, float(fault.began_ms)))
        since = fault.ended_ms + RECOVERY_S * 1_000
    return [*stretches, (since, inf)]
