"""Calls against the branches: linearizable by version, once each, and an error changes nothing."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from math import inf
from typing import NamedTuple

from synckairos.rpc import tokens
from synckairos.v1 import session_pb2
from testing.robustness.branches import Branch, Branches, Entry, Life
from testing.robustness.checks.streams import watches
from testing.robustness.history import History
from testing.robustness.load.operations import Operation
from testing.robustness.promises import Promise, Violation

Operations = Mapping[str, Operation]


def check_calls(history: History, branches: Branches, operations: Operations) -> Iterator[Violation]:
    """Yield the contradictions between the answers of callers and the branches."""
    for branch in branches:
        yield from _versions(branch)
        yield from _once(branch, operations)
        yield from _conditions(branch, operations)
    yield from _real_time(branches, operations, _reads(history))
    yield from _answers(branches, operations, _durable(history, operations))


class Read(NamedTuple):
    """A version that a client was shown; `change_id` tells which branch's, where that is known."""

    method: str
    session_id: str
    epoch: int
    version: int
    change_id: str
    invoked: float
    returned: float


def _reads(history: History) -> Iterator[Read]:
    """Yield the reads: every GetSession, and the snapshot that a stream begins with, alone or after a gap."""
    for call in history.calls:
        if call.method == "GetSession" and call.outcome == "ok":
            at = call.invoked, call.returned
            yield Read(call.method, call.session_id, call.epoch, call.version, "", *at)
    for watch in watches(history):
        first = next((one for one in watch.messages[:2] if one.kind == "snapshot"), None)
        if first is not None:
            change_id = tokens.read_resume(first.session_id, first.token).change_id
            at = watch.stream.opened, first.at
            yield Read("WatchSession", watch.session_id, first.epoch, first.version, change_id, *at)


def _versions(branch: Branch) -> Iterator[Violation]:
    """Every version is made by exactly one change."""
    for twin in branch.twins:
        text = f"version {twin.row.version} was made twice, {twin.row.type} by change {twin.row.change_id}"
        yield Violation(Promise.LINEARIZABLE, branch.life.session_id, text)


def _once(branch: Branch, operations: Operations) -> Iterator[Violation]:
    """A request is applied once, and nothing is applied without a request."""
    seen: dict[str, int] = {}
    for entry in (*branch.entries, *branch.twins):
        if not entry.is_call:
            continue
        request_id, version = entry.row.request_id, entry.row.version
        operation = operations.get(request_id)
        if operation is None or operation.session_id != branch.life.session_id:
            yield Violation(Promise.LINEARIZABLE, branch.life.session_id, f"nobody asked for version {version}")
        elif request_id in seen and not _is_its_consequence(branch, seen[request_id], entry):
            text = f"request {request_id} was applied at version {seen[request_id]} and again at {version}"
            yield Violation(Promise.IDEMPOTENT, branch.life.session_id, text)
        seen.setdefault(request_id, version)


def _is_its_consequence(branch: Branch, first: int, entry: Entry) -> bool:
    """Whether an event is the second one of the very same decision: a victory after a removal."""
    cause = next((one for one in branch.entries if one.row.version == first), None)
    return (
        cause is not None
        and cause.row.type == "participant_removed"
        and entry.row.type == "session_completed"
        and entry.row.version == first + 1
        and entry.row.occurred_ms == cause.row.occurred_ms
    )


def _conditions(branch: Branch, operations: Operations) -> Iterator[Violation]:
    """Between an expected version and the change made on that condition, there is no other change."""
    for place, entry in enumerate(branch.entries):
        operation = operations.get(entry.row.request_id) if entry.is_call else None
        expected = getattr(operation.request, "expected_version", 0) if operation else 0
        between = [
            one
            for one in branch.entries[max(0, expected) : place]
            if expected and one.is_call and one.row.request_id != entry.row.request_id
        ]
        if between or expected > entry.row.version:
            text = f"version {entry.row.version} was made on the condition of version {expected}"
            yield Violation(Promise.LINEARIZABLE, branch.life.session_id, text)


