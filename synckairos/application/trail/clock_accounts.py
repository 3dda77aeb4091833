"""Clocks explained from the trail, page by page: a page goes on with what the one before came to, from where it ended.

Only the events that concern the clock are read. What a store left behind that came back without its last moments, or
an earlier life of the session beyond the version from which it was recovered, led to nothing and is passed over.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, NamedTuple

from synckairos.application.trail.audit import AuditedEvent, AuditReader, EventKey, EventQuery
from synckairos.domain.adjustment import check_holder
from synckairos.domain.clock_accounts.account import POSTED, Account, Line, balance_at, flows_among_all
from synckairos.domain.clock_accounts.entries import Holder
from synckairos.domain.errors import FieldViolation, GroupNotFound, InvalidField, ParticipantNotFound, SessionNotFound
from synckairos.domain.events import EventType
from synckairos.domain.model import BANK_MODES, Session

STARTS: Final = frozenset({EventType.SESSION_CREATED, EventType.SESSION_RECOVERED})
"""The events that begin a life of a session."""
READ_AT_ONCE: Final = 16
"""Events read at once, each with the session before it: decoding them blocks the event loop."""
MAX_FORKS: Final = 16
FIRST_ID: Final = "00000000-0000-0000-0000-000000000000"
LAST_ID: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class ClockPlace(NamedTuple):
    """Where a page ended: `shown` of the lines that follow the event at `key` are on it.

    The lines up to that event sum to `balance_ms` (None: there are none), and the account leads to version `until`.
    """

    key: EventKey
    balance_ms: int | None
    shown: int
    until: int


class ClockQuery(NamedTuple):
    """Whose clock in which session, up to which version (0: the latest); `limit` is the most lines on the page."""

    session_id: str
    holder: Holder
    version: int
    after: ClockPlace | None
    limit: int


class ClockPage(NamedTuple):
    """A page of a clock's account; all lines of all pages sum to `balance_ms`, and `following` is None on the last."""

    lines: list[Line]
    balance_ms: int
    following: ClockPlace | None


async def explain_clock(reader: AuditReader, query: ClockQuery) -> ClockPage:
    """Return a page of the account of a clock.

    Raises SessionNotFound, ParticipantNotFound or GroupNotFound for what had not been there up to that version,
    InvalidField for a holder that has no clock, and for a version that the trail does not hold; AuditUnavailable.
    """
    (latest,) = await reader.latest([query.session_id])
    if latest is None:
        raise SessionNotFound(query.session_id)
    _check_clock(latest, query.holder)
    until = query.after.until if query.after else query.version or latest.version
    history = _History(reader, latest, query, until, await _starts(reader, latest, query))
    target = latest if until == latest.version else await history.session_at(until)
    balance_ms = balance_at(target, query.holder)
    if balance_ms is None:
        balance_ms = await history.left_behind()
    place = query.after or ClockPlace(history.begin, None, 0, until)
    account, page = Account(query.holder, place.balance_ms), _Page(query.limit, place)
    async with aclosing(history.events(place.key, target.epoch)) as events:
        async for audited in events:
            if not page.take(account.post(audited.before, audited.record.event)):
                return ClockPage(page.lines, balance_ms, page.place)
            page.place = ClockPlace(_key(audited), account.balance_ms, 0, until)
    is_all = page.take(account.close(target))
    return ClockPage(page.lines, balance_ms, None if is_all else page.place)


def _check_clock(session: Session, holder: Holder) -> None:
    check_holder(session.rules.mode, *holder)
    if session.rules.mode not in BANK_MODES and session.clock.bank_ms is None:
        problem = "the session has no limit (max_time_ms): its clock has nothing to explain"
        raise InvalidField([FieldViolation("session_id", problem)])


async def _starts(reader: AuditReader, latest: Session, query: ClockQuery) -> list[AuditedEvent]:
    """Return the events that began the session's lives; of one that was never recovered, only for the first page."""
    asked = EventQuery(query.session_id, None, READ_AT_ONCE, STARTS, with_before=True)
    if not latest.recovered:
        if query.after is not None:
            return []
        begin = EventKey(latest.epoch, 0, FIRST_ID)
        first = await reader.events(asked._replace(after=begin, types=frozenset(), limit=1))
        return [one for one in first if one.record.event.type in STARTS]
    return [one async for one in _all(reader, asked)]


