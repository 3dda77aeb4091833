"""PostgreSQL against Redis and the branches: every version is there, none waits, forks are marked."""

from collections.abc import Iterator

from testing.robustness.branches import Branches, Life
from testing.robustness.history import History
from testing.robustness.promises import Promise, Violation


def check_durability(history: History, branches: Branches) -> Iterator[Violation]:
    """Yield the versions that PostgreSQL lacks or marks wrongly; answers of callers are checked with the calls."""
    if history.run.outbox:
        text = f"{history.run.outbox} events never reached PostgreSQL"
        yield Violation(Promise.DURABLE, "", text)
    yield from _holes(branches)
    yield from _heads(history, branches)
    yield from _forks(branches)


def _holes(branches: Branches) -> Iterator[Violation]:
    """A lost branch may lack its end, of which PostgreSQL had not heard when the power was lost."""
    for branch in branches:
        last = branch.entries[-1].row.version if branch.is_last and branch.entries else 0
        for version in (version for version in branch.holes if version < last):
            yield Violation(Promise.DURABLE, branch.life.session_id, f"PostgreSQL lacks version {version}")


def _heads(history: History, branches: Branches) -> Iterator[Violation]:
    for stored in history.stored:
        lives = branches.of.get(Life(stored.session_id, stored.epoch))
        entries = lives[-1].entries if lives else []
        ids = {entry.row.version: entry.row.change_id for entry in entries}
        for version, change_id in (*stored.events, (stored.version, stored.change_id)):
            if ids.get(version) != change_id:
                text = f"PostgreSQL lacks change {change_id} of version {version}, which Redis holds"
                yield Violation(Promise.DURABLE, stored.session_id, text)
        if ids and max(ids) != stored.version:
            text = f"Redis is at version {stored.version}, PostgreSQL at {max(ids)}"
            yield Violation(Promise.DURABLE, stored.session_id, text)


def _forks(branches: Branches) -> Iterator[Violation]:
    for (session_id, _, version), entries in branches.versions.items():
        for entry in entries:
            if entry.row.is_fork != (len(entries) > 1):
                text = f"version {version} has {len(entries)} changes, is_fork of one is {entry.row.is_fork}"
                yield Violation(Promise.DURABLE, session_id, text)
