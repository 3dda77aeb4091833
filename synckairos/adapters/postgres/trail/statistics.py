"""How large the tables of the audit trail are, and how well kept, by PostgreSQL's own statistics: estimates."""

from typing import Final, NamedTuple

from synckairos.adapters.postgres.database import Database, Statement

STATISTICS: Final = Statement(
    "audit: statistics",
    # Partitions count for their table; detached months are tables of their own, and not in it.
    """
    SELECT
        coalesce(parent.relname, c.relname)::text,
        coalesce(sum(s.n_live_tup), 0)::bigint,
        coalesce(sum(s.n_dead_tup), 0)::bigint,
        sum(pg_total_relation_size(c.oid))::bigint,
        count(*) FILTER (WHERE parent.oid IS NOT NULL),
        round(extract(epoch FROM max(greatest(s.last_vacuum, s.last_autovacuum))) * 1000)::bigint,
        round(extract(epoch FROM max(greatest(s.last_analyze, s.last_autoanalyze))) * 1000)::bigint
    FROM pg_class AS c
    LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
    LEFT JOIN pg_class AS parent ON parent.oid = i.inhparent
    LEFT JOIN pg_stat_user_tables AS s ON s.relid = c.oid
    WHERE c.relkind = 'r'
        AND c.relnamespace = to_regnamespace(quote_ident(current_schema()))
        AND coalesce(parent.relname, c.relname)
            IN ('sync_events', 'sync_sessions', 'sync_participants', 'sync_operator_actions')
    GROUP BY 1
    ORDER BY 1
    """,
)


class TableStatistics(NamedTuple):
    """One table, its partitions included; instants in ms since 1970, None for never."""

    table: str
    rows: int
    dead_rows: int
    bytes: int
    partitions: int
    vacuumed_at: int | None
    analyzed_at: int | None


async def table_statistics(database: Database) -> list[TableStatistics]:
    """Return the statistics of every table, by name; raises AuditUnavailable."""
    return [TableStatistics(*row) for row in await database.fetch(STATISTICS)]
