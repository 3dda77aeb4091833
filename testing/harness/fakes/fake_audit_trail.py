"""The audit trail in memory: both of its ports, the same contract tests, no PostgreSQL.

It keeps the records as they come and works out everything else anew for every question, so that what it says cannot
depend on the order in which they came.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from synckairos.application.errors import AuditRefused, AuditUnavailable
from synckairos.application.trail.audit import (
    AuditedEvent,
    AuditedParticipant,
    AuditedSession,
    AuditRecord,
    EventQuery,
    ParticipantQuery,
    SessionAudit,
    SessionQuery,
    Written,
)
from synckairos.domain.events import EventType
from synckairos.domain.model import TERMINAL, Participant, Session
from synckairos.domain.tenancy import name_of
from testing.harness.fakes.fake_clock import FakeClock

ENDS_A_TURN = frozenset(
    {
        EventType.CYCLE_SWITCHED,
        EventType.SESSION_COMPLETED,
        EventType.SESSION_CANCELLED,
        EventType.SESSION_EXPIRED,
        EventType.PARTICIPANT_EXPIRED,
    }
)


class Identity(NamedTuple):
    """What a record is found by; within a session, also the order."""

    session_id: str
    epoch: int
    version: int
    change_id: str


class FakeAuditTrail:
    """AuditTrail and AuditReader on records in memory; while `is_away` it cannot be reached.

    `refuses` says which records are bad data, besides those with U+0000 in a text.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.is_away = False
        self.refuses: Callable[[AuditRecord], bool] = lambda _: False
        self.records: dict[Identity, AuditRecord] = {}
        self.written_at: dict[Identity, int] = {}
        self.batches: list[int] = []
        """The sizes of all batches written, in order."""

    async def write(self, records: Sequence[AuditRecord]) -> Written:
        """Keep the records, all or none; raises AuditUnavailable, AuditRefused."""
        self._reach()
        if any(has_nul(record) or self.refuses(record) for record in records):
            raise AuditRefused("bad data")
        new = {identity_of(record): record for record in reversed(records)}
        new = {identity: record for identity, record in new.items() if identity not in self.records}
        self.records |= new
        self.written_at |= dict.fromkeys(new, self.clock.ms)
        self.batches.append(len(records))
        return Written(len(new), len(records) - len(new), sum(self._is_fork(identity) for identity in new))

    async def events(self, query: EventQuery) -> list[AuditedEvent]:
        """Return a session's events in order; raises AuditUnavailable."""
        self._reach()
        found = (self._audited(one) for one in self._of(query.session_id) if _matches(self.records[one], one, query))
        page = list(islice(found, query.limit))
        return [one._replace(before=self._before(one)) for one in page] if query.with_before else page

    async def participant_events(self, query: ParticipantQuery) -> list[AuditedEvent]:
        """Return a participant's events in all sessions, in order; raises AuditUnavailable."""
        self._reach()
        found = sorted(self.records, key=lambda one: (self.records[one].event.session.updated_at, one.change_id))
        page = (self._audited(one) for one in found if _concerns(self.records[one], one, query))
        return list(islice(page, query.limit))

    async def session(self, session_id: str) -> SessionAudit | None:
        """Return what is known of a session; raises AuditUnavailable."""
        self._reach()
        identities = self._of(session_id)
        if not identities:
            return None
        records = [self.records[identity] for identity in identities]
        names = {name for record in records for name in _names(record)}
        participants = sorted((_participant(name, records) for name in names), key=_joined)
        forks = sum(self._is_fork(identity) for identity in identities)
        return SessionAudit(self._summary(session_id), tuple(participants), len(identities), forks)

    async def sessions(self, query: SessionQuery) -> list[AuditedSession]:
        """Return sessions, newest first; raises AuditUnavailable."""
        self._reach()
        summaries = [self._summary(session_id) for session_id in {one.session_id for one in self.records}]
        summaries.sort(key=lambda one: (one.session.created_at, one.session.session_id), reverse=True)
        return list(islice((one for one in summaries if _selects(query, one.session)), query.limit))

    async def latest(self, session_ids: Sequence[str]) -> list[Session | None]:
        """Return the sessions after their latest version, in the order asked; raises AuditUnavailable."""
        self._reach()
        return [self._summary(one).session if self._of(one) else None for one in session_ids]

    async def unfinished(self, after: str, count: int) -> list[Session]:
        """Return sessions that have neither ended nor been deleted, by tenant and id; raises AuditUnavailable."""
        self._reach()
        ids = sorted({one.session_id for one in self.records}, key=name_of)
        latest = [self._summary(one).session for one in ids if not after or name_of(one) > name_of(after)]
        return [one for one in latest if one.status not in TERMINAL and not one.deleted][:count]

    def _reach(self) -> None:
        if self.is_away:
            raise AuditUnavailable("the audit trail is away")

    def _of(self, session_id: str) -> list[Identity]:
        return sorted(identity for identity in self.records if identity.session_id == session_id)

    def _is_fork(self, identity: Identity) -> bool:
        return any(other != identity and other[:3] == identity[:3] for other in self.records)

    def _before(self, audited: AuditedEvent) -> Session | None:
        event = audited.record.event
        after, is_recovery = event.session, event.type is EventType.SESSION_RECOVERED
        sessions = [self.records[one].event.session for one in self._of(after.session_id)]
        near = [one for one in sessions if one.version == after.version - 1 and one.epoch <= after.epoch]
        same = [one for one in near if one.epoch == after.epoch and one.updated_at <= after.updated_at]
        return max(same or (near if is_recovery else []), key=_moment, default=None)

    def _audited(self, identity: Identity) -> AuditedEvent:
        return AuditedEvent(self.records[identity], self._is_fork(identity), self.written_at[identity])

    def _summary(self, session_id: str) -> AuditedSession:
        session = max((self.records[one].event.session for one in self._of(session_id)), key=_place)
        recorded_at = self.written_at[identity_of_session(session)]
        deleted_at = session.updated_at if session.deleted else None
        return AuditedSession(session, session.cycle_number, len(session.participants), deleted_at, recorded_at)


