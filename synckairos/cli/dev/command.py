"""`synckairos dev`: Redis, PostgreSQL, a worker and a server on one machine, without Docker."""

import json
import shlex
import shutil
import signal
import socket
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType

import typer

from synckairos.cli.dev.stack import announced, claimed
from synckairos.cli.dev.worker import DevWorker
from synckairos.cli.gateway import USUAL
from synckairos.cli.migration import migrate
from synckairos.cli.running import run, settings_or_fail
from synckairos.composition.ending import ended_in_time
from synckairos.composition.listeners.exposure import require_protection
from synckairos.composition.listeners.http_port import GatewayMissingError, bound_socket, require_gateway, url_of
from synckairos.composition.listeners.listening import AddressInUseError
from synckairos.composition.server import Server
from synckairos.composition.server_process import serve
from synckairos.devstack import Guardian, PostgresServer, RedisServer
from synckairos.devstack.child_server import is_free
from synckairos.settings import Settings, split_address

HTTP_HOST, HTTP_PORT = split_address(USUAL)
HTTP_PORTS = 100

SESSION = "11111111-1111-4111-8111-111111111111"
ALICE = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
BOB = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"


def run_dev(data_dir: Path, listen: str | None, redis_port: int, postgres_port: int) -> None:
    """Start Redis and PostgreSQL, migrate, run a worker and a server, and stop everything in the reverse order.

    A Redis or PostgreSQL that the environment names replaces one of its own.
    """
    given = settings_or_fail(listen=listen)
    require_protection(given, {"SYNCKAIROS_LISTEN": given.listen, "SYNCKAIROS_HTTP_LISTEN": given.http_listen})
    data_dir.mkdir(parents=True, exist_ok=True)
    _end_on_signals()
    with ExitStack() as stack:
        http = _http_socket(given)
        if http is None:
            typer.echo("no console: its libraries come with pip install 'synckairos[gateway]'")
        else:
            stack.enter_context(http)
            typer.echo(f"{url_of(http, has_tls=bool(given.tls_cert))}   (the console, as soon as all is up)")
        stack.enter_context(claimed(data_dir))
        typer.echo(f"starting what is needed in {data_dir} …")
        guardian = stack.enter_context(Guardian())
        urls = _start_stores(data_dir, redis_port, postgres_port, given, stack, guardian)
        settings = settings_or_fail(
            listen=_address(given), redis_url=urls.get("redis_url"), database_url=urls.get("database_url")
        )
        applied = run(migrate(settings))
        typer.echo(f"{len(applied)} migrations applied")
        stack.enter_context(DevWorker(settings, urls, data_dir, guardian.guard))

        def greet(server: Server) -> None:
            stack.enter_context(announced(data_dir, _places(settings, server.address)))
            _greet(server)

        try:
            run(serve(settings, http=http, on_started=greet, may_reload=False))
        finally:
            ended_in_time()
    typer.echo("stopped")


def _start_stores(
    data_dir: Path, redis_port: int, postgres_port: int, given: Settings, stack: ExitStack, guardian: Guardian
) -> dict[str, str]:
    """Start those stores that the environment does not name, and return the settings that lead to them."""
    urls: dict[str, str] = {}
    for name, setting, is_given, kind, folder, port in (
        ("Redis", "redis_url", "redis_url" in given.model_fields_set, RedisServer, "redis", redis_port),
        # The database may also be named in parts.
        ("PostgreSQL", "database_url", given.database_url is not None, PostgresServer, "postgres", postgres_port),
    ):
        shown = f"SYNCKAIROS_{setting.upper()}"
        if not is_given:
            server = stack.enter_context(kind(data_dir / folder, port, has_password=True))
            guardian.guard(server.ward)
            urls[setting], shown = server.url, server.shown_url
        typer.echo(f"{name:<11} {shown}")
    return urls


def _http_socket(given: Settings) -> socket.socket | None:
    """Return a socket for browsers, who wait in it until all is up; None where nobody asked and its extra is missing.

    Where nobody asked for a port, and the usual one is taken, it listens on the next free one. Raises
    GatewayMissingError, AddressInUseError.
    """
    if given.http_listen:
        require_gateway()
        return bound_socket(given.http_listen)
    try:
        require_gateway()
    except GatewayMissingError:
        return None
    for port in range(HTTP_PORT, HTTP_PORT + HTTP_PORTS):
        with suppress(AddressInUseError):
            return bound_socket(f"{HTTP_HOST}:{port}")
    return bound_socket(f"{HTTP_HOST}:0")


def _address(given: Settings) -> str:
    """Return where to listen: where nobody asked for a port, and the usual one is taken, at any free one."""
    host, port = split_address(given.listen)
    return given.listen if "listen" in given.model_fields_set or is_free(port) else f"{host}:0"


def _places(settings: Settings, address: str) -> dict[str, str]:
    """Return the settings that lead other commands here."""
    places = {"redis_url": settings.redis_url, "broker_url": settings.broker_url, "database_url": settings.database_url}
    return {name: url.get_secret_value() for name, url in places.items() if url is not None} | {"listen": address}


def _end_on_signals() -> None:
    """Stop in order, as after Ctrl-C, also for a signal that comes before the server runs or while it stops."""

    def end(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, end)


def _greet(server: Server) -> None:
    typer.echo(f"SyncKairos  {server.address}   (Ctrl-C stops everything)\n\nTry, in another terminal:")
    players = [{"participant_id": player, "total_time_ms": 600_000} for player in (ALICE, BOB)]
    session = {"session_id": SESSION, "mode": "MODE_PER_PARTICIPANT", "increment_ms": 3_000, "participants": players}
    for method, body in (
        ("CreateSession", session),
        ("StartSession", {"session_id": SESSION}),
        ("WatchSession", {"session_id": SESSION, "tick_interval_ms": 1_000}),
    ):
        request = json.dumps(body, separators=(",", ":"))
        typer.echo(f"  {_program()} call --address {server.address} {method} '{request}'")
    typer.echo("\nPlay sample games, and see their clocks run:")
    for command in ("demo", "top"):
        typer.echo(f"  {_program()} {command} --address {server.address}")
    typer.echo("")


def _program() -> str:
    """Return how the program that runs now is started from a shell."""
    program = Path(sys.argv[0])
    if program.name != "synckairos":
        return f"{shlex.quote(sys.executable)} -m synckairos"
    return "synckairos" if shutil.which("synckairos") else shlex.quote(str(program))
