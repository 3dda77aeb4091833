"""The commands and their options; what they do is beside this file."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import grpc
import typer

from synckairos.adapters.postgres_migrations import MigrationError
from synckairos.adapters.redis_guard import StoreLayoutError
from synckairos.application.errors import TransientError
from synckairos.bootstrap import AddressInUseError, serve
from synckairos.cli import inspection
from synckairos.cli.dev import DevOptions, run_dev
from synckairos.cli.migration import migrate
from synckairos.devstack import DevstackError
from synckairos.settings import Settings, SettingsError, load_settings
from synckairos.telemetry import configure_logging

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Authoritative, synchronized session time over gRPC."
)
store_app = typer.Typer(no_args_is_help=True, help="The identity of the store.")
migrate_app = typer.Typer(no_args_is_help=True, help="The schema of the audit database.")
app.add_typer(store_app, name="store")
app.add_typer(migrate_app, name="migrate")


def fail(message: str) -> NoReturn:
    """End the process with an error message."""
    typer.echo(f"synckairos: {message}", err=True)
    raise typer.Exit(1)


def settings_or_fail(**given: object) -> Settings:
    """Return the settings and set up logging, or end the process naming every wrong setting."""
    try:
        settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    except SettingsError as error:
        fail(f"these settings are wrong:\n{error}")
    configure_logging(settings.log_level, settings.log_format)
    return settings


def run(work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever the work returns
    """Run a coroutine, on uvloop where there is one; known failures end the process with their message."""
    try:
        if sys.platform == "win32":
            return asyncio.run(work)
        import uvloop  # noqa: PLC0415 - not on every platform

        return uvloop.run(work)
    except (
        AddressInUseError,
        StoreLayoutError,
        TransientError,
        DevstackError,
        MigrationError,
        inspection.InspectionError,
    ) as error:
        fail(str(error))
    except grpc.aio.AioRpcError as error:
        fail(f"{error.code().name}: {error.details()}")


Listen = Annotated[str | None, typer.Option(help="host:port to listen on; port 0 takes a free one.")]


@app.command("serve")
def serve_command(
    listen: Listen = None,
    reuse_port: Annotated[bool, typer.Option(help="Share the port with other servers on this machine.")] = False,
) -> None:
    """Run a server against SYNCKAIROS_REDIS_URL until it is told to stop."""
    run(serve(settings_or_fail(listen=listen), reuse_port=reuse_port))


@app.command()
def dev(
    data_dir: Annotated[Path, typer.Option(help="Where Redis and PostgreSQL keep their data.")] = Path(".synckairos"),
    listen: Annotated[str, typer.Option(help="host:port to listen on; port 0 takes a free one.")] = "127.0.0.1:50051",
    redis_port: Annotated[int, typer.Option(help="Redis' port; 0 takes a free one.")] = 0,
    postgres_port: Annotated[int, typer.Option(help="PostgreSQL's port; 0 takes a free one.")] = 0,
) -> None:
    """Run everything on this machine: a real Redis, a real PostgreSQL (unless SYNCKAIROS_*_URL name some), a server."""
    try:
        run_dev(DevOptions(data_dir, listen, redis_port, postgres_port), settings_or_fail, run)
    except DevstackError as error:
        fail(str(error))


@app.command()
def health(
    address: Annotated[str | None, typer.Argument(help="host:port; default SYNCKAIROS_LISTEN.")] = None,
    service: Annotated[str, typer.Option(help="Ask for one service only.")] = "",
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the answer.")] = 3.0,
) -> None:
    """Ask a server how it is; exits 0 only if it says SERVING."""
    status = run(inspection.health(address or settings_or_fail().listen, service, timeout))
    typer.echo(status)
    if status != "SERVING":
        raise typer.Exit(1)


@app.command()
def inspect(session_id: Annotated[str, typer.Argument(help="The session's UUID.")]) -> None:
    """Print what Redis holds of a session, as JSON."""
    typer.echo(run(inspection.inspect(settings_or_fail(), session_id)))


@store_app.command("init")
def store_init() -> None:
    """Give the store a new name: running servers that lost theirs accept it as it is, empty or not."""
    identity = run(inspection.init_store(settings_or_fail()))
    typer.echo(f"store {identity.store_id}, layout {identity.layout}, {identity.partitions} partitions")


@store_app.command("show")
def store_show() -> None:
    """Print the store's name."""
    identity = run(inspection.store_identity(settings_or_fail()))
    if identity is None:
        fail("the store has no name: run `synckairos store init`")
    typer.echo(f"store {identity.store_id}, layout {identity.layout}, {identity.partitions} partitions")


@migrate_app.command("up")
def migrate_up() -> None:
    """Apply the migrations that are not applied yet to SYNCKAIROS_DATABASE_URL."""
    applied = run(migrate(settings_or_fail()))
    typer.echo(f"applied: {', '.join(applied)}" if applied else "nothing to apply")


def main() -> None:
    """Run the command line."""
    app()
