"""What became of a commit whose reply was lost: the change ids in the store tell."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from synckairos.application.errors import OutcomeUnknown
from synckairos.domain.events import Event
from synckairos.domain.model import Head, Session

RESOLVE_S: Final = 0.75
"""How long a silent store is asked again; with the silence before that, the caller waits less than 2 s."""


class ReplyLost(Exception):
    """The connection broke during a commit that leads from one version to another; `answer` answers its callers."""

    def __init__(self, before: Head | None, after: Head, answer: Callable[[], None] = lambda: None) -> None:
        super().__init__("the connection broke during a commit")
        self.before = before
        self.after = after
        self.answer = answer


class UnresolvedCommits:
    """The commits of one session's calls whose replies were lost.

    Each is guarded by the WATCH of its own start, so at most one has been, or will be, applied. If one reaches Redis
    after the session is watched again, at most one of it and the next commit succeeds.
    """

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._lost: list[ReplyLost] = []
        self._until = time.monotonic() + RESOLVE_S

    def __bool__(self) -> bool:
        return bool(self._lost)

    @property
    def seconds_left(self) -> float:
        """For how long a store that does not answer may still be asked."""
        return self._until - time.monotonic()

    def add(self, lost: ReplyLost) -> None:
        """Take note of a commit."""
        self._lost.append(lost)

    def drop_defeated(self, head: Head | None) -> None:
        """Forget the commits that can never be applied, because the session is no longer at the version before them."""
        self._lost = [lost for lost in self._lost if lost.before == head]

    async def find_applied(
        self, session: Session | None, event_at: Callable[[int], Awaitable[Event | None]]
    ) -> ReplyLost | None:
        """Return the commit that led to this session or to a version before it, None if none of them did.

        Raises OutcomeUnknown if that cannot be told any more.
        """
        for lost in self._lost:
            ours = lost.after
            if session is None or (session.epoch, session.version) < (ours.epoch, ours.version):
                continue
            holder: Session | None = session
            if session.epoch != ours.epoch or session.version > ours.version:
                event = await event_at(ours.version)
                holder = event.session if event is not None else None
            if holder is None or holder.epoch != ours.epoch:
                raise self.unknown()
            if holder.change_id == ours.change_id:
                return lost
        return None

    def unknown(self) -> OutcomeUnknown:
        """Return what to raise when nothing can be told."""
        text = "the connection broke during the commit; retry with the same request_id"
        return OutcomeUnknown(text, session_id=self._session_id)
