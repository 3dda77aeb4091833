"""Tokens, opaque to clients and valid on any server: the position of a stream, or the end of a page.

A page token is bound to the filters it was made for, and every token to its tenant where tokens are signed.
"""

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
from synckairos.domain.tenancy import DEFAULT_TENANT, name_of, qualify
from synckairos.rpc.fields import MAX_INSTANT_MS, MAX_INT64, Fields
from synckairos.rpc.signatures import UNSIGNED, Signatures

SEAL_BYTES: Final = 8
LATER_FILTERS: Final = {("group_id", None), ("tenant", DEFAULT_TENANT)}
RESUME_FORM: Final = 1
_RESUME: Final = struct.Struct(">BQQ16s16s")
_POSITION: Final = struct.Struct(">Q16s8s")
_EVENT: Final = struct.Struct(">QQ16s")
_MOMENT: Final = struct.Struct(">Q16s")
_CLOCK: Final = struct.Struct(">QQ16sqIQ")

_Query: TypeAlias = EventQuery | ParticipantQuery | SessionQuery | ClockQuery


class InvalidToken(ValueError):
    """The text is no resume token, or belongs to another session."""


def write_resume(session_id: str, head: Head, signatures: Signatures = UNSIGNED) -> str:
    """Return the token of a position in a session's history."""
    tenant, bare = name_of(session_id)
    change_id, owner = (bytes.fromhex(text.replace("-", "")) for text in (head.change_id, bare))
    return signatures.text(tenant, _RESUME.pack(RESUME_FORM, head.epoch, head.version, change_id, owner))


def read_resume(session_id: str, token: str, signatures: Signatures = UNSIGNED) -> Head:
    """Return the position a token stands for; raises InvalidToken."""
    tenant, bare = name_of(session_id)
    try:
        form, epoch, version, change_id, owner = _RESUME.unpack(signatures.raw(tenant, token))
    except (struct.error, ValueError) as error:
        raise InvalidToken("is not a resume token") from error
    if form != RESUME_FORM:
        raise InvalidToken("is not a resume token")
    if str(UUID(bytes=owner)) != bare:
        raise InvalidToken("belongs to another session")
    return Head(epoch, version, str(UUID(bytes=change_id)))


def write_position(position: Position, wanted: Filter, signatures: Signatures = UNSIGNED) -> str:
    """Return the token of the page after a position in the list of sessions."""
    tenant, bare = name_of(position.session_id)
    return signatures.text(tenant, _POSITION.pack(position.created_at, UUID(bare).bytes, _digest(wanted)))


def read_position(
    fields: Fields, token: str, wanted: Filter, signatures: Signatures = UNSIGNED, tenant: str = DEFAULT_TENANT
) -> Position | None:
    """Return the position a tenant's token stands for, None for the first page."""
    if not token:
        return None
    try:
        created_at, session_id, digest = _POSITION.unpack(signatures.raw(tenant, token))
    except (struct.error, ValueError):
        fields.refuse("page_token", "is not a page token")
        return None
    if digest != _digest(wanted):
        fields.refuse("page_token", "was made for other filters")
    return Position(created_at, qualify(tenant, str(UUID(bytes=session_id))))


def write_event(key: EventKey, query: EventQuery, signatures: Signatures = UNSIGNED) -> str:
    """Return the token of the page after an event."""
    return _sealed(_EVENT.pack(key.epoch, key.version, UUID(key.change_id).bytes), query, signatures)


def read_event(fields: Fields, token: str, query: EventQuery, signatures: Signatures = UNSIGNED) -> EventKey | None:
    """Return the place a token stands for, None for the first page."""
    raw = _opened(fields, token, query, signatures, _EVENT.size)
    if raw is None:
        return None
    epoch, version, change_id = _EVENT.unpack(raw)
    fields.between("page_token", max(epoch, version), 0, MAX_INT64)
    return EventKey(epoch, version, str(UUID(bytes=change_id)))


def write_participant(key: ParticipantKey, query: ParticipantQuery, signatures: Signatures = UNSIGNED) -> str:
    """Return the token of the page after a participant's event."""
    return _sealed(_MOMENT.pack(key.occurred_at, UUID(key.change_id).bytes), query, signatures)


