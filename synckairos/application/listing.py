"""Many sessions as of one instant: those asked for, or what the store holds, page by page."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from synckairos.application.ports import Position, SessionIndex
from synckairos.application.sessions import Sessions, View
from synckairos.domain.model import Mode, Session, Status

MAX_READINGS: Final = 3
"""Readings made for one instant; each but the first because something due was settled during the one before."""


class Filter(NamedTuple):
    """Which sessions are wanted; an empty part wants all."""

    statuses: frozenset[Status] = frozenset()
    modes: frozenset[Mode] = frozenset()
    labels: tuple[tuple[str, str], ...] = ()

    def admits(self, session: Session) -> bool:
        """Whether the session is wanted."""
        return (
            (not self.statuses or session.status in self.statuses)
            and (not self.modes or session.rules.mode in self.modes)
            and set(self.labels) <= set(session.labels)
        )


class Page(NamedTuple):
    """Sessions as of `now` (ms), newest first, and where the next page begins; None after the last."""

    views: Sequence[View]
    now: int
    next: Position | None


class Listing:
    """Lists sessions by (creation, id), newest first."""

    def __init__(self, sessions: Sessions, index: SessionIndex) -> None:
        self._sessions = sessions
        self._index = index

    async def at_once(self, session_ids: Sequence[str]) -> tuple[list[View | None], int]:
        """Return sessions in the order asked, None for those that do not exist, and the instant (ms) they are seen at.

        Settling takes time in which others fall due, and nobody is shown as running at 0 left: then all are read anew.
        Raises CatchingUp, StoreUnavailable.
        """
        views: list[View | None] = []
        instants: set[int] = set()
        for _ in range(MAX_READINGS):
            views = await self._sessions.get_many(session_ids) if session_ids else []
            instants = {view.now for view in views if view is not None}
            if len(instants) <= 1:
                break
        return views, max(instants, default=0) or await self._sessions.now()

    async def page(self, wanted: Filter, after: Position | None, size: int) -> Page:
        """Return the page behind a position: up to `size` sessions looked at, those wanted returned.

        Raises CatchingUp, StoreUnavailable.
        """
        positions = await self._index.page(after, size)
        views, now = await self.at_once([position.session_id for position in positions])
        admitted = [View(view.session, now) for view in views if view is not None and wanted.admits(view.session)]
        return Page(admitted, now, positions[-1] if len(positions) == size else None)
