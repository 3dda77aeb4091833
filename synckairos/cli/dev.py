"""`synckairos dev`: Redis, PostgreSQL, a worker and a server on one machine, without Docker."""

import json
import shutil
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import typer

from synckairos.cli.dev_worker import DevWorker
from synckairos.cli.migration import migrate
from synckairos.cli.running import run, settings_or_fail
from synckairos.composition.ending import ended_in_time
from synckairos.composition.server import Server, serve
from synckairos.devstack import Guardian, PostgresServer, RedisServer

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
    _end_on_signals()
    with ExitStack() as stack:
        typer.echo(f"starting what is needed in {options.data_dir} …")
        guardian = stack.enter_context(Guardian())
        urls: dict[str, str] = {}
        if "redis_url" not in given.model_fields_set:
            redis = stack.enter_context(RedisServer(options.data_dir / "redis", options.redis_port))
            guardian.guard(redis.ward)
            urls["redis_url"] = redis.url
        if "database_url" not in given.model_fields_set:
            postgres = stack.enter_context(PostgresServer(options.data_dir / "postgres", options.postgres_port))
            guardian.guard(postgres.ward)
            urls["database_url"] = postgres.url
        settings = settings_or_fail(listen=options.listen, **urls)
        applied = run(migrate(settings))
        typer.echo(f"Redis       {urls.get('redis_url', 'SYNCKAIROS_REDIS_URL')}")
        typer.echo(
            f"PostgreSQL  {urls.get('database_url', 'SYNCKAIROS_DATABASE_URL')}  ({len(applied)} migrations applied)"
        )
        stack.enter_context(DevWorker(settings, urls, options.data_dir, guardian.guard))
        try:
            run(serve(settings, on_started=_greet))
        finally:
            ended_in_time()
    typer.echo("stopped")


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
        typer.echo(f"  {call_command(server.address, method, json.dumps(body, separators=(',', ':')))}")
    typer.echo("")


def call_command(address: str, method: str, body: str) -> str:
    """Return a shell command that makes a call by reflection: with grpcurl where it is installed, else `buf curl`."""
    path = f"synckairos.v1.SessionService/{method}"
    if shutil.which("grpcurl"):
        return f"grpcurl -plaintext -d '{body}' {address} {path}"
    buf = "buf" if shutil.which("buf") else ".venv/bin/buf"
    return f"{buf} curl --protocol grpc --http2-prior-knowledge -d '{body}' http://{address}/{path}"
