"""The branches of each life of a session, put together from the events in PostgreSQL.

A store that loses its last moments goes on from an earlier version: a fork. Between two power losses there is one
branch: the versions before, as far as they were kept, and those added since. The branch of an event is told by
when a server acted on it, by Redis' clock; the schedule keeps steps back of that clock and power losses apart.

A failover to a replica that is behind is such a loss, too; in a cluster it concerns the sessions of its shard.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from math import inf
from typing import Final, NamedTuple

from synckairos.adapters.postgres.trail.snapshot import decode_session
from synckairos.adapters.redis.keys import partition_of
from synckairos.domain.model import Session
from synckairos.rpc import tokens
from testing.robustness.history import Call, Fault, History, Message, Row

FORGOTTEN_S: Final = 15.0
"""After so long, every server has noticed that the store came back without its last moments."""


class Entry:
    """An event, and the session it led to."""

    def __init__(self, row: Row, generation: int) -> None:
        self.row = row
        self.generation = generation

    @cached_property
    def session(self) -> Session:
        """The session right after it."""
        return decode_session(self.row.snapshot)

    @property
    def is_call(self) -> bool:
        """Whether a call did it, and not time."""
        return self.row.cause == "call"

    @property
    def acted_ms(self) -> int:
        """When a server acted, by Redis' clock."""
        return self.row.occurred_ms if self.row.fired_ms is None else self.row.fired_ms


class Life(NamedTuple):
    """The identity of one life of a session."""

    session_id: str
    epoch: int


class Branch(NamedTuple):
    """A life as it was at the end of a generation (the time from one power loss to the next)."""

    life: Life
    generation: int
    entries: list[Entry]
    holes: list[int]
    """Versions that are missing."""
    twins: list[Entry]
    """Events of a version that another event of the same generation had already made."""
    is_last: bool


class Branches:
    """All branches of a run."""

    def __init__(self, history: History) -> None:
        self._losses = history.power_losses
        lives: dict[Life, list[Entry]] = defaultdict(list)
        for row in history.rows:
            acted_ms = row.occurred_ms if row.fired_ms is None else row.fired_ms
            generation = sum(1 for loss in self.losses_of(row.session_id) if loss.began_ms <= acted_ms)
            lives[Life(row.session_id, row.epoch)].append(Entry(row, generation))
        self.entries = [entry for entries in lives.values() for entry in entries]
        self.versions: dict[tuple[str, int, int], list[Entry]] = defaultdict(list)
        for entry in self.entries:
            self.versions[entry.row.session_id, entry.row.epoch, entry.row.version].append(entry)
        self.of: dict[Life, list[Branch]] = {life: list(_branches(life, entries)) for life, entries in lives.items()}
        self._before = dict(_successions(self))
        heads = {Life(one.session_id, one.epoch): one for one in history.stored}
        for life, branches in self.of.items():
            if self.losses_of(life.session_id):
                head = heads.get(life)
                _cut_back(branches[-1], head.version if head else 0, head.change_id if head else "")

    def __iter__(self) -> Iterator[Branch]:
        for branches in self.of.values():
            yield from branches

    def at(self, life: Life, generation: int) -> Branch | None:
        """Return the branch of a life as of the end of a generation; None if it had not begun."""
        found = [branch for branch in self.of.get(life, ()) if branch.generation <= generation]
        if not found:
            return None
        branch = found[-1]
        if branch.generation == generation or branch.is_last:
            return branch
        # Nothing was added in that generation: it kept the versions that the next addition builds upon.
        kept = set(map(id, self.of[life][len(found)].entries))
        entries = [entry for entry in branch.entries if id(entry) in kept]
        return branch._replace(generation=generation, entries=entries)

    def losses_of(self, session_id: str) -> list[Fault]:
        """Return the power losses that may have taken something of a session, in order."""
        return [loss for loss in self._losses if not loss.partitions or partition_of(session_id) in loss.partitions]

    def generation_of(self, session_id: str, began: float, ended: float) -> int | None:
        """Return a session's generation in a stretch of time (recorder's clock); None if a power loss fell into it."""
        losses = self.losses_of(session_id)
        gone = sum(1 for loss in losses if loss.ended <= began)
        return gone if all(loss.ended <= began or _cut(loss) >= ended for loss in losses) else None

    def shown_by(self, message: Message) -> Entry | None:
        """Return the event that a message shows or belongs to, by the change in its token; None if it is not known."""
        if not message.token:
            return None
        change_id = tokens.read_resume(message.session_id, message.token).change_id
        made = self.versions.get((message.session_id, message.epoch, message.version), [])
        return next((entry for entry in made if entry.row.change_id == change_id), None)

    def may_follow(self, before: str, change_id: str) -> bool:
        """Whether a change came right after another one in some branch, or its predecessor is not known."""
        return self._before.get(change_id, before) == before

    def may_lack(self, life: Life, change_id: str, head: str) -> bool:
        """Whether some branch with this head in it is without a change, or the head is not known."""
        changes = [{entry.row.change_id for entry in branch.entries} for branch in self.of.get(life, ())]
        holding = [one for one in changes if head in one]
        return not holding or any(change_id not in one for one in holding)

    def may_be_lost(self, call: Call) -> bool:
        """Whether a power loss may have taken the effect of a call."""
        losses = self.losses_of(call.session_id)
        return any(_cut(loss) <= call.returned and call.invoked <= loss.ended for loss in losses)

    def may_show_what_was_lost(self, session_id: str, at: float) -> bool:
        """Whether a stream may, at an instant, still show a version that a power loss has taken."""
        return any(_cut(loss) <= at <= loss.ended + FORGOTTEN_S for loss in self.losses_of(session_id))


def _cut(loss: Fault) -> float:
    return inf if loss.cut_at is None else loss.cut_at


def _branches(life: Life, entries: list[Entry]) -> Iterator[Branch]:
    line: list[Entry] = []
    generations = sorted({entry.generation for entry in entries})
    for generation in generations:
        added = sorted((e for e in entries if e.generation == generation), key=lambda e: (e.row.version, e.acted_ms))
        first = added[0].row.version
        line = [entry for entry in line if entry.row.version < first]
        holes: list[int] = []
        twins: list[Entry] = []
        for entry in added:
            expected = line[-1].row.version + 1 if line else 1
            if entry.row.version < expected:
                twins.append(entry)
                continue
            holes += range(expected, entry.row.version)
            line.append(entry)
        yield Branch(life, generation, list(line), holes, twins, is_last=generation == generations[-1])


def _successions(branches: Iterable[Branch]) -> Iterator[tuple[str, str]]:
    """Yield each change with the one right before it, where that is known."""
    for branch in branches:
        for before, entry in pairwise(branch.entries):
            if entry.row.version == before.row.version + 1:
                yield entry.row.change_id, before.row.change_id


def _cut_back(branch: Branch, version: int, change_id: str) -> None:
    """Take away the versions that the last branch lost without replacement: Redis' head says how far it goes."""
    ids = {entry.row.version: entry.row.change_id for entry in branch.entries}
    if ids.get(version) == change_id or not version:
        branch.entries[:] = [entry for entry in branch.entries if entry.row.version <= version]
