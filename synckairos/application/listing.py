"""Many sessions as of one instant: those asked for, or all in the store, page by page."""

from collections.abc import Sequence
from typing import NamedTuple

import structlog

from synckairos.application.errors import OfOneSession, ShardUnavailable
from synckairos.application.ports import Position, SessionIndex
from synckairos.application.sessions import Sessions, View
from synckairos.domain.model import Mode, Session, Status
from synckairos.domain.tenancy import DEFAULT_TENANT
from synckairos.domain.timing import own_time

_log = structlog.get_logger(__name__)


class Filter(NamedTuple):
    """The wanted sessions; an empty part admits all."""

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


class Batch(NamedTuple):
    """Sessions as of `now` (ms) in the order asked: a view, None if there is none, or why it cannot be read."""

    found: Sequence[View | Exception | None]
    now: int


class Listing:
    """Lists sessions by (creation, id), newest first."""

    def __init__(self, sessions: Sessions, index: SessionIndex) -> None:
        self._sessions = sessions
        self._index = index

    async def at_once(self, session_ids: Sequence[str]) -> Batch:
        """Return sessions as of one instant: the earliest of those at which they were settled.

        A session that was settled later, up to an instant since, is shown at its last change. Its next boundary lies
        after that, so no clock is ever shown running at 0 left. Raises StoreUnavailable.
        """
        found = await self._sessions.look(session_ids) if session_ids else []
        instants = [view.now for view in found if isinstance(view, View) and view.session.manual_at is None]
        for session_id, one in zip(session_ids, found, strict=True):
            if isinstance(one, Exception) and not isinstance(one, OfOneSession):
                _log.error("session_not_seen", session_id=session_id, exc_info=one)
        now = min(instants) if instants else await self._sessions.now()
        seen = [View(one.session, own_time(one.session, now)) if isinstance(one, View) else one for one in found]
        return Batch(seen, now)

    async def page(self, wanted: Filter, after: Position | None, size: int, tenant: str = DEFAULT_TENANT) -> Page:
        """Look at up to `size` sessions of a tenant behind a position and return the wanted ones.

        A session that this version cannot read is left out. Raises StoreUnavailable, also where only a part of the
        store is away: nobody could tell from a page that it has a hole.
        """
        positions = await self._index.page(after, size, tenant)
        found, now = await self.at_once([position.session_id for position in positions])
        for one in found:
            if isinstance(one, ShardUnavailable):
                raise one
        admitted = [view for view in found if isinstance(view, View) and wanted.admits(view.session)]
        return Page(admitted, now, positions[-1] if len(positions) == size else None)
