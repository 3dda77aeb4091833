"""How an event waits in an outbox: the fields of a stream entry.

    s  session id        e  the event's record (codec.py)          c  what changed, a number
    q  request id, if any                                          p  peer, if any
    i  x-request-id of the call, if any                            t  traceparent of the call, if it is recorded

`c` has a bit for every field of the session, by its place in a table that only ever grows: entries outlive the
version of the program that wrote them.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from synckairos.adapters.redis.connections.wire import RedisCommand, Reply
from synckairos.adapters.redis.values import codec
from synckairos.application.ports import Request
from synckairos.application.trail.audit import AuditRecord, OutboxEntry
from synckairos.application.trail.field_changes import UNNAMED
from synckairos.domain.model import Session

FIELDS: Final = (
    "participants", "active", "cycle_number", "cycle_started_at", "resumed_at", "carried_ms", "charged_ms", "groups",
    "clock", "status", "paused_at", "started_at", "completed_at", "expired_participant_id", "expired_group_id",
    "winner_participant_id", "winner_group_id", "first_participant_id", "metadata", "labels", "deleted", "recovered",
    "rules", "created_at", "epoch", "session_id", "idle_ttl_ms", "ran_ms", "limit_passed", "manual_at",
)  # fmt: skip
"""Bit 0 first. Never reorder or remove, only append. Fields that change often come first and make small numbers."""

_BITS: Final = tuple(0 if name in UNNAMED else 1 << FIELDS.index(name) for name in Session._fields)


def changes(before: Session | None, after: Session) -> int:
    """Return the bits of the fields that differ; 0 for a new session."""
    if before is None:
        return 0
    told = 0
    # mypyc would compile a loop over the union of what a session's fields are, and refuse all else.
    olds: tuple[object, ...] = before
    news: tuple[object, ...] = after
    for bit, old, new in zip(_BITS, olds, news, strict=True):
        if old is not new and old != new:
            told |= bit
    return told


@lru_cache(maxsize=4_096)
def names_of(told: int) -> tuple[str, ...]:
    """Return the names of the fields, leaving out bits that a newer version of the program has added."""
    return tuple(name for place, name in enumerate(FIELDS) if told >> place & 1)


def outbox_fields(session_id: str, record: bytes, told: int, request: Request) -> RedisCommand:
    """Return the fields of an entry, each name followed by its value; empty ones are left out."""
    fields: RedisCommand = ("s", session_id, "e", record, "c", told)
    if request.request_id:
        fields += ("q", request.request_id)
    if request.peer:
        fields += ("p", request.peer)
    if request.call_id:
        fields += ("i", request.call_id)
    if request.trace:
        fields += ("t", request.trace)
    return fields


def read_entry(partition: int, reply: Reply) -> OutboxEntry:
    """Return an entry of a stream; one that cannot be read has a problem instead of a record."""
    raw_id, flat = reply
    entry_id = bytes(raw_id).decode()
    try:
        return OutboxEntry(partition, entry_id, _record(dict(zip(flat[::2], flat[1::2], strict=True))))
    except Exception as error:
        return OutboxEntry(partition, entry_id, None, f"{type(error).__name__}: {error}")


def _record(fields: Mapping[bytes, bytes]) -> AuditRecord:
    event = codec.decode_event(fields[b"s"].decode(), fields[b"e"])
    return AuditRecord(
        event,
        fields.get(b"q", b"").decode(),
        fields.get(b"p", b"").decode(),
        names_of(int(fields.get(b"c", b"0"))),
        fields.get(b"i", b"").decode(),
        fields.get(b"t", b"").decode(),
    )