def identity_of_session(session: Session) -> Identity:
    """Return what identifies the change that led to a session."""
    return Identity(session.session_id, session.epoch, session.version, session.change_id)


def identity_of(record: AuditRecord) -> Identity:
    """Return what identifies a record."""
    return identity_of_session(record.event.session)


def has_nul(record: AuditRecord) -> bool:
    """Whether a text of the record has the one character that PostgreSQL cannot hold."""
    event = record.event
    labels = (text for pair in event.session.labels for text in pair)
    return any(
        "\0" in text
        for text in (*event.author, record.request_id, record.peer, record.call_id, *record.changed, *labels)
    )


def _matches(record: AuditRecord, identity: Identity, query: EventQuery) -> bool:
    event = record.event
    return (
        (query.after is None or identity[1:] > tuple(query.after))
        and (not query.types or event.type in query.types)
        and (query.participant_id is None or event.subject.participant_id == query.participant_id)
        and (query.group_id is None or event.subject.group_id == query.group_id)
        and (query.start is None or query.start <= event.session.updated_at)
        and (query.end is None or event.session.updated_at < query.end)
    )


def _concerns(record: AuditRecord, identity: Identity, query: ParticipantQuery) -> bool:
    event = record.event
    at = event.session.updated_at
    return (
        name_of(event.session.session_id).tenant == query.tenant
        and event.subject.participant_id == query.participant_id
        and (query.after is None or (at, identity.change_id) > tuple(query.after))
        and (not query.types or event.type in query.types)
        and (query.start is None or query.start <= at)
        and (query.end is None or at < query.end)
    )


def _selects(query: SessionQuery, session: Session) -> bool:
    return (
        name_of(session.session_id).tenant == query.tenant
        and (query.after is None or (session.created_at, session.session_id) < tuple(query.after))
        and (not query.statuses or session.status in query.statuses)
        and (not query.modes or session.rules.mode in query.modes)
        and (query.start is None or query.start <= session.created_at)
        and (query.end is None or session.created_at < query.end)
        and not (query.omit_deleted and session.deleted)
    )


def _place(session: Session) -> tuple[int, int, int, str]:
    return session.epoch, session.version, session.updated_at, session.change_id


def _moment(session: Session) -> tuple[int, int, str]:
    return session.epoch, session.updated_at, session.change_id


def _names(record: AuditRecord) -> Iterator[str]:
    yield from (participant.participant_id for participant in record.event.session.participants)
    removed = record.event.subject.participant_id
    if record.event.type is EventType.PARTICIPANT_REMOVED and removed is not None:
        yield removed


def _participant(name: str, records: Sequence[AuditRecord]) -> AuditedParticipant:
    sessions = [record.event.session for record in records]
    states = {
        _place(session): one for session in sessions for one in session.participants if one.participant_id == name
    }
    removals = {
        (session.epoch, session.version, session.updated_at)
        for record, session in zip(records, sessions, strict=True)
        if record.event.type is EventType.PARTICIPANT_REMOVED and record.event.subject.participant_id == name
    }
    removed = max(removals, default=None)
    present = [
        session.updated_at for session in sessions if any(name == p.participant_id for p in session.participants)
    ]
    state = states[max(states)] if states else Participant(name, 0)
    turns = [s for s in sessions if s.active_participant is not None and s.active_participant.participant_id == name]
    return AuditedParticipant(
        participant_id=name,
        group_id=state.group_id,
        total_time_ms=state.clock.allotted_ms,
        total_cycles=state.cycle_count,
        total_time_active_ms=state.clock.used_ms + state.clock.overtime_ms,
        added_at=min((*present, *(at for _, _, at in removals))),
        removed_at=removed[2] if removed and (not states or removed[:2] >= max(states)[:2]) else None,
        first_active_at=min((s.cycle_started_at or s.updated_at for s in turns), default=None),
        last_active_at=max((*(s.updated_at for s in turns), *_turn_ends(name, records)), default=None),
    )


def _turn_ends(name: str, records: Sequence[AuditRecord]) -> Iterator[int]:
    for record in records:
        event = record.event
        ends = event.type in ENDS_A_TURN or (event.type is EventType.PARTICIPANT_REMOVED and event.subject.elapsed_ms)
        if ends and event.subject.participant_id == name:
            yield event.session.updated_at


def _joined(participant: AuditedParticipant) -> tuple[int, str]:
    return participant.added_at, participant.participant_id
