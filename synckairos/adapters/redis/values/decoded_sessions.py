"""What bytes in the store mean, remembered by the bytes themselves.

Never what a session is: only the store says that, and it is asked each time. But the same bytes, the change id in their
head included, are decoded once.
"""

from typing import Final

from synckairos.adapters.redis.values import codec
from synckairos.domain.model import Session

MOST_BYTES: Final = 1 << 18
"""Bytes of sessions in a generation; a session takes about eight times as much when it is decoded.

Some 2 000 sessions of two. Each is a dozen objects that the garbage collector walks over, and frees at once when its
generation goes: four times as many stopped the process for four times as long.
"""
LARGE_BYTES: Final = 8_192
"""Sessions of more bytes are decoded each time: a few of them would drive out all others."""


class DecodedSessions:
    """Sessions by their bytes, in two generations: those not asked for during a whole one are forgotten."""

    def __init__(self) -> None:
        self._young: dict[bytes, Session] = {}
        self._old: dict[bytes, Session] = {}
        self._bytes = 0

    def decode(self, session_id: str, encoded: bytes) -> Session:
        """Return the session; raises UnknownLayoutError if it was written in another layout."""
        session = self._young.get(encoded)
        if session is None:
            session = self._old.get(encoded)
            if session is None:
                session = codec.decode_session(session_id, encoded)
            self.remember(encoded, session)
        # The bytes do not name their session: the key under which they stand does.
        return session if session.session_id == session_id else codec.decode_session(session_id, encoded)

    def remember(self, encoded: bytes, session: Session) -> None:
        """Keep a session that was encoded just now: it will be read next."""
        if len(encoded) > LARGE_BYTES:
            return
        self._bytes += len(encoded)
        if self._bytes > MOST_BYTES:
            self._young, self._old, self._bytes = {}, self._young, len(encoded)
        self._young[encoded] = session
