"""Who calls, as a value, and the port that tells it from what a call presents."""

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final, NamedTuple, Protocol

EVERY_TENANT: Final = "*"
"""Of operators' credentials, which have no sessions of their own."""


class Scope(StrEnum):
    """What credentials may allow."""

    SESSIONS_READ = "sessions:read"
    SESSIONS_WRITE = "sessions:write"
    SESSIONS_ADMIN = "sessions:admin"
    AUDIT_READ = "audit:read"
    OPERATIONS = "operations"
    FORWARD = "forward"


OF_EVERY_TENANT: Final = frozenset({Scope.OPERATIONS, Scope.FORWARD})
OF_TENANTS: Final = frozenset(Scope) - OF_EVERY_TENANT
"""The scopes of credentials that belong to one tenant."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller: `expires_at` in seconds since 1970, `credential_id` what a log may show of the credentials."""

    subject: str
    tenant: str
    scopes: frozenset[Scope]
    expires_at: float = inf
    credential_id: str = ""


class Presented(NamedTuple):
    """The credentials of a call; empty for none.

    They are the token of `authorization: Bearer`, the value of `x-api-key`, and the certificate (PEM) that its
    connection has proved to be its own.
    """

    bearer: str = ""
    api_key: str = ""
    certificate: bytes = b""


class Authenticator(Protocol):
    """Judges credentials of one kind."""

    def recognises(self, presented: Presented) -> bool:
        """Whether these credentials are of its kind, so that it decides alone."""

    async def identify(self, presented: Presented) -> Identity:
        """Return whose credentials these are; raises CredentialsInvalid, CredentialsExpired."""
