"""`synckairos migrate`: the schema of the audit database, from the command line."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from synckairos.adapters.postgres.options import database_options
from synckairos.adapters.postgres.schema import history
from synckairos.adapters.postgres.schema.book import MigrationOptions
from synckairos.adapters.postgres.schema.files import Migration, create_migration, read_migrations
from synckairos.adapters.postgres.schema.losses import Loss
from synckairos.adapters.postgres.schema.migrate import (
    apply_migrations,
    read_status,
    rehearse_revert,
    revert_migrations,
)
from synckairos.adapters.postgres.schema.rights import Accounts
from synckairos.adapters.postgres.schema.upkeep import prepare_tables
from synckairos.cli.running import fail, run, settings_or_fail
from synckairos.settings import Settings

migrate_app = typer.Typer(no_args_is_help=True, help="The schema of the audit database, SYNCKAIROS_DATABASE_URL.")

Schema = Annotated[
    str | None, typer.Option(help="Where the tables lie, made when missing; default SYNCKAIROS_DATABASE_SCHEMA.")
]
Folder = Annotated[Path | None, typer.Option(help="The files; default: those that came with this program.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would run, and change nothing.")]
LockTimeout = Annotated[float, typer.Option(min=0, help="Seconds to wait for a table in use; 0 waits for ever.")]
StatementTimeout = Annotated[float, typer.Option(min=0, help="Seconds that a file may take; 0 for no limit.")]


START_WAIT_S: Final = 30.0
"""For a database that starts together with the server."""


def migrations_folder() -> Path:
    """Return the folder of the migrations: beside the modules in a wheel, beside `synckairos/` in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


def options_of(settings: Settings, lock_s: float = 10.0, statement_s: float = 0.0) -> MigrationOptions:
    """Return how a command works on the schema; raises DatabaseOptionsError."""
    return MigrationOptions(
        tls=database_options(settings).tls,
        schema=settings.database_schema,
        ssh=settings.database_ssh,
        connect_s=settings.database_connect_timeout_s,
        lock_s=lock_s,
        statement_s=statement_s,
        tell=typer.echo,
    )


def accounts_of(settings: Settings) -> Accounts:
    """Return the accounts that get rights."""
    return Accounts(settings.database_worker_role, settings.database_server_role)


async def migrate_first(settings: Settings) -> None:
    """Apply the pending migrations before a server starts, telling each; waits for the database for START_WAIT_S."""
    if settings.database_url is None:
        fail("SYNCKAIROS_DATABASE_URL is not set: there is no database to migrate")
    url = settings.database_url.get_secret_value()
    options = options_of(settings)
    await apply_migrations(url, migrations_folder(), options, patience_s=START_WAIT_S)
    await prepare_tables(url, options, accounts_of(settings))


async def migrate(settings: Settings) -> list[str]:
    """Apply the pending migrations and return their names; does nothing without a database."""
    if settings.database_url is None:
        return []
    url = settings.database_url.get_secret_value()
    return await apply_migrations(url, migrations_folder(), options_of(settings)._replace(tell=lambda _: None))


def target(schema: str | None = None) -> tuple[Settings, str]:
    """Return the settings and the URL of the database, or end the process if there is none."""
    settings = settings_or_fail(of_dev=True, database_schema=schema)
    if settings.database_url is None:
        fail("SYNCKAIROS_DATABASE_URL is not set: there is no database to work on")
    return settings, settings.database_url.get_secret_value()


@migrate_app.command()
def up(
    schema: Schema = None,
    folder: Folder = None,
    dry_run: DryRun = False,
    lock_timeout: LockTimeout = 10.0,
    statement_timeout: StatementTimeout = 0.0,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for a database that is not there yet.")] = 0.0,
) -> None:
    """Apply the pending migrations in order, each file wholly or not at all, and give accounts their rights."""
    settings, url = target(schema)
    options = options_of(settings, lock_timeout, statement_timeout)
    files = folder or migrations_folder()
    if dry_run:
        pending = history.pending(run(read_status(url, files, options)))
        typer.echo(_listing("would apply", pending, [migration.up.sql for migration in pending]))
        return
    if not run(apply_migrations(url, files, options, patience_s=wait)):
        typer.echo("nothing to apply")
    run(prepare_tables(url, options, accounts_of(settings)))


