"""Whose a session is: inside, a session is named by its qualified id.

The qualified id of a session of the tenant `default` is its id alone, as it was before there were tenants; that of any
other is `<tenant>/<id>`. An id is a UUID and a tenant has no slash, so that no two sessions share one.
"""

import re
from typing import Final, NamedTuple

DEFAULT_TENANT: Final = "default"
TENANT: Final = re.compile(r"[a-z0-9_-]{1,64}")
"""What a tenant may be called."""


class SessionName(NamedTuple):
    """A session as its tenant knows it."""

    tenant: str
    session_id: str


def qualify(tenant: str, session_id: str) -> str:
    """Return the qualified id of a tenant's session."""
    return session_id if tenant == DEFAULT_TENANT else f"{tenant}/{session_id}"


def bare_id(qualified_id: str) -> str:
    """Return a session's id alone, as its tenant knows it."""
    return qualified_id.rpartition("/")[2]


def name_of(qualified_id: str) -> SessionName:
    """Return whose session a qualified id names, and the id its tenant knows."""
    tenant, slash, session_id = qualified_id.rpartition("/")
    return SessionName(tenant if slash else DEFAULT_TENANT, session_id)
