"""Months of the audit trail: partitions of `sync_events` made ahead of time, and detached when they are old.

A month's partition is named `sync_events_YYYY_MM`, months being those of UTC. What lies in the DEFAULT partition of a
month that gets its own is moved there. A detached month is a table of its own, named `…_detached`: nothing is dropped
unless asked for.
"""

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from synckairos.adapters.postgres.schema.files import MigrationError

if TYPE_CHECKING:
    from asyncpg import Connection

MONTHS_AHEAD: Final = 3
LOCK_CLASS: Final = 0x5359_4E50
# A writer waits as long behind us as we wait behind a reader.
LOCK_TIMEOUT: Final = "3s"
# Moving rows out of the DEFAULT partition takes as long as it takes.
MOVE_S: Final = 3_600.0

# Its columns without the generated ones, which cannot be written.
_PARENT: Final = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, quote_ident(n.nspname) AS schema,
       CASE WHEN t.partdefid <> 0 THEN t.partdefid::regclass::text END AS fallback,
       (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_partitioned_table AS t ON t.partrelid = c.oid
WHERE c.oid = to_regclass('sync_events')
"""
_TABLES: Final = r"""
SELECT c.relname AS name, i.inhrelid IS NOT NULL AS is_attached
FROM pg_class AS c
LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid AND i.inhparent = to_regclass('sync_events')
WHERE c.relkind = 'r' AND c.relname ~ '^sync_events_\d{4}_\d{2}(_detached(_\d+)?)?$'
  AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('sync_events'))
ORDER BY c.relname
"""
# A default privilege, or a GRANT on all tables, opens them: policies hold for what is read through sync_events alone.
_OPEN: Final = r"""
SELECT c.oid::regclass::text AS name
FROM pg_class AS c
LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid AND i.inhparent = to_regclass('sync_events')
WHERE c.relkind = 'r' AND NOT c.relrowsecurity
  AND (i.inhrelid IS NOT NULL OR c.relname ~ '^sync_events_\d{4}_\d{2}_detached(_\d+)?$')
  AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('sync_events'))
