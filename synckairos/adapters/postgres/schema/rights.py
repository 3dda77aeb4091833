"""What the accounts of workers and of servers may do with the tables: as much as their work needs, and nothing else.

A worker writes the trail and never deletes from it; a server only reads. Neither makes or changes a table: that is for
the owner, which is who migrates. Rights are on tables, never on their partitions, so that all access to rows goes by
the policies.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from asyncpg import Connection

_TRAIL: Final = "sync_sessions, sync_participants, sync_events"
_WORKER: Final = (
    f"GRANT SELECT, INSERT, UPDATE ON {_TRAIL} TO {{}}",
    "GRANT SELECT, INSERT ON sync_operator_actions TO {}",
    "GRANT SELECT ON schema_migrations TO {}",
)
_SERVER: Final = (f"GRANT SELECT ON {_TRAIL}, schema_migrations TO {{}}",)

# Whoever may act as the owner has all rights already, and would lose them here.
_ACCOUNT: Final = """
SELECT quote_ident(rolname) AS name, has_schema_privilege(oid, current_schema(), 'USAGE') AS may_enter
FROM pg_roles
WHERE rolname = $1
  AND NOT pg_has_role(oid, (SELECT relowner FROM pg_class WHERE oid = to_regclass('sync_events')), 'MEMBER')
"""
# Partitions, and what was detached, among them: default privileges may have given away what the policies guard.
_TABLES: Final = r"""
SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind IN ('r', 'p', 'v', 'm')
  AND (relname LIKE 'sync\_%' OR relname = 'schema_migrations') AND pg_has_role(relowner, 'MEMBER')
"""


class Accounts(NamedTuple):
    """The names of the accounts; none need exist."""

    worker: str
    server: str


async def grant_rights(connection: "Connection", accounts: Accounts) -> list[str]:
    """Give those of the accounts that exist their rights, and take all others from them; return their names.

    Does nothing for an account that may act as the owner. It is one transaction.
    """
    found = []
    async with connection.transaction():
        for name, rights in ((accounts.worker, _WORKER), (accounts.server, _SERVER)):
            account = await connection.fetchrow(_ACCOUNT, name)
            if account is None:
                continue
            quoted = account["name"]
            await connection.execute(f"REVOKE ALL ON {await connection.fetchval(_TABLES)} FROM {quoted}")
            if not account["may_enter"]:
                schema = await connection.fetchval("SELECT quote_ident(current_schema())")
                await connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {quoted}")
            for right in rights:
                await connection.execute(right.format(quoted))
            found.append(name)
    return found