def read_participant(
    fields: Fields, token: str, query: ParticipantQuery, signatures: Signatures = UNSIGNED
) -> ParticipantKey | None:
    """Return the place a token stands for, None for the first page."""
    moment = _moment(fields, token, query, signatures)
    return None if moment is None else ParticipantKey(*moment)


def write_audited(key: SessionKey, query: SessionQuery, signatures: Signatures = UNSIGNED) -> str:
    """Return the token of the page after a session."""
    return _sealed(_MOMENT.pack(key.created_at, UUID(name_of(key.session_id).session_id).bytes), query, signatures)


def read_audited(
    fields: Fields, token: str, query: SessionQuery, signatures: Signatures = UNSIGNED
) -> SessionKey | None:
    """Return the place a token stands for, None for the first page."""
    moment = _moment(fields, token, query, signatures)
    return None if moment is None else SessionKey(moment[0], qualify(query.tenant, moment[1]))


def write_clock(place: ClockPlace, query: ClockQuery, signatures: Signatures = UNSIGNED) -> str:
    """Return the token of the page after a place in a clock's account."""
    (epoch, version, change_id), balance_ms, shown, until = place
    raw = _CLOCK.pack(epoch, version, UUID(change_id).bytes, balance_ms or 0, shown, until)
    return _sealed(raw, query, signatures)


def read_clock(fields: Fields, token: str, query: ClockQuery, signatures: Signatures = UNSIGNED) -> ClockPlace | None:
    """Return the place a token stands for, None for the first page."""
    raw = _opened(fields, token, query, signatures, _CLOCK.size)
    if raw is None:
        return None
    epoch, version, change_id, balance_ms, shown, until = _CLOCK.unpack(raw)
    fields.between("page_token", max(epoch, version, until), 0, MAX_INT64)
    key = EventKey(epoch, version, str(UUID(bytes=change_id)))
    return ClockPlace(key, balance_ms if version else None, shown, until)


def _moment(
    fields: Fields, token: str, query: ParticipantQuery | SessionQuery, signatures: Signatures
) -> tuple[int, str] | None:
    """Return the instant and the UUID a token stands for, None for the first page."""
    raw = _opened(fields, token, query, signatures, _MOMENT.size)
    if raw is None:
        return None
    at, owner = _MOMENT.unpack(raw)
    fields.between("page_token", at, 0, MAX_INSTANT_MS)
    return at, str(UUID(bytes=owner))


def _sealed(raw: bytes, query: _Query, signatures: Signatures) -> str:
    return signatures.text(_tenant(query), raw + _seal(raw, query))


def _opened(fields: Fields, token: str, query: _Query, signatures: Signatures, size: int) -> bytes | None:
    if not token:
        return None
    try:
        raw = signatures.raw(_tenant(query), token)
    except ValueError:
        raw = b""
    if len(raw) != size + SEAL_BYTES or raw[size:] != _seal(raw[:size], query):
        fields.refuse("page_token", "is not a page token of this list with these filters")
        return None
    return raw[:size]


def _tenant(query: _Query) -> str:
    if isinstance(query, ParticipantQuery | SessionQuery):
        return query.tenant
    return name_of(query.session_id).tenant


def _seal(raw: bytes, query: _Query) -> bytes:
    """Return a digest of the place and of the query's filters; its position and its limit do not count."""
    filters = [
        (name, sorted(value) if isinstance(value, frozenset) else value)
        for name, value in query._asdict().items()
        # A filter that came later counts only where it is used: tokens of servers without it stay good.
        if name not in ("after", "limit") and value is not False and (name, value) not in LATER_FILTERS
    ]
    material = raw + type(query).__name__.encode() + repr(filters).encode()
    return hashlib.blake2b(material, digest_size=SEAL_BYTES).digest()


def _digest(wanted: Filter) -> bytes:
    text = repr((sorted(wanted.statuses), sorted(wanted.modes), wanted.labels))
    return hashlib.blake2b(text.encode(), digest_size=SEAL_BYTES).digest()