ORDER BY c.relname
"""


class Month(NamedTuple):
    """A month of UTC."""

    year: int
    number: int

    def plus(self, months: int) -> "Month":
        """Return the month this number of months later; earlier if it is negative."""
        count = self.year * 12 + self.number - 1 + months
        return Month(count // 12, count % 12 + 1)

    @property
    def start(self) -> str:
        """Its first instant."""
        return f"{self.year:04d}-{self.number:02d}-01 00:00:00+00"

    @property
    def condition(self) -> str:
        """What holds for the rows of its events."""
        return f"\"timestamp\" >= '{self.start}' AND \"timestamp\" < '{self.plus(1).start}'"

    @property
    def table(self) -> str:
        """The name of its partition."""
        return f"sync_events_{self.year:04d}_{self.number:02d}"


class Detached(NamedTuple):
    """A month that is a table of its own; `table` is its qualified name."""

    table: str
    rows: int


class Retention(NamedTuple):
    """The steps taken, or planned: partitions made, months detached, months left by earlier runs, months dropped."""

    made: list[str]
    detached: list[Detached]
    lying: list[Detached]
    dropped: list[Detached]


class _Parent(NamedTuple):
    name: str
    schema: str
    fallback: str | None
    columns: str


async def ensure_partitions(
    connection: "Connection", ahead: int = MONTHS_AHEAD, today: dt.date | None = None
) -> list[str]:
    """Make the partitions of this month and of the next `ahead` where they are missing, and return their names.

    Partitions and detached months that are open are shut to all but their owner: others read through the table.

    Cheap if there is nothing to do; else readers and writers wait until it is done, for as long as there are rows to
    move. Any number of processes may call it at once. Raises MigrationError without the table sync_events, and
    asyncpg.LockNotAvailableError if readers hold it too long.
    """
    first = await month_of(connection, today)
    made = await _make(connection, await _parent(connection), [first.plus(months) for months in range(ahead + 1)])
    for row in await connection.fetch(_OPEN):
        async with _alone(connection):
            await _shut(connection, row["name"])
    return made


async def month_of(connection: "Connection", today: dt.date | None) -> Month:
    """Return the month of a day, by default of today as the server has it."""
    day = today or await connection.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    return Month(day.year, day.month)


async def _parent(connection: "Connection") -> _Parent:
    row = await connection.fetchrow(_PARENT)
    if row is None:
        raise MigrationError("there is no audit trail here: run `synckairos migrate up` first")
    return _Parent(*row)


async def _make(connection: "Connection", parent: _Parent, months: list[Month]) -> list[str]:
    made = []
    for month in months:
        if month.table in await _attached(connection):
            continue
        async with _alone(connection):
            # Another process may have been here first.
            if month.table not in await _attached(connection):
                await _make_one(connection, parent, month)
                made.append(month.table)
    return made


@asynccontextmanager
async def _alone(connection: "Connection") -> AsyncIterator[None]:
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute("SELECT pg_advisory_xact_lock($1, to_regclass('sync_events')::int)", LOCK_CLASS)
        yield


async def _shut(connection: "Connection", table: str) -> None:
    """Show its rows to the owner alone: row security without a policy."""
    await connection.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")


async def _attached(connection: "Connection") -> set[str]:
    return {row["name"] for row in await connection.fetch(_TABLES) if row["is_attached"]}


async def _make_one(connection: "Connection", parent: _Parent, month: Month) -> None:
    """Make a month's partition: a table of its own, filled, then attached.

    Readers and writers are kept out meanwhile. A writer that waited for the DEFAULT partition alone would meet a
    violated constraint, because its row belongs elsewhere by then, and the pipeline would blame the event.
    """
    table = f"{parent.schema}.{month.table}"
    await connection.execute(f"LOCK TABLE ONLY {parent.name} IN ACCESS EXCLUSIVE MODE")
    await connection.execute(
        f"CREATE TABLE {table} (LIKE {parent.name} "
        f"INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS)"
    )
    await _shut(connection, table)
    if parent.fallback is not None:
        moved = f"""
            WITH moved AS (
                DELETE FROM {parent.fallback} WHERE {month.condition} RETURNING {parent.columns}
            )
            INSERT INTO {table} ({parent.columns}) SELECT {parent.columns} FROM moved
        """  # noqa: S608 - names are quoted by the server, instants are our own
        await connection.execute(moved, timeout=MOVE_S)
    bounds = f"FROM ('{month.start}') TO ('{month.plus(1).start}')"
    await connection.execute(f"ALTER TABLE {parent.name} ATTACH PARTITION {table} FOR VALUES {bounds}", timeout=MOVE_S)


async def retain(
    connection: "Connection",
    keep_months: int,
    *,
    drop: bool = False,
    dry_run: bool = False,
    today: dt.date | None = None,
) -> Retention:
    """Make partitions ahead, and detach the months that are older than the last `keep_months` before this one.

    What lies in the DEFAULT partition of past months gets partitions first, so that it is kept no longer than the
    rest. With `drop`, every detached month is dropped, those of earlier runs too. Raises as ensure_partitions does.
    """
    parent = await _parent(connection)
    current = await month_of(connection, today)
    stray = await _stray_months(connection, parent, current)
    wanted = [*stray, *(current.plus(months) for months in range(MONTHS_AHEAD + 1))]
    lying = await _lying(connection, parent)
    oldest = current.plus(-keep_months).table
    if dry_run:
        attached = await _attached(connection)
        made = [month.table for month in wanted if month.table not in attached]
        old = [await _counted(connection, f"{parent.schema}.{name}") for name in sorted(attached) if name < oldest]
        old += [
            await _counted(connection, f"{parent.schema}.{month.table}", f"{parent.fallback} WHERE {month.condition}")
            for month in stray
            if month.table < oldest
        ]
        return Retention(made, old, lying, [*lying, *old] if drop else [])
    made = await _make(connection, parent, wanted)
    old = [await _detach(connection, parent, name) for name in sorted(await _attached(connection)) if name < oldest]
    dropped = [*lying, *old] if drop else []
    for month in dropped:
        await connection.execute(f"DROP TABLE {month.table}")
    return Retention(made, old, lying, dropped)


async def _stray_months(connection: "Connection", parent: _Parent, current: Month) -> list[Month]:
    """Return the months before this one that the DEFAULT partition holds rows of."""
    if parent.fallback is None:
        return []
    query = f"""
        SELECT DISTINCT extract(year FROM day)::int AS year, extract(month FROM day)::int AS month
        FROM (SELECT date_trunc('month', "timestamp" AT TIME ZONE 'UTC') AS day FROM {parent.fallback}) AS days
    """  # noqa: S608 - the name is quoted by the server
    rows = await connection.fetch(query, timeout=MOVE_S)
    return sorted(month for row in rows if (month := Month(row["year"], row["month"])) < current)


async def _lying(connection: "Connection", parent: _Parent) -> list[Detached]:
    names = [row["name"] for row in await connection.fetch(_TABLES) if not row["is_attached"]]
    return [await _counted(connection, f"{parent.schema}.{name}") for name in names]


async def _counted(connection: "Connection", table: str, rows: str = "") -> Detached:
    """Return a table with the number of its rows, or of those that it is to get: what may follow a FROM."""
    count = f"SELECT count(*) FROM {rows or table}"  # noqa: S608 - names are quoted by the server, instants are our own
    return Detached(table, await connection.fetchval(count, timeout=MOVE_S))


async def _detach(connection: "Connection", parent: _Parent, name: str) -> Detached:
    """Make a partition a table of its own, under a name that leaves the month's free for events that come late."""
    async with _alone(connection):
        taken = {row["name"] for row in await connection.fetch(_TABLES)}
        candidates = (f"{name}_detached{f'_{count}' if count > 1 else ''}" for count in range(1, len(taken) + 2))
        free = next(candidate for candidate in candidates if candidate not in taken)
        await connection.execute(f"ALTER TABLE {parent.name} DETACH PARTITION {parent.schema}.{name}")
        await connection.execute(f"ALTER TABLE {parent.schema}.{name} RENAME TO {free}")
    return await _counted(connection, f"{parent.schema}.{free}")
