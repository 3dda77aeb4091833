"""API keys: random texts of which a file holds nothing but the hashes."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Annotated, Final, NamedTuple

import msgspec

from synckairos.adapters.credentials.rules import require_grant
from synckairos.application.errors import CredentialsExpired, CredentialsInvalid
from synckairos.application.identity import OF_TENANTS, Identity, Presented, Scope

PREFIX: Final = "sk_"
SECRET_BYTES: Final = 32
OF_OPERATORS: Final = frozenset({Scope.OPERATIONS})
"""What a key of no tenant may allow."""
OFFERED: Final = OF_TENANTS | OF_OPERATORS
"""The scopes that keys may have."""


class KeyLine(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A line of the file; `expires_at` as RFC 3339, an absent subject is the id."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    tenant: str
    scopes: list[Scope]
    subject: str = ""
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class NewKey(NamedTuple):
    """A key that was just made, to be shown once, and its line."""

    key: str
    line: bytes


@dataclass(frozen=True, slots=True)
class _Known:
    digest: bytes
    identity: Identity


KeyTable = Mapping[bytes, _Known]
"""The keys of a file, by hashes that only this process can compute."""

_SECRET: Final = secrets.token_bytes(32)


def new_key(key_id: str, tenant: str, scopes: list[Scope], subject: str, expires_at: datetime | None) -> NewKey:
    """Make a key; raises ValueError for what a file may not hold."""
    key = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    line = msgspec.json.encode(KeyLine(key_id, _digest(key).hex(), tenant, scopes, subject, expires_at))
    read_keys(line)
    return NewKey(key, line)


def read_keys(content: bytes) -> KeyTable:
    """Return the keys of a file's content; raises ValueError naming the line of anything wrong."""
    table: dict[bytes, _Known] = {}
    ids: set[str] = set()
    for number, text in enumerate(content.splitlines(), 1):
        if not text.strip():
            continue
        try:
            line = msgspec.json.decode(text, type=KeyLine)
            known = _Known(bytes.fromhex(line.sha256), _identity(line))
        except ValueError as error:  # also what msgspec raises
            raise ValueError(f"line {number}: {error}") from None
        if line.id in ids or _slot(known.digest) in table:
            raise ValueError(f"line {number}: the id {line.id} or its sha256 stands in an earlier line")
        ids.add(line.id)
        table[_slot(known.digest)] = known
    return table


def _identity(line: KeyLine) -> Identity:
    expires_at = inf if line.expires_at is None else line.expires_at.timestamp()
    subject, scopes = line.subject or line.id, frozenset(line.scopes)
    require_grant(subject, line.tenant, scopes, OF_OPERATORS)
    return Identity(subject, line.tenant, scopes, expires_at, f"key:{line.id}")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()


def _slot(digest: bytes) -> bytes:
    """Return where a hash stands in the table: nobody outside can tell two slots' likeness from two keys'."""
    return hashlib.blake2b(digest, key=_SECRET, digest_size=32).digest()


class ApiKeys:
    """Judges `x-api-key`, and bearer tokens that begin like a key."""

    def __init__(self, keys: Callable[[], KeyTable], now: Callable[[], float] = time.time) -> None:
        """`keys` returns the file's keys as they are now."""
        self._keys = keys
        self._now = now

    def recognises(self, presented: Presented) -> bool:
        """Whether a key is presented."""
        return bool(presented.api_key) or presented.bearer.startswith(PREFIX)

    async def identify(self, presented: Presented) -> Identity:
        """Return whose key it is; raises CredentialsInvalid, CredentialsExpired."""
        digest = _digest(presented.api_key or presented.bearer)
        known = self._keys().get(_slot(digest))
        if known is None or not hmac.compare_digest(known.digest, digest):
            raise CredentialsInvalid("an unknown API key")
        if known.identity.expires_at <= self._now():
            raise CredentialsExpired("an API key", known.identity.credential_id)
        return known.identity
