"""What became of a commit whose reply was lost: judged by the change ids that the store holds."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from synckairos.application.errors import OutcomeUnknown
from synckairos.application.ports import Plan, Reading
from synckairos.domain.events import Event
from synckairos.domain.model import Session

RESOLVE_S: Final = 0.75
"""How long a store that does not answer is asked again: with the silence before it, less than 2 s for the caller."""


class ReplyLost(Exception):
    """The connection broke during the commit of a plan that was made from a reading.

    `answer` answers the callers behind the plan; they answer with what they decided last, so it may have to be
    decided once more (True).
    """

    def __init__(self, reading: Reading, plan: Plan, answer: Callable[[bool], None] = lambda _: None) -> None:
        super().__init__("the connection broke during a commit")
        self.reading = reading
        self.plan = plan
        self.answer = answer


class LostCommits:
    """The commits of one session's calls whose replies were lost.

    Each of them is guarded by the WATCH of its own start, so at most one has been, or will yet be, applied. One that
    arrives after the session is watched again defeats the next commit, or is defeated by it.
    """

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._lost: list[ReplyLost] = []
        self.latest: Plan | None = None
        """The plan that was decided on last, lost or not."""
        self._until = 0.0

    def __bool__(self) -> bool:
        return bool(self._lost)

    @property
    def seconds_left(self) -> float:
        """For how long a store that does not answer may still be asked."""
        return self._until - time.monotonic()

    def add(self, lost: ReplyLost) -> None:
        """Take note of a commit."""
        if not self._lost:
            self._until = time.monotonic() + RESOLVE_S
        self._lost.append(lost)

    def drop_defeated(self, session: Session | None) -> None:
        """Forget those that can never be applied, the session being another one than they were made from."""
        self._lost = [lost for lost in self._lost if _identity(lost.reading.session) == _identity(session)]

    async def applied(
        self, session: Session | None, event_at: Callable[[int], Awaitable[Event | None]]
    ) -> ReplyLost | None:
        """Return the one that led to this session or to a version before it, None if none of them has.

        Raises OutcomeUnknown if that cannot be told any more.
        """
        for lost in self._lost:
            ours = lost.plan.events[-1].session
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


def _identity(session: Session | None) -> tuple[int, int, str] | None:
    return None if session is None else (session.epoch, session.version, session.change_id)
