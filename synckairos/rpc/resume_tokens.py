"""Resume tokens: where a stream stood, opaque to clients and valid on any server."""

import base64
import binascii
import struct
from typing import Final
from uuid import UUID

from synckairos.application.ports import Head

_TOKEN: Final = struct.Struct(">BQQ16s16s")
_FORM: Final = 1


class InvalidToken(ValueError):
    """The text is no resume token, or one of another session."""


def encode(session_id: str, head: Head) -> str:
    """Return the token of a position in a session's history."""
    raw = _TOKEN.pack(_FORM, head.epoch, head.version, _raw(head.change_id), _raw(session_id))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(session_id: str, token: str) -> Head:
    """Return the position a token stands for; raises InvalidToken."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        form, epoch, version, change_id, owner = _TOKEN.unpack(raw)
    except (binascii.Error, struct.error, ValueError) as error:
        raise InvalidToken("is not a resume token") from error
    if form != _FORM:
        raise InvalidToken("is not a resume token")
    if str(UUID(bytes=owner)) != session_id:
        raise InvalidToken("belongs to another session")
    return Head(epoch, version, str(UUID(bytes=change_id)))


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))
