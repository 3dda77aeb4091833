"""The data that a way down would drop: found by running it in a transaction and looking for missing tables and rows."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from synckairos.adapters.postgres.schema.files import Migration

if TYPE_CHECKING:
    from asyncpg import Connection, Record

COUNT_LIMIT: Final = 1_000_000

# Rows of a partitioned table are counted there, not at its partitions.
_COLUMNS: Final = """
SELECT c.oid::bigint AS table_id, a.attnum AS column_id, quote_ident(c.relname) AS table_name,
       quote_ident(a.attname) AS column_name
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname <> 'schema_migrations'
ORDER BY c.relname, a.attnum
"""
_DELETED: Final = """
SELECT quote_ident(relname), n_tup_del FROM pg_stat_xact_user_tables
WHERE schemaname = current_schema() AND relname <> 'schema_migrations' AND n_tup_del > 0
"""
_DROPS_INDEX: Final = re.compile(r"(\s|--[^\n]*\n)*DROP\s+INDEX\b", re.IGNORECASE)


class Loss(NamedTuple):
    """Data that would go; `rows` are counted up to COUNT_LIMIT, one more means that there are more, None unknown."""

    what: str
    rows: int | None

    def __str__(self) -> str:
        if self.rows is None:
            return self.what
        if self.rows > COUNT_LIMIT:
            return f"{self.what} with more than {COUNT_LIMIT} rows"
        return f"{self.what} with {self.rows} row{'' if self.rows == 1 else 's'}"


async def losses_of(connection: "Connection", undone: Sequence[Migration]) -> list[Loss]:
    """Return what going the ways down, in this order, would drop; to be called in a transaction, which it leaves as is.

    Tables that go stay locked until the end of the transaction, so that the counts hold till then. TRUNCATE is not
    seen, and what runs without a transaction cannot be rehearsed: it is unknown, unless it only drops an index.
    """
    unknown = [
        Loss(f"what {migration.name} drops, which is only known to its file", None)
        for migration in undone
        if not migration.down.in_transaction and not _DROPS_INDEX.match(migration.down.sql)
    ]
    ways = [migration.down.sql for migration in undone if migration.down.in_transaction]
    return unknown + (await _rehearse(connection, ways) if ways else [])


async def _rehearse(connection: "Connection", ways: Sequence[str]) -> list[Loss]:
    before = await connection.fetch(_COLUMNS)
    rehearsal = connection.transaction()
    await rehearsal.start()
    try:
        for way in ways:
            await connection.execute(way)
        after = await connection.fetch(_COLUMNS)
        deleted = await connection.fetch(_DELETED)
    finally:
        await rehearsal.rollback()
    dropped = await _dropped(connection, before, after)
    return [*dropped, *(Loss(f"rows of table {name}", count) for name, count in deleted)]


async def _dropped(connection: "Connection", before: "Sequence[Record]", after: "Sequence[Record]") -> list[Loss]:
    tables = {row["table_id"] for row in after}
    columns = {(row["table_id"], row["column_id"]) for row in after}
    gone = dict.fromkeys(row["table_name"] for row in before if row["table_id"] not in tables)
    losses = [await _loss(connection, f"table {table}", table) for table in gone]
    for row in before:
        table, column = row["table_name"], row["column_name"]
        if table not in gone and (row["table_id"], row["column_id"]) not in columns:
            losses.append(await _loss(connection, f"column {table}.{column}", table, f"{column} IS NOT NULL"))
    return losses


async def _loss(connection: "Connection", what: str, table: str, condition: str = "true") -> Loss:
    await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    rows = f"SELECT 1 FROM {table} WHERE {condition} LIMIT {COUNT_LIMIT + 1}"  # noqa: S608 - names are quoted by the server
    return Loss(what, int(await connection.fetchval(f"SELECT count(*) FROM ({rows}) AS counted")))  # noqa: S608 - as above
