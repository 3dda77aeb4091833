"""Compares what callers were told with what PostgreSQL holds."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg

from bench.load import Change, Ledger

EVENTS: Final = """
SELECT session_id::text, epoch, version, change_id::text, coalesce(request_id::text, '') AS request_id, is_fork
FROM sync_events
"""


class Verdict(NamedTuple):
    """What became of a run.

    `told` changes were answered OK; `lost` of them are not in PostgreSQL as the caller's own request, `doubled` rows
    stand for a request that another row stands for too, or repeat an identity. `rows` are there, of which `untold`
    nobody heard of (the reply was lost with its server). `forks` rows share a version with another change and
    `unflagged` of them do not say so; `holes` are versions missing below a session's last one.
    """

    told: int
    rows: int
    lost: int
    doubled: int
    untold: int
    forks: int
    unflagged: int
    holes: int

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled, forked or left out."""
        return not (self.lost or self.doubled or self.forks or self.holes)


def judge(rows: Sequence[asyncpg.Record], ledger: Ledger) -> tuple[Verdict, set[Change]]:
    """Count the rows that EVENTS has found against the ledger; return the verdict and what was lost."""
    requests: dict[Change, set[str]] = {}
    identities: Counter[tuple[Change, str]] = Counter()
    answers: Counter[str] = Counter()
    flagged = 0
    latest: dict[tuple[str, int], int] = {}
    for row in rows:
        change = Change(row["session_id"], row["epoch"], row["version"])
        requests.setdefault(change, set()).add(row["request_id"])
        identities[change, row["change_id"]] += 1
        answers[row["request_id"]] += bool(row["request_id"])
        flagged += row["is_fork"]
        life = (change.session_id, change.epoch)
        latest[life] = max(latest.get(life, 0), change.version)
    versions = Counter(change for change, _ in identities)
    forks = sum(count for count in versions.values() if count > 1)
    lost = {change for change, told in ledger.told.items() if told.request_id not in requests.get(change, ())}
    repeated = sum(count - 1 for count in identities.values())
    verdict = Verdict(
        told=len(ledger.told),
        rows=len(rows),
        lost=len(lost),
        doubled=repeated + sum(count - 1 for count in answers.values() if count > 1),
        untold=len(requests.keys() - ledger.told.keys()),
        forks=forks,
        unflagged=forks - flagged,
        holes=sum(latest.values()) - len(versions),
    )
    return verdict, lost
