"""What the store holds, page by page."""

from collections.abc import Sequence
from typing import NamedTuple

from synckairos.application.ports import Position, SessionIndex
from synckairos.application.sessions import Sessions, View
from synckairos.domain.model import Mode, Session, Status


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

    async def page(self, wanted: Filter, after: Position | None, size: int) -> Page:
        """Return the page behind a position: up to `size` sessions looked at, those wanted returned.

        Raises CatchingUp, StoreUnavailable.
        """
        positions = await self._index.page(after, size)
        views = await self._sessions.get_many([position.session_id for position in positions]) if positions else []
        found = [view for view in views if view is not None]
        now = max((view.now for view in found), default=0) or await self._sessions.now()
        admitted = [View(view.session, now) for view in found if wanted.admits(view.session)]
        return Page(admitted, now, positions[-1] if len(positions) == size else None)
