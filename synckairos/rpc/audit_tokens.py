"""Page tokens of the audit trail: a place in an order, sealed together with the filters it was made for."""

import base64
import binascii
import hashlib
import struct
from typing import Final
from uuid import UUID

from synckairos.application.audit import EventKey, EventQuery, SessionKey, SessionQuery
from synckairos.rpc.fields import MAX_INSTANT_MS, MAX_INT64, Fields

SEAL_BYTES: Final = 8
_EVENT: Final = struct.Struct(">QQ16s")
_SESSION: Final = struct.Struct(">Q16s")


def write_event(key: EventKey, query: EventQuery) -> str:
    """Return the token of the page behind an event."""
    return _sealed(_EVENT.pack(key.epoch, key.version, UUID(key.change_id).bytes), query)


def read_event(fields: Fields, token: str, query: EventQuery) -> EventKey | None:
    """Return the place a token stands for, None for the first page."""
    raw = _opened(fields, token, query, _EVENT.size)
    if raw is None:
        return None
    epoch, version, change_id = _EVENT.unpack(raw)
    fields.between("page_token", max(epoch, version), 0, MAX_INT64)
    return EventKey(epoch, version, str(UUID(bytes=change_id)))


def write_session(key: SessionKey, query: SessionQuery) -> str:
    """Return the token of the page behind a session."""
    return _sealed(_SESSION.pack(key.created_at, UUID(key.session_id).bytes), query)


def read_session(fields: Fields, token: str, query: SessionQuery) -> SessionKey | None:
    """Return the place a token stands for, None for the first page."""
    raw = _opened(fields, token, query, _SESSION.size)
    if raw is None:
        return None
    created_at, session_id = _SESSION.unpack(raw)
    fields.between("page_token", created_at, 0, MAX_INSTANT_MS)
    return SessionKey(created_at, str(UUID(bytes=session_id)))


def _sealed(raw: bytes, query: EventQuery | SessionQuery) -> str:
    return base64.urlsafe_b64encode(raw + _seal(raw, query)).decode().rstrip("=")


def _opened(fields: Fields, token: str, query: EventQuery | SessionQuery, size: int) -> bytes | None:
    if not token:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != size + SEAL_BYTES or raw[size:] != _seal(raw[:size], query):
        fields.refuse("page_token", "is not a page token of this list with these filters")
        return None
    return raw[:size]


def _seal(raw: bytes, query: EventQuery | SessionQuery) -> bytes:
    """Return a digest of the place and of what is asked, but for where and how much of it."""
    filters = [
        (name, sorted(value) if isinstance(value, frozenset) else value)
        for name, value in query._asdict().items()
        if name not in ("after", "limit")
    ]
    material = raw + type(query).__name__.encode() + repr(filters).encode()
    return hashlib.blake2b(material, digest_size=SEAL_BYTES).digest()