async def _all(reader: AuditReader, asked: EventQuery) -> AsyncGenerator[AuditedEvent, None]:
    """Yield the events of all pages."""
    while page := await reader.events(asked):
        for audited in page:
            yield audited
        asked = asked._replace(after=_key(page[-1]))


class _Page:
    """Lines up to a limit, and the place where they end."""

    def __init__(self, limit: int, place: ClockPlace) -> None:
        self.lines: list[Line] = []
        self.place = place
        self._limit = limit

    def take(self, lines: list[Line]) -> bool:
        """Take the lines that follow the place, but for those shown already; False if not all of them fit."""
        fresh = lines[self.place.shown :]
        room = self._limit - len(self.lines)
        self.lines += fresh[:room]
        if len(fresh) <= room:
            return True
        self.place = self.place._replace(shown=self.place.shown + room)
        return False


class _History:
    """The events about a clock that led to a version of its session."""

    def __init__(
        self, reader: AuditReader, latest: Session, query: ClockQuery, until: int, starts: list[AuditedEvent]
    ) -> None:
        self._reader = reader
        self._until = until
        self._starts = starts
        sessions = [one.record.event.session for one in starts]
        self._firsts = {one.epoch: one.version for one in sessions} if latest.recovered else {latest.epoch: 1}
        self.begin = EventKey(
            max([epoch for epoch, first in self._firsts.items() if first == 1], default=0), 0, FIRST_ID
        )
        participant_id, group_id = query.holder
        is_own = not flows_among_all(latest)
        self._asked = EventQuery(
            query.session_id,
            self.begin,
            READ_AT_ONCE,
            POSTED - STARTS,
            participant_id=participant_id or None if is_own else None,
            with_before=True,
            group_id=group_id or None if is_own else None,
        )
        self._holder = query.holder

    async def session_at(self, version: int) -> Session:
        """Return the session at a version; raises InvalidField."""
        epoch = max([epoch for epoch, first in self._firsts.items() if first <= version], default=0)
        forks = await self._forks(epoch, version)
        if not forks:
            raise InvalidField([FieldViolation("version", f"the trail does not hold version {version}")])
        return max(forks, key=_moment)

    async def left_behind(self) -> int:
        """Return what a holder that is not in the session any more left it with, in ms; raises if it never was."""
        participant_id, group_id = self._holder
        if group_id:
            raise GroupNotFound(group_id)
        asked = self._asked._replace(types=frozenset({EventType.PARTICIPANT_REMOVED}), participant_id=participant_id)
        last: AuditedEvent | None = None
        async for audited in _all(self._reader, asked):
            last = audited if await self._leads_here(audited) else last
        if last is None:
            raise ParticipantNotFound(participant_id)
        account = Account(self._holder)
        account.post(last.before, last.record.event)
        return account.balance_ms or 0

    async def events(self, after: EventKey, epoch: int) -> AsyncGenerator[AuditedEvent, None]:
        """Yield the events after a key, in order, each with the session before it; `epoch` is that of the last life."""
        starts = [one for one in self._starts if _key(one) > after and await self._leads_here(one)]
        async with aclosing(_all(self._reader, self._asked._replace(after=after))) as found:
            async for audited in found:
                key = _key(audited)
                if key[:2] > (epoch, self._until):
                    break
                while starts and _key(starts[0]) < key:
                    yield starts.pop(0)
                if await self._leads_here(audited):
                    yield audited
        for one in starts:
            yield one

    async def _leads_here(self, audited: AuditedEvent) -> bool:
        """Whether the version that is explained came from this one."""
        session = audited.record.event.session
        if session.version > self._until:
            return False
        if any(epoch > session.epoch and first <= session.version for epoch, first in self._firsts.items()):
            return False
        if not audited.is_fork:
            return True
        return session == max(await self._forks(session.epoch, session.version), key=_moment)

    async def _forks(self, epoch: int, version: int) -> list[Session]:
        """Return all that the trail holds of a version: several if a store came back without its last moments."""
        asked = EventQuery(self._asked.session_id, EventKey(epoch, version - 1, LAST_ID), MAX_FORKS)
        sessions = [one.record.event.session for one in await self._reader.events(asked)]
        return [one for one in sessions if (one.epoch, one.version) == (epoch, version)]


def _moment(session: Session) -> tuple[int, str]:
    """Return what decides between forks: the later one counts, then the greater id, as for the trail's summaries."""
    return session.updated_at, session.change_id


def _key(audited: AuditedEvent) -> EventKey:
    session = audited.record.event.session
    return EventKey(session.epoch, session.version, session.change_id)
