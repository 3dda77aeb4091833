"""`synckairos dev`: Redis, PostgreSQL, a worker and a server on one machine, without Docker."""

import json
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import typer

from synckairos.cli.migration import migrate
from synckairos.cli.running import run, settings_or_fail
from synckairos.cli.worker import worker_beside
from synckairos.composition.ending import ended_in_time
from synckairos.composition.server import Server, serve
from synckairos.devstack import PostgresServer, RedisServer

SESSION = "11111111-1111-4111-8111-111111111111"
ALICE = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
BOB = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"


class DevOptions(NamedTuple):
    """The options of `dev` on the command line."""

    data_dir: Path
    listen: str | None
    redis_port: int
    postgres_port: int


def run_dev(options: DevOptions) -> None:
    """Start Redis and PostgreSQL, migrate, run a worker and a server, and stop everything in the reverse order.

    A Redis or PostgreSQL that the environment names replaces one of its own.
    """
    given = settings_or_fail(listen=options.listen)
    options.data_dir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        typer.echo(f"starting what is needed in {options.data_dir} …")
        urls: dict[str, str] = {}
        if "redis_url" not in given.model_fields_set:
            redis = stack.enter_context(RedisServer(options.data_dir / "redis", options.redis_port))
            urls["redis_url"] = redis.url
        if "database_url" not in given.model_fields_set:
            postgres = stack.enter_context(PostgresServer(options.data_dir / "postgres", options.postgres_port))
            urls["database_url"] = postgres.url
        settings = settings_or_fail(listen=options.listen, **urls)
        applied = run(migrate(settings))
        typer.echo(f"Redis       {urls.get('redis_url', 'SYNCKAIROS_REDIS_URL')}")
        typer.echo(
            f"PostgreSQL  {urls.get('database_url', 'SYNCKAIROS_DATABASE_URL')}  ({len(applied)} migrations applied)"
        )
        stack.enter_context(worker_beside(settings, urls))
        run(serve(settings, on_started=_greet))
        ended_in_time()
    typer.echo("stopped")


def _greet(server: Server) -> None:
    typer.echo(f"SyncKairos  {server.address}   (Ctrl-C stops everything)\n\nTry, in another terminal:")
    players = [{"participant_id": player, "total_time_ms": 600_000} for player in (ALICE, BOB)]
    session = {"session_id": SESSION, "mode": "MODE_PER_PARTICIPANT", "increment_ms": 3_000, "participants": players}
    for method, body in (
        ("CreateSession", session),
        ("StartSession", {"session_id": SESSION}),
        ("WatchSession", {"session_id": SESSION, "tick_interval_ms": 1_000}),
    ):
        typer.echo(f"  {call_command(server.address, method, json.dumps(body, separators=(',', ':')))}")
    typer.echo("")


def call_command(address: str, method: str, body: str) -> str:
    """Return a shell command that makes a call by reflection: with grpcurl where it is installed, else `buf curl`."""
    path = f"synckairos.v1.SessionService/{method}"
    if shutil.which("grpcurl"):
        return f"grpcurl -plaintext -d '{body}' {address} {path}"
    buf = "buf" if shutil.which("buf") else ".venv/bin/buf"
    return f"{buf} curl --protocol grpc --http2-prior-knowledge -d '{body}' http://{address}/{path}"
