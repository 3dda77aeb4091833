"""The judge: a pure function of the recording."""

from testing.robustness.branches import Branches
from testing.robustness.checks.availability import check_availability
from testing.robustness.checks.calls import check_calls
from testing.robustness.checks.deadlines import check_deadlines
from testing.robustness.checks.durability import check_durability
from testing.robustness.checks.ends import check_ends
from testing.robustness.checks.promptness import check_promptness
from testing.robustness.checks.refusals import check_refusals
from testing.robustness.checks.sessions import check_sessions
from testing.robustness.checks.stops import check_stops, check_unreadable
from testing.robustness.checks.streams import check_streams
from testing.robustness.checks.views import check_views
from testing.robustness.history import History
from testing.robustness.load.operations import operations
from testing.robustness.promises import Promise, Violation


def judge(history: History) -> list[Violation]:
    """Return every promise that was broken, and how."""
    branches, asked = Branches(history), operations(history)
    return [
        *check_calls(history, branches, asked),
        *check_refusals(history, branches, asked),
        *check_sessions(branches, asked),
        *check_deadlines(history, branches),
        *check_durability(history, branches),
        *check_streams(history, branches),
        *check_ends(history, branches, asked),
        *check_views(history, branches),
        *check_promptness(history),
        *check_availability(history),
        *check_stops(history, asked),
        *check_unreadable(history),
    ]


def broken(history: History) -> set[Promise]:
    """Return the promises that a history breaks."""
    return {violation.promise for violation in judge(history)}
