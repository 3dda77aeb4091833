"""What concerns the rows of all tenants is for accounts that have them: to others, policies would show nothing."""

from typing import Final

from synckairos.adapters.postgres.database import LentConnection, Statement
from synckairos.adapters.postgres.errors import PrivilegeMissing

_HAS_ALL: Final = Statement("audit: all tenants", "SELECT has_table_privilege('sync_sessions', 'INSERT')")


async def require_all_tenants(connection: LentConnection) -> None:
    """Raise PrivilegeMissing for an account that may only read, and that so has the rows of one tenant at a time."""
    ((has_all,),) = await connection.fetch(_HAS_ALL)
    if not has_all:
        raise PrivilegeMissing("this account may read one tenant at a time only: take the one of the workers")