class Order:
    """The versions of a branch, and when the change that made each of them was asked for and answered.

    `asked` is the latest invocation up to a place, `done` the earliest answer from a place on.
    """

    def __init__(self, branches: Branches, branch: Branch, operations: Operations) -> None:
        spans = [_span(branches, entry, operations) for entry in branch.entries]
        self.versions = [entry.row.version for entry in branch.entries]
        self._changes = [entry.row.change_id for entry in branch.entries]
        self.asked = list(accumulate((span[0] for span in spans), max))
        self.done = list(accumulate((span[1] for span in reversed(spans)), min))[::-1]

    def turned_around(self) -> Iterator[int]:
        """Yield the versions that stand behind one that was asked for only after they had been answered."""
        for place in range(1, len(self.versions)):
            if self.done[place] < self.asked[place - 1]:
                yield self.versions[place]

    def has(self, read: Read) -> bool:
        """Whether the version that a read saw is of this branch."""
        place = bisect_right(self.versions, read.version) - 1
        return place >= 0 and self.versions[place] == read.version and read.change_id in {"", self._changes[place]}

    def allows(self, read: Read) -> bool:
        """Whether a read saw every change answered before it, and none asked for after it."""
        seen = bisect_right(self.versions, read.version)
        is_recent = seen == len(self.versions) or self.done[seen] >= read.invoked
        return is_recent and (not seen or self.asked[seen - 1] <= read.returned)


def _real_time(branches: Branches, operations: Operations, reads: Iterable[Read]) -> Iterator[Violation]:
    """A change that was answered before another one was asked for comes before it; so do reads."""
    orders = {(branch.life, branch.generation): Order(branches, branch, operations) for branch in branches}
    for (life, _), order in orders.items():
        for version in order.turned_around():
            text = f"a change from version {version} on was answered before an earlier version was asked for"
            yield Violation(Promise.LINEARIZABLE, life.session_id, text)
    for read in reads:
        life = Life(read.session_id, read.epoch)
        generation = branches.generation_of(read.session_id, read.invoked, read.returned)
        branch = None if generation is None else branches.at(life, generation)
        if branch is None:
            continue
        key = life, branch.generation
        if key not in orders:
            orders[key] = Order(branches, branch, operations)
        if not orders[key].has(read):
            text = f"{read.method} saw version {read.version}, which was not there: lost, or never made"
            yield Violation(Promise.LINEARIZABLE, read.session_id, text)
        elif not orders[key].allows(read):
            text = f"{read.method} saw version {read.version}, which was not the latest at any moment of it"
            yield Violation(Promise.LINEARIZABLE, read.session_id, text)


def _span(branches: Branches, entry: Entry, operations: Operations) -> tuple[float, float]:
    """Return the earliest and the latest instant at which an event can have happened."""
    operation = operations.get(entry.row.request_id) if entry.is_call else None
    if operation is None:
        return -inf, inf
    effective = [call for call in operation.attempts if call.outcome != "refused"]
    answered = [call.returned for call in operation.answered]
    if any(branches.may_be_lost(call) for call in effective):
        # It may have been done twice, and the first time lost.
        return min((call.invoked for call in effective), default=-inf), max(answered, default=inf)
    return min((call.invoked for call in effective), default=-inf), min(answered, default=inf)


def _durable(history: History, operations: Operations) -> set[str]:
    """Return the sessions of which no failover may take a change that was answered OK."""
    if history.run.durability.startswith("replicas"):
        return {operation.session_id for operation in operations.values()}
    creations = [one for one in operations.values() if one.method == "CreateSession" and one.answered]
    return {one.session_id for one in creations if one.request.durability == session_pb2.DURABILITY_REPLICAS}


def _answers(branches: Branches, operations: Operations, durable: set[str]) -> Iterator[Violation]:
    """Every operation answered OK has happened, once, and every answer says so."""
    made: dict[str, list[Entry]] = defaultdict(list)
    for entry in branches.entries:
        if entry.is_call:
            made[entry.row.request_id].append(entry)
    kept = {id(entry) for life in branches.of.values() for entry in life[-1].entries}
    for operation in operations.values():
        answered, entries = operation.answered, made[operation.request_id]
        is_at_risk = any(map(branches.may_be_lost, operation.attempts))
        is_to_stay = not is_at_risk or operation.session_id in durable
        if answered and is_to_stay and not any(id(entry) in kept for entry in entries):
            text = f"{operation.method} {operation.request_id} was answered OK and is not in PostgreSQL"
            yield Violation(Promise.DURABLE, operation.session_id, text)
        fresh = [call for call in answered if not call.replayed]
        if len(fresh) > 1 and not is_at_risk:
            text = f"{operation.method} {operation.request_id} was answered anew {len(fresh)} times"
            yield Violation(Promise.IDEMPOTENT, operation.session_id, text)
        if entries and not is_at_risk and any(call.version < entries[0].row.version for call in answered):
            text = f"{operation.method} {operation.request_id} was answered with a version before its own"
            yield Violation(Promise.LINEARIZABLE, operation.session_id, text)
        if operation.is_refused and entries:
            text = f"{operation.method} {operation.request_id} was refused ({operation.attempts[0].reason}) and done"
            yield Violation(Promise.ERROR_CHANGES_NOTHING, operation.session_id, text)
