"""PostgreSQL: whether it can hold the trail, has its tables, and lets the account work on them."""

from collections.abc import Iterator, Sequence
from typing import Final

from synckairos.adapters.postgres.condition import (
    TABLES,
    DatabaseCondition,
    TableRights,
    database_condition,
    table_rights,
)
from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.schema import history
from synckairos.adapters.postgres.schema.files import MigrationError
from synckairos.adapters.postgres.schema.migrate import read_status
from synckairos.application.errors import AuditUnavailable
from synckairos.cli.doctor.findings import Finding, advice, fine, unseen, wrong
from synckairos.cli.migration import migrations_folder, options_of
from synckairos.settings import Settings

OLDEST: Final = 140_000


async def look_at_database(settings: Settings, database: Database) -> list[Finding]:
    """Return what there is to say of PostgreSQL."""
    try:
        condition = await database_condition(database)
        rights = await table_rights(database)
    except AuditUnavailable as error:
        return [unseen("postgres.reach", str(error), "start PostgreSQL, or correct SYNCKAIROS_DATABASE_URL")]
    is_server = condition.account == settings.database_server_role
    return [*_judged(condition), *await _migrations(settings), *_rights(rights, is_server=is_server)]


def _judged(condition: DatabaseCondition) -> Iterator[Finding]:
    if condition.number < OLDEST:
        yield wrong("postgres.version", f"PostgreSQL {condition.version} is too old", "run PostgreSQL 14 or newer")
    else:
        yield fine("postgres.version", f"PostgreSQL {condition.version}")
    if condition.is_standby:
        remedy = "name the primary in SYNCKAIROS_DATABASE_URL"
        yield wrong("postgres.role", "this is a standby, in which no worker can write", remedy)
    if condition.is_superuser:
        what = f"the account {condition.account} is a superuser: no policy keeps tenants apart for it"
        yield advice("postgres.account", what, "give SyncKairos an account of its own, without that right")
    elif condition.passes_policies:
        what = f"the account {condition.account} passes by row security: no policy keeps tenants apart for it"
        yield advice("postgres.account", what, f"ALTER ROLE {condition.account} NOBYPASSRLS")


async def _migrations(settings: Settings) -> list[Finding]:
    assert settings.database_url is not None  # noqa: S101 - there is a database
    try:
        url = settings.database_url.get_secret_value()
        entries = await read_status(url, migrations_folder(), options_of(settings))
    except MigrationError as error:
        return [unseen("postgres.migrations", str(error), "synckairos migrate status")]
    if found := history.problems(entries):
        return [wrong("postgres.migrations", one, "synckairos migrate validate") for one in found]
    pending = [entry.name for entry in entries if entry.row is None]
    if pending:
        what = f"{len(pending)} of {len(entries)} migrations are not applied: {', '.join(pending)}"
        return [wrong("postgres.migrations", what, "synckairos migrate up")]
    return [fine("postgres.migrations", f"all {len(entries)} migrations are applied")]


def _rights(rights: Sequence[TableRights], *, is_server: bool) -> Iterator[Finding]:
    """Yield what the account lacks; tables that are missing are a matter of the migrations.

    `is_server`: it is the account of servers, which only reads.
    """
    unreadable = [one.table for one in rights if not one.may_read]
    unwritable = [one.table for one in rights if not one.may_write]
    if unreadable:
        what = f"the account may not read {', '.join(unreadable)}"
        yield wrong("postgres.rights", what, f"GRANT SELECT ON {', '.join(unreadable)} TO the account")
    elif unwritable and is_server:
        yield fine("postgres.rights", "the account may read the trail and not write it, as that of servers should")
    elif unwritable:
        what = f"the account may read, but not write {', '.join(unwritable)}: enough for a server, not for a worker"
        yield advice("postgres.rights", what, f"for a worker: GRANT INSERT, UPDATE ON {', '.join(unwritable)}")
    elif len(rights) == len(TABLES):
        yield fine("postgres.rights", "the account may read and write the trail")
