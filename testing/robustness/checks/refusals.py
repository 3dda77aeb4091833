"""Refusals: they change nothing, and their reason was true at some moment of the call."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from testing.robustness.branches import Branches
from testing.robustness.checks.calls import Order
from testing.robustness.history import Call, History
from testing.robustness.load.operations import Operation
from testing.robustness.load.presence import Presence
from testing.robustness.promises import Promise, Violation

Operations = Mapping[str, Operation]


def check_refusals(history: History, branches: Branches, operations: Operations) -> Iterator[Violation]:
    """Yield which refusals were applied all the same, or had no ground."""
    presence, creations = Presence(branches, operations), _creations(operations)
    for call in history.calls:
        match call.reason:
            case "SESSION_NOT_FOUND":
                is_right = not presence.is_certain(call.session_id, call.invoked, call.returned)
            case "SESSION_ALREADY_EXISTS":
                is_right = _may_be_taken(call, creations[call.session_id])
            case "VERSION_CONFLICT":
                is_right = _may_conflict(call, branches, operations)
            case _:
                continue
        if not is_right:
            text = f"{call.method} {call.operation} was refused with {call.reason}, which was true at no moment of it"
            yield Violation(Promise.LINEARIZABLE, call.session_id, text)
    for operation in operations.values():
        if _was_applied_by_a_refusal(operation, branches):
            text = f"{operation.method} {operation.request_id} was refused, and then said to have been done"
            yield Violation(Promise.ERROR_CHANGES_NOTHING, operation.session_id, text)


def _was_applied_by_a_refusal(operation: Operation, branches: Branches) -> bool:
    """Whether only refused attempts can have made the change that a replay tells of."""
    outcomes = {call.outcome for call in operation.attempts}
    return (
        outcomes == {"ok", "refused"}
        and all(call.replayed for call in operation.answered)
        and not any(map(branches.may_be_lost, operation.attempts))
    )


def _creations(operations: Operations) -> Mapping[str, list[Call]]:
    """Return the attempts that may have created each session."""
    made: dict[str, list[Call]] = defaultdict(list)
    for operation in operations.values():
        if operation.method == "CreateSession":
            made[operation.session_id] += [call for call in operation.attempts if call.outcome != "refused"]
    return made


def _may_be_taken(call: Call, creations: list[Call]) -> bool:
    return any(one.operation != call.operation and one.invoked <= call.returned for one in creations)


def _may_conflict(call: Call, branches: Branches, operations: Operations) -> bool:
    """Whether the session may have been at another version than the expected one; in doubt, it may."""
    expected = operations[call.operation].request.expected_version
    lives = [life for life in branches.of if life.session_id == call.session_id]
    generation = branches.generation_of(call.session_id, call.invoked, call.returned)
    branch = branches.at(lives[0], generation) if len(lives) == 1 and generation is not None else None
    if branch is None or branch.holes:
        return True
    order = Order(branches, branch, operations)
    if expected not in order.versions:
        return True
    place = order.versions.index(expected)
    was_there = order.done[place] < call.invoked
    went_on = place + 1 < len(order.versions) and order.asked[place + 1] <= call.returned
    return went_on or not was_there
