"""What every kind of credentials has to keep to."""

from typing import Final

from synckairos.application.identity import EVERY_TENANT, OF_TENANTS, Scope
from synckairos.domain.events import SYSTEM
from synckairos.domain.tenancy import TENANT

MAX_SUBJECT_BYTES: Final = 128
"""As an actor in an event."""
NO_TENANT: Final = f"no tenant, or none of {TENANT.pattern}"


def subject_problem(subject: object) -> str:
    """Return what is wrong with a subject, which becomes the actor of events; empty if nothing is."""
    if not isinstance(subject, str) or not subject.strip():
        return "must be a text that is not empty"
    if subject.strip().casefold() == SYSTEM.actor:
        return f"`{SYSTEM.actor}` is reserved"
    if not subject.isprintable():
        return "has characters that cannot be printed"
    if len(subject.encode()) > MAX_SUBJECT_BYTES:
        return f"takes at most {MAX_SUBJECT_BYTES} bytes"
    return ""


def require_grant(subject: str, tenant: str, scopes: frozenset[Scope], beyond: frozenset[Scope]) -> None:
    """Raise ValueError for what a line of a file must not give; `beyond` are the scopes it may give to EVERY_TENANT."""
    if tenant == EVERY_TENANT:
        if len(scopes) > 1 or not scopes <= beyond:
            names = " or ".join(sorted(scope.value for scope in beyond))
            raise ValueError(f"tenant `{EVERY_TENANT}` takes the scope {names} alone")
    elif TENANT.fullmatch(tenant) is None:
        raise ValueError(f"tenant {tenant!r}: {NO_TENANT}")
    elif not scopes <= OF_TENANTS:
        names = " and ".join(sorted(scope.value for scope in scopes - OF_TENANTS))
        raise ValueError(f"the scope {names} takes tenant `{EVERY_TENANT}`")
    problem = subject_problem(subject)
    if problem:
        raise ValueError(f"subject: {problem}")
