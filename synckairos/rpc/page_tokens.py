"""Page tokens: a place in the listing order, bound to the filters it was made for."""

import base64
import binascii
import hashlib
import struct
from typing import Final
from uuid import UUID

from synckairos.application.listing import Filter
from synckairos.application.ports import Position
from synckairos.rpc.fields import Fields

_TOKEN: Final = struct.Struct(">Q16s8s")


def write(position: Position, wanted: Filter) -> str:
    """Return the token of the page behind a position."""
    raw = _TOKEN.pack(position.created_at, UUID(position.session_id).bytes, _digest(wanted))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def read(fields: Fields, token: str, wanted: Filter) -> Position | None:
    """Return the position a token stands for, None for the first page."""
    if not token:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        created_at, session_id, digest = _TOKEN.unpack(raw)
    except (binascii.Error, struct.error, ValueError):
        fields.refuse("page_token", "is not a page token")
        return None
    if digest != _digest(wanted):
        fields.refuse("page_token", "was made for other filters")
    return Position(created_at, str(UUID(bytes=session_id)))


def _digest(wanted: Filter) -> bytes:
    text = repr((sorted(wanted.statuses), sorted(wanted.modes), wanted.labels))
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
