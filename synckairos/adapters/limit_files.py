"""The file of the tenants' limits: a JSON object of a tenant's name each, `*` for all others."""

from typing import Annotated

import msgspec

from synckairos.application.admission.limits import EVERYBODY, Limits, LimitTable
from synckairos.domain.tenancy import TENANT

Rate = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class _Limits(msgspec.Struct, forbid_unknown_fields=True):
    calls_per_second: Rate = 0.0
    switches_per_second: Rate = 0.0
    sessions: Count = 0
    watchers: Count = 0
    streams: Count = 0


def read_limits(content: bytes) -> LimitTable:
    """Return the limits of a file's content; raises ValueError naming what is wrong."""
    found = msgspec.json.decode(content, type=dict[str, _Limits])
    for tenant in found:
        if tenant != EVERYBODY and TENANT.fullmatch(tenant) is None:
            raise ValueError(f"{tenant!r} is neither a tenant's name ({TENANT.pattern}) nor `{EVERYBODY}`")
    return LimitTable({tenant: Limits(*msgspec.structs.astuple(limits)) for tenant, limits in found.items()})
