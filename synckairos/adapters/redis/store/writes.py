"""The commands between MULTI and EXEC that store a decision."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from synckairos.adapters.redis.connections.wire import RedisCommand
from synckairos.adapters.redis.keys import SessionKeys
from synckairos.adapters.redis.values import codec
from synckairos.adapters.redis.values.decoded_sessions import DecodedSessions
from synckairos.adapters.redis.values.outbox_entry import changes, outbox_fields
from synckairos.application.errors import SessionTooLarge
from synckairos.application.ports import Decision, Reading, Remembered, Request
from synckairos.domain import timing
from synckairos.domain.events import Event, EventType
from synckairos.domain.model import DAY_MS, Session
from synckairos.domain.tenancy import DEFAULT_TENANT
from synckairos.domain.timing import Boundary, Lifetimes

TOMBSTONE_MS: Final = DAY_MS
"""How long the id of a deleted session stays taken."""
DELETED_EVENTS_MS: Final = 600_000
"""How long the events of a deleted session stay readable."""
BELT_MS: Final = DAY_MS
"""How far beyond the removal of an ended session Redis itself lets its keys expire, should every sweep have failed."""

MAX_SESSION_BYTES: Final = 256 * 1024
GROWING: Final = frozenset({EventType.SESSION_CREATED, EventType.PARTICIPANT_ADDED, EventType.SESSION_UPDATED})
"""Changes held to the limit; the others grow a session by a few digits at most and must never be stuck."""


class Commit(NamedTuple):
    """The commands between MULTI and EXEC, and when (ms) the session changes by itself after them, if it does."""

    commands: list[RedisCommand]
    next_boundary: int | None = None


def superseded(keys: SessionKeys, commands: Sequence[RedisCommand]) -> list[RedisCommand]:
    """Return the commands of a change without those that the next change in the transaction repeats."""
    said_again = (keys.session, keys.deadlines)
    return [one for one in commands if one[1] not in said_again and one[0] not in {"PEXPIRE", "PERSIST"}]


class CommitWriter:
    """Turns a decision into the commands that store it."""

    def __init__(
        self, lifetimes: Lifetimes, *, event_window: int, request_ttl_ms: int, is_cluster: bool = False
    ) -> None:
        """On a cluster hints stay on the node of their session, instead of going to all of them."""
        self._lifetimes = lifetimes
        self._event_window = event_window
        self._request_ttl_ms = request_ttl_ms
        self._publish = "SPUBLISH" if is_cluster else "PUBLISH"
        self.decoded = DecodedSessions()
        """What was written last, for whoever reads it next."""

    def commit(
        self, keys: SessionKeys, session_id: str, request: Request, reading: Reading, decision: Decision[Any]
    ) -> Commit:
        """Return the commands that store a decision, none if it stores nothing; raises SessionTooLarge."""
        if decision.remove and reading.session is not None:
            return Commit(self._removal(keys, session_id, reading.session))
        events = decision.events
        if decision.again:
            return Commit(self._again(keys, request, reading))
        if not events:
            return Commit(self._remembering(keys, request, decision, 0, 0))
        encoded = [codec.encode_session(event.session) for event in events]
        last = events[-1].session
        if events[-1].type in GROWING and len(encoded[-1]) > MAX_SESSION_BYTES:
            raise SessionTooLarge(len(encoded[-1]), MAX_SESSION_BYTES)
        self.decoded.remember(encoded[-1], last)
        is_new_life = reading.session is None or reading.session.epoch != last.epoch
        commands: list[RedisCommand] = [("DEL", keys.events)] if is_new_life else []
        boundary = timing.next_boundary(last, self._lifetimes)
        commands += _stored(keys, last, encoded[-1], boundary, self._ttl_ms(last))
        commands += self._records(keys, session_id, request, reading.session, events, encoded)
        events_ttl_ms = DELETED_EVENTS_MS if last.deleted else self._ttl_ms(last)
        commands.append(("PEXPIRE", keys.events, events_ttl_ms) if events_ttl_ms else ("PERSIST", keys.events))
        if is_new_life:
            commands.append(("ZADD", keys.live, 0, codec.live_member(last)))
            if keys.tenant != DEFAULT_TENANT:
                commands.append(("SADD", keys.tenants, keys.tenant))
        commands += self._remembering(keys, request, decision, last.epoch, last.version)
        return Commit(commands, boundary.at if boundary else None)

    def _ttl_ms(self, session: Session) -> int | None:
        """Return how long the keys may stay; None for ever: what has not ended never leaves the store by itself."""
        if session.deleted:
            return TOMBSTONE_MS
        return BELT_MS + self._lifetimes.terminal_ms if session.is_terminal else None

    def _again(self, keys: SessionKeys, request: Request, reading: Reading) -> list[RedisCommand]:
        if reading.remembered is not None:
            if reading.remembered.fingerprint != request.fingerprint:
                return []
            value = codec.encode_request(reading.remembered)
            return [("SET", keys.request_prefix + request.request_id, value, "PX", self._request_ttl_ms)]
        if reading.session is None:
            return []
        ttl_ms = self._ttl_ms(reading.session)
        return [("SET", keys.session, codec.encode_session(reading.session), *(("PX", ttl_ms) if ttl_ms else ()))]

    def _remembering(
        self, keys: SessionKeys, request: Request, decision: Decision[Any], epoch: int, version: int
    ) -> list[RedisCommand]:
        if not (decision.answers and request.request_id):
            return []
        value = codec.encode_request(Remembered(request.fingerprint, epoch, version))
        return [("SET", keys.request_prefix + request.request_id, value, "PX", self._request_ttl_ms)]

    def _records(
        self,
        keys: SessionKeys,
        session_id: str,
        request: Request,
        before: Session | None,
        events: Sequence[Event],
        encoded: list[bytes],
    ) -> list[RedisCommand]:
        commands: list[RedisCommand] = []
        for place, (event, session) in enumerate(zip(events, encoded, strict=True)):
            record = codec.encode_event(event, session)
            if len(events) - place <= self._event_window:
                # Older ones would only be trimmed again by the newer ones of the same transaction.
                window = ("MAXLEN", self._event_window)
                entry = ("e", record, "b", codec.pack_id(before.change_id)) if before is not None else ("e", record)
                commands.append(("XADD", keys.events, *window, f"{event.session.version}-0", *entry))
            fields = outbox_fields(session_id, record, changes(before, event.session), request)
            commands.append(("XADD", keys.outbox, "*", *fields))
            commands.append((self._publish, keys.updates, record))
            before = event.session
        return commands

    def _removal(self, keys: SessionKeys, session_id: str, session: Session) -> list[RedisCommand]:
        return [
            ("DEL", keys.session, keys.events),
            ("ZREM", keys.deadlines, session_id),
            ("ZREM", keys.live, codec.live_member(session)),
            (self._publish, keys.updates, b""),
        ]


def _stored(
    keys: SessionKeys, session: Session, encoded: bytes, boundary: Boundary | None, ttl_ms: int | None
) -> list[RedisCommand]:
    write: RedisCommand = ("SET", keys.session, encoded, *(("PX", ttl_ms) if ttl_ms else ()))
    if boundary is None:
        return [write, ("ZREM", keys.deadlines, session.session_id), ("ZREM", keys.live, codec.live_member(session))]
    return [write, ("ZADD", keys.deadlines, boundary.at, session.session_id)]
