"""Who calls, as a value, and the port that tells it from what a call presents."""

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final, NamedTuple, Protocol

DEFAULT_TENANT: Final = "default"
EVERY_TENANT: Final = "*"
"""Of operators' credentials, which have no sessions of their own."""


class Scope(StrEnum):
    """What credentials may allow."""

    SESSIONS_READ = "sessions:read"
    SESSIONS_WRITE = "sessions:write"
    SESSIONS_ADMIN = "sessions:admin"
    AUDIT_READ = "audit:read"
    OPERATIONS = "operations"


OF_TENANTS: Final = frozenset(Scope) - {Scope.OPERATIONS}
"""The scopes of credentials that belong to one tenant."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller: `expires_at` in seconds since 1970, `credential_id` what a log may show of the credentials."""

    subject: str
    tenant: str
    scopes: frozenset[Scope]
    expires_at: float = inf
    credential_id: str = ""


ANONYMOUS: Final = Identity("anonymous", DEFAULT_TENANT, frozenset(Scope))
"""Everybody, where nothing authenticates."""


class Presented(NamedTuple):
    """The credentials of a call: the token of `authorization: Bearer`, the value of `x-api-key`; empty for none."""

    bearer: str = ""
    api_key: str = ""


class Authenticator(Protocol):
    """Judges credentials of one kind."""

    def recognises(self, presented: Presented) -> bool:
        """Whether these credentials are of its kind, so that it decides alone."""

    async def identify(self, presented: Presented) -> Identity:
        """Return whose credentials these are; raises CredentialsInvalid, CredentialsExpired."""
