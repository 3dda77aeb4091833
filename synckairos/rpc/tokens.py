"""Tokens, opaque to clients and valid on any server: the position of a stream, or the end of a page.

A page token is bound to the filters it was made for, and every token to its tenant where tokens are signed.
"""

import hashlib
import struct
from typing import Any, Final, TypeAlias
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
from synckairos.rpc.token_signatures import UNSIGNED, Signatures

SEAL_BYTES: Final = 8
LATER_FILTERS: Final = {("group_id", None), ("tenant", DEFAULT_TENANT)}
RESUME_FORM: Final = 1
_RESUME: Final = struct.Struct(">BQQ16s16s")
_POSITION: Final = struct.Struct(">Q16s8s")

_Place: TypeAlias = EventKey | ParticipantKey | SessionKey | ClockPlace
_Query: TypeAlias = EventQuery | ParticipantQuery | SessionQuery | ClockQuery

_FORMS: Final[dict[type[_Query], tuple[struct.Struct, int]]] = {
    EventQuery: (struct.Struct(">QQ16s"), MAX_INT64),
    ParticipantQuery: (struct.Struct(">Q16s"), MAX_INSTANT_MS),
    SessionQuery: (struct.Struct(">Q16s"), MAX_INSTANT_MS),
    ClockQuery: (struct.Struct(">QQ16sqIQ"), MAX_INT64),
}
"""How the places of each list are packed, and the greatest number in one."""


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


def write_place(place: _Place | None, query: _Query, signatures: Signatures = UNSIGNED) -> str:
    """Return the token of the page after a place in a list of the trail; empty if there is no such page."""
    parts: tuple[int | str, ...]
    match place:
        case None:
            return ""
        case SessionKey():
            parts = (place.created_at, name_of(place.session_id).session_id)
        case ClockPlace():
            parts = (*place.key, place.balance_ms or 0, place.shown, place.until)
        case _:
            parts = place
    form, _ = _FORMS[type(query)]
    raw = form.pack(*[UUID(part).bytes if isinstance(part, str) else part for part in parts])
    return signatures.text(_tenant(query), raw + _seal(raw, query))


def read_event(fields: Fields, token: str, query: EventQuery, signatures: Signatures = UNSIGNED) -> EventKey | None:
    """Return the place a token stands for, None for the first page."""
    parts = _parts(fields, token, query, signatures)
    return None if parts is None else EventKey(*parts)


def read_participant(
    fields: Fields, token: str, query: ParticipantQuery, signatures: Signatures = UNSIGNED
) -> ParticipantKey | None:
    """Return the place a token stands for, None for the first page."""
    parts = _parts(fields, token, query, signatures)
    return None if parts is None else ParticipantKey(*parts)


def read_audited(
    fields: Fields, token: str, query: SessionQuery, signatures: Signatures = UNSIGNED
) -> SessionKey | None:
    """Return the place a token stands for, None for the first page."""
    parts = _parts(fields, token, query, signatures)
    return None if parts is None else SessionKey(parts[0], qualify(query.tenant, parts[1]))


def read_clock(fields: Fields, token: str, query: ClockQuery, signatures: Signatures = UNSIGNED) -> ClockPlace | None:
    """Return the place a token stands for, None for the first page."""
    parts = _parts(fields, token, query, signatures)
    if parts is None:
        return None
    epoch, version, change_id, balance_ms, shown, until = parts
    return ClockPlace(EventKey(epoch, version, change_id), balance_ms if version else None, shown, until)


def _parts(fields: Fields, token: str, query: _Query, signatures: Signatures) -> list[Any] | None:
    """Return the numbers and ids of the place a token stands for, None for the first page and for what is no token."""
    if not token:
        return None
    form, most = _FORMS[type(query)]
    try:
        raw = signatures.raw(_tenant(query), token)
    except ValueError:
        raw = b""
    if len(raw) != form.size + SEAL_BYTES or raw[form.size :] != _seal(raw[: form.size], query):
        fields.refuse("page_token", "is not a page token of this list with these filters")
        return None
    parts = [str(UUID(bytes=part)) if isinstance(part, bytes) else part for part in form.unpack_from(raw)]
    fields.between("page_token", max(part for part in parts if isinstance(part, int)), 0, most)
    return parts


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
