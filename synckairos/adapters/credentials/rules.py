"""What every kind of credentials has to keep to."""

import re
from collections.abc import Iterable
from typing import Final

from synckairos.application.identity import DEFAULT_TENANT, Scope
from synckairos.domain.events import SYSTEM

TENANT: Final = re.compile(r"[a-z0-9_-]{1,64}")
MAX_SUBJECT_BYTES: Final = 128
"""As an actor in an event."""
ONE_TENANT: Final = f"this version keeps all sessions in one tenant: only `{DEFAULT_TENANT}` may be served"


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


def known_scopes(names: Iterable[object], allowed: frozenset[Scope]) -> frozenset[Scope]:
    """Return the scopes that are named and allowed; others mean nothing here."""
    return allowed & {scope for scope in Scope if scope.value in set(names)}
