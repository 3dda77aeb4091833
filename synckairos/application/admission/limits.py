"""What a tenant may ask for, as numbers."""

from collections.abc import Mapping
from typing import Final, NamedTuple

EVERYBODY: Final = "*"
"""Stands for every tenant that is not named."""


class Limits(NamedTuple):
    """The limits of one tenant over all servers; 0 for none.

    Sessions count while they are in the store, those that ended and can still be read included; watchers are sessions
    watched, once for every stream; streams are open ones of one subject, or of one address where nobody says who calls.
    """

    calls_per_second: float = 0.0
    switches_per_second: float = 0.0
    """Of one session."""
    sessions: int = 0
    watchers: int = 0
    streams: int = 0


class LimitTable:
    """The limits of all tenants."""

    def __init__(self, limits: Mapping[str, Limits]) -> None:
        """`limits` by tenant; those of EVERYBODY are for the others."""
        self._limits = limits
        self._others = limits.get(EVERYBODY, Limits())

    def of(self, tenant: str) -> Limits:
        """Return a tenant's limits."""
        return self._limits.get(tenant, self._others)
