"""Brings back every session that the store has lost, page by page and many at once.

A run that is broken off, repeated, or made by two operators at once does no harm: sessions that are there are passed
over, and each missing one is brought back once.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import structlog

from synckairos.application.concurrency import all_of
from synckairos.application.errors import OutcomeUnknown, StoreUnavailable
from synckairos.application.ports import Request
from synckairos.application.recovery import WAITING, Recovery, RecoveryOver, Unwritten, soon
from synckairos.application.trail.audit import AuditReader
from synckairos.domain.errors import Refusal, SessionAlreadyExists
from synckairos.domain.events import Author
from synckairos.domain.model import Session
from synckairos.domain.recovery import RecoveryPolicy

PAGE: Final = 1_000
READING: Final = 250
"""Sessions looked for in one exchange with the store."""
AT_ONCE: Final = 48
PATIENCE_S: Final = 15.0
"""How long a session waits for a silent store before the run is broken off."""
PAUSE_S: Final = 0.2

_log = structlog.get_logger(__name__)


class Failure(NamedTuple):
    """A session that could not be brought back, and why."""

    session_id: str
    problem: str


@dataclass(slots=True)
class Tally:
    """The counts of a run so far; `found` sessions are unfinished in the trail, all of them once `is_all_found`.

    `recovered` includes those that a dry run would recover; the store held the `present` ones, and the `refused` ones
    may not come back.
    """

    found: int = 0
    is_all_found: bool = False
    recovered: int = 0
    present: int = 0
    refused: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def done(self) -> int:
        """The number of sessions dealt with."""
        return self.recovered + self.present + self.refused + len(self.failures)


@dataclass(frozen=True, slots=True)
class MassRecovery:
    """One run over the whole trail."""

    recovery: Recovery
    reader: AuditReader
    unwritten: Unwritten
    policy: RecoveryPolicy
    author: Author
    is_store_lost: bool = False
    """Whether no server uses the store: then no session can end in it while the trail is being read."""
    is_dry: bool = False
    on_progress: Callable[[Tally], None] = lambda _: None
    tally: Tally = field(default_factory=Tally)

    async def run(self) -> Tally:
        """Bring back all missing sessions and return the tally; `tally` holds it, too, if the run breaks off.

        Raises AuditUnavailable, StoreUnavailable; then recovered sessions stay, and another run goes on from there.
        """
        waiting = await self.unwritten.everywhere() if self.is_store_lost else set()
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                await self._bring_back(page, waiting)
                self.on_progress(self.tally)
        return self.tally

    async def _pages(self) -> AsyncGenerator[list[Session], None]:
        """Yield the pages of the trail, reading the next one meanwhile."""
        reading = asyncio.ensure_future(self.reader.unfinished("", PAGE))
        try:
            while True:
                page = await reading
                self.tally.found += len(page)
                self.tally.is_all_found = len(page) < PAGE
                if not self.tally.is_all_found:
                    reading = asyncio.ensure_future(self.reader.unfinished(page[-1].session_id, PAGE))
                yield page
                if self.tally.is_all_found:
                    return
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _bring_back(self, page: list[Session], waiting: set[str]) -> None:
        missing = await self._missing(page)
        if self.is_store_lost:
            missing = self._without(waiting, missing)
        elif missing:
            missing = await self._confirmed(missing)
        if self.is_dry:
            self.tally.recovered += len(missing)
        else:
            await self._at_once(iter(missing))

    async def _missing(self, page: list[Session]) -> list[Session]:
        missing: list[Session] = []
        for start in range(0, len(page), READING):
            missing += await self.recovery.missing(page[start : start + READING])
        self.tally.present += len(page) - len(missing)
        return missing

    async def _confirmed(self, missing: list[Session]) -> list[Session]:
        """Ask the trail again: a missing session may have ended and been removed since the page was read."""
        session_ids = [session.session_id for session in missing]
        waiting = await self.unwritten.among(session_ids)
        latest = await self.reader.latest(session_ids)
        unfinished = [one for one in latest if one is not None and not one.is_terminal and not one.deleted]
        self.tally.refused += len(missing) - len(unfinished)
        return self._without(waiting, unfinished)

    def _without(self, waiting: set[str], missing: list[Session]) -> list[Session]:
        held_up = [session.session_id for session in missing if session.session_id in waiting]
        self.tally.failures += [Failure(session_id, WAITING) for session_id in held_up]
        return [session for session in missing if session.session_id not in waiting]

    async def _at_once(self, missing: Iterator[Session]) -> None:
        async def work() -> None:
            for last in missing:
                await self._one(last)

        await all_of([work() for _ in range(AT_ONCE)])

    async def _one(self, last: Session) -> None:
        session_id = last.session_id
        try:
            await self._patiently(last)
        except SessionAlreadyExists:
            self.tally.present += 1
        except Refusal:
            self.tally.refused += 1
        except (StoreUnavailable, OutcomeUnknown):
            raise
        except Exception as error:
            # One session that cannot come back must not hold up the others.
            _log.warning("session_not_recovered", session_id=session_id, exc_info=error)
            self.tally.failures.append(Failure(session_id, str(error) or type(error).__name__))
        else:
            self.tally.recovered += 1
        self.on_progress(self.tally)

    async def _patiently(self, last: Session) -> None:
        """Bring one session back; the sweep does what is due beyond one transaction."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                await self.recovery.bring_back(last, self.policy, self.author, Request(), soon())
            except RecoveryOver:
                raise
            except (StoreUnavailable, OutcomeUnknown):
                # After an unknown outcome the next attempt finds the session there, or brings it back.
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(PAUSE_S)
            else:
                return
