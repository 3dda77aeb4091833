"""What `synckairos top` knows: the newest sessions of a server, read again and again, counted and sorted."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from synckairos.cli.sessions.reading import sessions
from synckairos.cli.views.readings import readings
from synckairos.cli.views.words import TERMINAL, mode_word, status_word, title_of
from synckairos.client import SyncKairos
from synckairos.client.session_clock import SessionClock


class Order(StrEnum):
    """What a table of sessions is sorted by."""

    left = "left"
    newest = "newest"
    changed = "changed"
    status = "status"
    name = "name"
    cycle = "cycle"


class Row:
    """A session, and what its running clock shows at an instant (ms)."""

    __slots__ = ("clock", "session", "shown_ms")

    def __init__(self, clock: SessionClock, now_ms: int) -> None:
        self.clock = clock
        self.session = clock.session
        running = [one for one in readings(clock, now_ms) if one.is_running]
        self.shown_ms = running[0].shown_ms if running else None

    def told(self) -> dict[str, Any]:
        """Return the row as what JSON has."""
        session = self.session
        return {
            "session_id": session.session_id,
            "name": title_of(session),
            "status": status_word(session.status),
            "mode": mode_word(session.mode),
            "version": session.version,
            "cycle_number": session.cycle_number,
            "active_participant_id": session.active_participant_id,
            "shown_ms": self.shown_ms,
        }


_FIRST: Final[dict[Order, Callable[[Row], Any]]] = {
    Order.left: lambda row: (row.shown_ms is None, row.shown_ms or 0, row.session.status),
    Order.newest: lambda row: -row.session.created_at.ToMilliseconds(),
    Order.changed: lambda row: -row.session.updated_at.ToMilliseconds(),
    Order.status: lambda row: (row.session.status, -row.session.updated_at.ToMilliseconds()),
    Order.name: lambda row: (not title_of(row.session), title_of(row.session).lower()),
    Order.cycle: lambda row: -row.session.cycle_number,
}


@dataclass
class Board:
    """The newest `most` sessions as they were read last."""

    most: int
    found: list[SessionClock] = field(default_factory=list)
    changes_a_second: float = 0.0
    _versions: dict[str, int] = field(default_factory=dict)
    _read_at_ms: int = 0

    async def read(self, client: SyncKairos, **filters: Any) -> None:  # noqa: ANN401 - each of its own type
        """Read the sessions anew; raises what the call raises, and then stays as it was."""
        found = [each async for each in sessions(client, self.most, **filters)]
        at_ms = found[0].taken_at_ms if found else 0
        versions = {one.session.session_id: one.session.version for one in found}
        changes = sum(version - self._versions.get(one, version) for one, version in versions.items())
        passed_ms = at_ms - self._read_at_ms
        self.changes_a_second = changes * 1_000 / passed_ms if self._read_at_ms and passed_ms > 0 else 0.0
        self.found, self._versions, self._read_at_ms = found, versions, at_ms

    def counts(self) -> dict[int, int]:
        """Return how many sessions have each status."""
        return dict(sorted(Counter(one.session.status for one in self.found).items()))

    def rows(self, now_ms: int, order: Order, *, backwards: bool = False, ended: bool = True) -> list[Row]:
        """Return the sessions as they stand at an instant, in an order; those that have ended if wanted."""
        rows = [Row(one, now_ms) for one in self.found if ended or one.session.status not in TERMINAL]
        return sorted(rows, key=_FIRST[order], reverse=backwards)
