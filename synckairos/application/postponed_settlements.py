"""The sessions that could not be settled: each is tried again after a growing pause, and told of once."""

import time
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

SHORTEST_S: Final = 1.0
LONGEST_S: Final = 60.0


@dataclass(slots=True)
class _Postponement:
    boundary: int
    until: float
    pause_s: float


class Postponed:
    """Remembers sessions by the boundary (ms) that could not be settled; with another boundary it is tried at once."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Postponement] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def note(self, session_id: str, boundary: int) -> bool:
        """Put a session off; return whether this is its first failure."""
        known = self._sessions.get(session_id)
        pause_s = min(LONGEST_S, 2 * known.pause_s) if known else SHORTEST_S
        self._sessions[session_id] = _Postponement(boundary, time.monotonic() + pause_s, pause_s)
        return known is None

    def holds(self, session_id: str, boundary: int) -> bool:
        """Whether a session is not to be tried yet."""
        known = self._sessions.get(session_id)
        return known is not None and known.boundary == boundary and time.monotonic() < known.until

    def forget(self, session_id: str) -> None:
        """Take note that a session could be settled, or was changed."""
        self._sessions.pop(session_id, None)

    def keep(self, session_ids: AbstractSet[str]) -> None:
        """Forget all but these, the others being due no more."""
        for gone in self._sessions.keys() - session_ids:
            del self._sessions[gone]
