"""The commands and their options; their work is in the files beside this one."""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from synckairos.adapters.redis.keys import PARTITIONS
from synckairos.cli import inspection
from synckairos.cli.asking import add_asking_commands
from synckairos.cli.audit.access import Tenant
from synckairos.cli.audit.clock import clock
from synckairos.cli.audit.dead import dead_app
from synckairos.cli.audit.erase import erase_app
from synckairos.cli.audit.reading import events, participant, session, status
from synckairos.cli.audit.sample import sample
from synckairos.cli.audit.transfer import export, import_
from synckairos.cli.calling import call
from synckairos.cli.dev.command import run_dev
from synckairos.cli.dev.stack import DATA_DIR
from synckairos.cli.doctor.command import doctor
from synckairos.cli.gateway import gateway
from synckairos.cli.keys import keys_app
from synckairos.cli.migration import migrate_app, migrate_first
from synckairos.cli.recovery import recover
from synckairos.cli.retention import retention
from synckairos.cli.running import fail, run, settings_or_fail, telling_failures
from synckairos.cli.sessions.connection import TOKEN_FILE, credentials
from synckairos.cli.time_controls import tc_app
from synckairos.cli.worker import become_worker
from synckairos.composition.server_process import serve
from synckairos.composition.supervision.serving import serve_by_many
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.domain.tenancy import DEFAULT_TENANT, qualify

PORT_HELP = "Its port; 0 takes {}, or any free one."

app = typer.Typer(
    no_args_is_help=True,
    help="Authoritative, synchronized session time over gRPC.",
    # Earlier versions of Typer show the variables of frames, which may hold secrets.
    pretty_exceptions_show_locals=False,
)
audit_app = typer.Typer(no_args_is_help=True, help="The audit trail.")
store_app = typer.Typer(no_args_is_help=True, help="The identity of the store.")
app.add_typer(store_app, name="store")
app.add_typer(migrate_app, name="migrate")
app.add_typer(audit_app, name="audit")
app.add_typer(tc_app, name="tc")
app.add_typer(keys_app, name="keys")
audit_app.add_typer(dead_app, name="dead")
audit_app.add_typer(erase_app, name="erase")
audit_app.command()(events)
audit_app.command()(participant)
audit_app.command()(session)
audit_app.command()(status)
audit_app.command()(export)
audit_app.command("import")(import_)
audit_app.command()(retention)
audit_app.command()(sample)
app.command()(clock)
app.command()(recover)
app.command()(doctor)
app.command()(call)
add_asking_commands(app)
app.command()(gateway)


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"synckairos {version('synckairos')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    token_file: Annotated[
        Path | None, typer.Option(envvar=TOKEN_FILE, help="File of the token, or API key, with which commands call.")
    ] = None,
) -> None:
    """Authoritative, synchronized session time over gRPC."""
    if token_file is not None:
        # Where every command that asks a server looks, those too that load nothing of this file.
        os.environ[TOKEN_FILE] = str(token_file)


Listen = Annotated[
    str | None, typer.Option(help="host:port to listen on, port 0 takes a free one; default SYNCKAIROS_LISTEN.")
]


@app.command("serve")
def serve_command(
    listen: Listen = None,
    reuse_port: Annotated[bool, typer.Option(help="Share the port with other servers on this machine.")] = False,
    migrate: Annotated[
        bool, typer.Option("--migrate", help="First bring the database up to date; waits half a minute for it.")
    ] = False,
    processes: Annotated[
        str | None, typer.Option(help="Server processes, or auto for one a core; default SYNCKAIROS_PROCESSES.")
    ] = None,
    supervisor: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """Run a server against SYNCKAIROS_REDIS_URL until it is told to stop."""
    settings = settings_or_fail(listen=listen, processes=processes)
    if migrate:
        run(migrate_first(settings))
    if settings.process_count > 1:
        run(serve_by_many(settings))
    else:
        run(serve(settings, reuse_port=reuse_port, supervisor=supervisor))


@app.command()
def worker() -> None:
    """Carry events from Redis to SYNCKAIROS_DATABASE_URL until told to stop."""
    settings = settings_or_fail()
    if settings.database_url is None:
        fail("a worker writes the audit trail: set SYNCKAIROS_DATABASE_URL")
    become_worker(settings)


@app.command()
def dev(
    data_dir: Annotated[Path, typer.Option(help="Where Redis and PostgreSQL keep their data.")] = DATA_DIR,
    listen: Listen = None,
    redis_port: Annotated[int, typer.Option(min=0, max=65_535, help=PORT_HELP.format(RedisServer.usual_port))] = 0,
    postgres_port: Annotated[
        int, typer.Option(min=0, max=65_535, help=PORT_HELP.format(PostgresServer.usual_port))
    ] = 0,
) -> None:
    """Run everything on this machine: Redis and PostgreSQL (unless SYNCKAIROS_*_URL name some), a server, a worker."""
    try:
        run_dev(data_dir, listen, redis_port, postgres_port)
    except OSError as error:
        fail(str(error))


@app.command()
def health(
    address: Annotated[str | None, typer.Argument(help="host:port; default SYNCKAIROS_LISTEN.")] = None,
    service: Annotated[str, typer.Option(help="Ask for one service only.")] = "",
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the answer.")] = 3.0,
) -> None:
    """Ask a server for its health; exits 0 only if it is SERVING."""
    target = address or settings_or_fail(of_dev=True).listen
    status = run(inspection.health(target, service, timeout, credentials()))
    typer.echo(status)
    if status != "SERVING":
        raise typer.Exit(1)


@app.command()
def inspect(
    session_id: Annotated[str, typer.Argument(help="The session's UUID.")],
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Print a session as Redis holds it, as JSON."""
    typer.echo(run(inspection.inspect(settings_or_fail(of_dev=True), qualify(tenant, session_id.lower()))))


@store_app.command("init")
def store_init(
    partition: Annotated[
        list[int] | None,
        typer.Option(min=0, max=PARTITIONS - 1, help="Only this partition of a cluster, which has lost its data."),
    ] = None,
) -> None:
    """Give the store a new name, so that servers that lost it use it again as it is, empty or not."""
    identity = run(inspection.init_store(settings_or_fail(of_dev=True), partition or ()))
    typer.echo(f"store {identity.store_id}, layout {identity.layout}, {identity.partitions} partitions")


@store_app.command("show")
def store_show() -> None:
    """Print the store's name."""
    identity = run(inspection.store_identity(settings_or_fail(of_dev=True)))
    if identity is None:
        fail("the store has no name: run `synckairos recover --all` or `synckairos store init`")
    typer.echo(f"store {identity.store_id}, layout {identity.layout}, {identity.partitions} partitions")


def main() -> None:
    """Run the command line."""
    with telling_failures():
        app()