def _listing(what: str, files: list[Migration], ways: list[str]) -> str:
    if not files:
        return f"{what}: nothing"
    shown = [f"-- {file.name}.sql\n{way.strip()}" for file, way in zip(files, ways, strict=True)]
    return f"{what}: {', '.join(file.name for file in files)}\n\n" + "\n\n".join(shown)


@migrate_app.command()
def down(
    steps: Annotated[int, typer.Option(min=1, help="How many files to undo, the last one first.")] = 1,
    schema: Schema = None,
    folder: Folder = None,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Drop the data that the way back drops, without asking.")] = False,
    lock_timeout: LockTimeout = 10.0,
    statement_timeout: StatementTimeout = 0.0,
) -> None:
    """Undo the latest migrations; name the data that are lost, and ask before rows are dropped."""
    settings, url = target(schema)
    options = options_of(settings, lock_timeout, statement_timeout)
    files = folder or migrations_folder()
    undone, losses = run(rehearse_revert(url, files, steps, options))
    if not undone:
        typer.echo("nothing to undo")
        return
    if dry_run:
        typer.echo(_listing("would undo", undone, [migration.down.sql for migration in undone]))
    for loss in losses:
        typer.echo(f"drops {loss}")
    if not dry_run:
        run(revert_migrations(url, files, len(undone), options, may_lose=yes or _is_agreed(losses)))


def _is_agreed(losses: list[Loss]) -> bool:
    if all(loss.rows == 0 for loss in losses):
        return False
    if not sys.stdin.isatty():
        fail("nothing was undone: these data would be lost; take a backup, then repeat with --yes")
    if not typer.confirm("These data will be lost. Go on?"):
        fail("nothing was undone")
    return True


@migrate_app.command()
def status(schema: Schema = None, folder: Folder = None) -> None:
    """Print the state of every migration; exits 1 if files and database do not match."""
    settings, url = target(schema)
    entries = run(read_status(url, folder or migrations_folder(), options_of(settings)))
    for entry in entries:
        typer.echo(_line(entry))
    typer.echo(f"{sum(entry.row is None for entry in entries)} of {len(entries)} not applied")
    if history.problems(entries):
        raise typer.Exit(1)


def _line(entry: history.Entry) -> str:
    when = f"{entry.row.applied_at:%Y-%m-%d %H:%M:%S %Z}" if entry.row and entry.row.applied_at else ""
    took = f"{entry.row.duration_ms} ms" if entry.row and entry.row.duration_ms is not None else ""
    return f"{entry.name:<32} {entry.state:<10} {when:<24} {took}".rstrip()


@migrate_app.command()
def validate(schema: Schema = None, folder: Folder = None) -> None:
    """Check the files, and compare them with the database if there is one; exits 1 with every problem found."""
    settings = settings_or_fail(of_dev=True, database_schema=schema)
    files = folder or migrations_folder()
    if settings.database_url is None:
        count = len(read_migrations(files))
        typer.echo(f"{count} files are well formed; without SYNCKAIROS_DATABASE_URL no database was looked at")
        return
    entries = run(read_status(settings.database_url.get_secret_value(), files, options_of(settings)))
    if found := history.problems(entries):
        fail("\n".join(found))
    unknown = [entry.name for entry in entries if entry.row is not None and entry.row.checksum is None]
    note = f"; applied by another tool, so not compared: {', '.join(unknown)}" if unknown else ""
    typer.echo(f"{len(entries)} files are well formed and go together with the database{note}")


@migrate_app.command()
def create(
    what: Annotated[str, typer.Argument(help="What the step does, like `add labels`.")],
    folder: Annotated[Path, typer.Option(help="Where the files lie.")] = Path("migrations"),
) -> None:
    """Write an empty migration under the next number."""
    typer.echo(create_migration(folder, what))
