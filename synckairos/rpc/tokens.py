"""Tokens, opaque to clients and valid on any server: the position of a stream, or the end of a page.

A page token is bound to the filters it was made for.
"""

import base64
import hashlib
import struct
from typing import Final, TypeAlias
from uuid import UUID

from synckairos.application.listing import Filter
from synckairos.application.ports import Position
from synckairos.application.trail.audit import (
    EventKey,
    EventQuery,
    ParticipantKey,
    ParticipantQuery,
    SessionKey,
    SessionQuery,
)
from synckairos.application.trail.clock_accounts import ClockPlace, ClockQuery
from synckairos.domain.model import Head
from synckairos.rpc.fields import MAX_INSTANT_MS, MAX_INT64, Fields

SEAL_BYTES: Final = 8
RESUME_FORM: Final = 1
_RESUME: Final = struct.Struct(">BQQ16s16s")
_POSITION: Final = struct.Struct(">Q16s8s")
_EVENT: Final = struct.Struct(">QQ16s")
_MOMENT: Final = struct.Struct(">Q16s")
_CLOCK: Final = struct.Struct(">QQ16sqIQ")

_Query: TypeAlias = EventQuery | ParticipantQuery | SessionQuery | ClockQuery


class InvalidToken(ValueError):
    """The text is no resume token, or belongs to another session."""


def write_resume(session_id: str, head: Head) -> str:
    """Return the token of a position in a session's history."""
    change_id, owner = (bytes.fromhex(text.replace("-", "")) for text in (head.change_id, session_id))
    return _text(_RESUME.pack(RESUME_FORM, head.epoch, head.version, change_id, owner))


def read_resume(session_id: str, token: str) -> Head:
    """Return the position a token stands for; raises InvalidToken."""
    try:
        form, epoch, version, change_id, owner = _RESUME.unpack(_bytes(token))
    except (struct.error, ValueError) as error:
        raise InvalidToken("is not a resume token") from error
    if form != RESUME_FORM:
        raise InvalidToken("is not a resume token")
    if str(UUID(bytes=owner)) != session_id:
        raise InvalidToken("belongs to another session")
    return Head(epoch, version, str(UUID(bytes=change_id)))


def write_position(position: Position, wanted: Filter) -> str:
    """Return the token of the page after a position in the list of sessions."""
    return _text(_POSITION.pack(position.created_at, UUID(position.session_id).bytes, _digest(wanted)))


def read_position(fields: Fields, token: str, wanted: Filter) -> Position | None:
    """Return the position a token stands for, None for the first page."""
    if not token:
        return None
    try:
        created_at, session_id, digest = _POSITION.unpack(_bytes(token))
    except (struct.error, ValueError):
        fields.refuse("page_token", "is not a page token")
        return None
    if digest != _digest(wanted):
        fields.refuse("page_token", "was made for other filters")
    return Position(created_at, str(UUID(bytes=session_id)))


def write_event(key: EventKey, query: EventQuery) -> str:
    """Return the token of the page after an event."""
    return _sealed(_EVENT.pack(key.epoch, key.version, UUID(key.change_id).bytes), query)


def read_event(fields: Fields, token: str, query: EventQuery) -> EventKey | None:
    """Return the place a token stands for, None for the first page."""
    raw = _opened(fields, token, query, _EVENT.size)
    if raw is None:
        return None
    epoch, version, change_id = _EVENT.unpack(raw)
    fields.between("page_token", max(epoch, version), 0, MAX_INT64)
    return EventKey(epoch, version, str(UUID(bytes=change_id)))


def write_participant(key: ParticipantKey, query: ParticipantQuery) -> str:
    """Return the token of the page after a participant's event."""
    return _sealed(_MOMENT.pack(key.occurred_at, UUID(key.change_id).bytes), query)


def read_participant(fields: Fields, token: str, query: ParticipantQuery) -> ParticipantKey | None:
    """Return the place a token stands for, None for the first page."""
    moment = _moment(fields, token, query)
    return None if moment is None else ParticipantKey(*moment)


def write_audited(key: SessionKey, query: SessionQuery) -> str:
    """Return the token of the page after a session."""
    return _sealed(_MOMENT.pack(key.created_at, UUID(key.session_id).bytes), query)


def read_audited(fields: Fields, token: str, query: SessionQuery) -> SessionKey | None:
    """Return the place a token stands for, None for the first page."""
    moment = _moment(fields, token, query)
    return None if moment is None else SessionKey(*moment)


def write_clock(place: ClockPlace, query: ClockQuery) -> str:
    """Return the token of the page after a place in a clock's account."""
    (epoch, version, change_id), balance_ms, shown, until = place
    raw = _CLOCK.pack(epoch, version, UUID(change_id).bytes, balance_ms or 0, shown, until)
    return _sealed(raw, query)


def read_clock(fields: Fields, token: str, query: ClockQuery) -> ClockPlace | None:
    """Return the place a token stands for, None for the first page."""
    raw = _opened(fields, token, query, _CLOCK.size)
    if raw is None:
        return None
    epoch, version, change_id, balance_ms, shown, until = _CLOCK.unpack(raw)
    fields.between("page_token", max(epoch, version, until), 0, MAX_INT64)
    key = EventKey(epoch, version, str(UUID(bytes=change_id)))
    return ClockPlace(key, balance_ms if version else None, shown, until)


def _moment(fields: Fields, token: str, query: ParticipantQuery | SessionQuery) -> tuple[int, str] | None:
    """Return the instant and the UUID a token stands for, None for the first page."""
    raw = _opened(fields, token, query, _MOMENT.size)
    if raw is None:
        return None
    at, owner = _MOMENT.unpack(raw)
    fields.between("page_token", at, 0, MAX_INSTANT_MS)
    return at, str(UUID(bytes=owner))


def _sealed(raw: bytes, query: _Query) -> str:
    return _text(raw + _seal(raw, query))


def _opened(fields: Fields, token: str, query: _Query, size: int) -> bytes | None:
    if not token:
        return None
    try:
        raw = _bytes(token)
    except ValueError:
        raw = b""
    if len(raw) != size + SEAL_BYTES or raw[size:] != _seal(raw[:size], query):
        fields.refuse("page_token", "is not a page token of this list with these filters")
        return None
    return raw[:size]


def _seal(raw: bytes, query: _Query) -> bytes:
    """Return a digest of the place and of the query's filters; its position and its limit do not count."""
    filters = [
        (name, sorted(value) if isinstance(value, frozenset) else value)
        for name, value in query._asdict().items()
        # A filter that came later counts only where it is used: tokens of servers without it stay good.
        if name not in ("after", "limit") and value is not False and (name, value) != ("group_id", None)
    ]
    material = raw + type(query).__name__.encode() + repr(filters).encode()
    return hashlib.blake2b(material, digest_size=SEAL_BYTES).digest()


def _digest(wanted: Filter) -> bytes:
    text = repr((sorted(wanted.statuses), sorted(wanted.modes), wanted.labels))
    return hashlib.blake2b(text.encode(), digest_size=SEAL_BYTES).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(token: str) -> bytes:
    """Return the bytes of a token; raises ValueError."""
    return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
