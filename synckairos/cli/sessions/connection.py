"""Reaching a server from the command line: its address, credentials from the environment, and how failures are told.

The token is read from the environment or from a file: as an option it would stand in the shell's history and in `ps`.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import grpc
import typer

from synckairos.cli.plain_text import visible_lines
from synckairos.cli.sessions.exit_codes import ExitCode, exit_code
from synckairos.client import SyncKairos, SyncKairosError
from synckairos.client.connection import UnsendableHeader
from synckairos.client.credentials import CredentialsError, Token, credentials_of

TOKEN: Final = "SYNCKAIROS_TOKEN"  # noqa: S105 - the name of a variable, not a secret
TOKEN_FILE: Final = "SYNCKAIROS_TOKEN_FILE"  # noqa: S105 - the name of a variable, not a secret
TLS_CA: Final = "SYNCKAIROS_TLS_CA"
TLS_FILES: Final = (TLS_CA, "SYNCKAIROS_TLS_CLIENT_CERT", "SYNCKAIROS_TLS_CLIENT_KEY")

Address = Annotated[
    str | None,
    typer.Option(
        envvar="SYNCKAIROS_ADDRESS",
        metavar="HOST:PORT",
        help="The server; default: the `synckairos dev` that runs here, else SYNCKAIROS_LISTEN.",
    ),
]
Actor = Annotated[
    str | None, typer.Option(envvar="SYNCKAIROS_ACTOR", help="Who calls, for events and the audit trail (x-actor).")
]
Timeout = Annotated[float, typer.Option(min=0.001, max=10, metavar="SECONDS", help="How long a call may take.")]
TIMEOUT_S: Final = 10.0

ResultT = TypeVar("ResultT")


class Server(NamedTuple):
    """The server that a command asks, and who asks."""

    address: str
    actor: str = ""
    timeout_s: float = TIMEOUT_S


def server(address: str | None, actor: str | None = None, timeout_s: float = TIMEOUT_S) -> Server:
    """Return the server of a command; with no address that of a `synckairos dev` that runs here."""
    if not address:
        from synckairos.cli.running import settings_or_fail  # noqa: PLC0415 - takes a second to load

        address = settings_or_fail(of_dev=True).listen
    return Server(address, actor or "", timeout_s)


@asynccontextmanager
async def connected(to: Server) -> AsyncIterator[SyncKairos]:
    """Yield a client with the credentials of the environment."""
    token = token_of_environment()
    try:
        client = await SyncKairos.connect(
            to.address, credentials=credentials(), token=token, actor=to.actor, within_s=to.timeout_s
        )
    except ValueError as error:
        raise refuse(f"{TOKEN}: {error}; {TLS_CA} names its authorities") from None
    async with client:
        yield client.with_options(timeout_s=to.timeout_s)


def token_of_environment() -> Token | None:
    """Return the token of the environment, or what reads it from the file that is named there, anew for each call."""
    path = os.environ.get(TOKEN_FILE)
    if os.environ.get(TOKEN) or not path:
        return os.environ.get(TOKEN) or None

    async def read() -> str:
        try:
            return (await asyncio.to_thread(Path(path).read_text)).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise refuse(f"{TOKEN_FILE}: {path} cannot be read: {error}") from None

    return read


def ask(work: Callable[[SyncKairos], Awaitable[ResultT]], to: Server, *, is_live: bool = False) -> ResultT:
    """Run work with a client of a server; end the process with the exit code of its failure.

    `is_live`: it may go on for long, and SIGTERM and SIGHUP end it in order.
    """

    async def asked() -> ResultT:
        async with connected(to) as client:
            return await work(client)

    try:
        return asyncio.run(_ending_on_signals(asked()) if is_live else asked())
    except UnsendableHeader as error:
        raise refuse(str(error)) from None
    except SyncKairosError as error:
        typer.echo(f"synckairos: {visible_lines(told(error, to))}", err=True)
        raise typer.Exit(exit_code(error.code)) from None


async def _ending_on_signals(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run work so that SIGTERM and SIGHUP end it in order, with the terminal as before."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    received: list[int] = []

    def end(number: int) -> None:
        received.append(number)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end, number)
    try:
        return await task
    except asyncio.CancelledError:
        if received:
            raise SystemExit(128 + received[0]) from None
        raise


def told(error: SyncKairosError, to: Server) -> str:
    """Return what an error says: code, reason, message, then the wrong fields or the details, one a line."""
    head = error.code.name + (f" / {error.reason}" if error.reason else "")
    message = json.dumps(error.message or "", ensure_ascii=False)[1:-1]  # no control character reaches the terminal
    lines = [f"{head}: {message}"]
    if error.fields:
        lines += [f"  {path}: {problem}" for path, problem in error.fields]
    else:
        lines += [f"  {name} = {value}" for name, value in error.metadata.items()]
    if error.code is grpc.StatusCode.UNAVAILABLE and not error.reason:
        lines.append(f"is a server running at {to.address}? `synckairos dev` starts one; --address names another")
    return "\n".join(lines)


def refuse(problem: str) -> typer.Exit:
    """Say what is wrong with the arguments; return the exit to raise."""
    typer.echo(f"synckairos: {visible_lines(problem)}", err=True)
    return typer.Exit(ExitCode.USAGE)


def credentials() -> grpc.ChannelCredentials | None:
    """Return TLS as the environment asks for it: None, the system's roots or those of a file, and a certificate."""
    try:
        return credentials_of(*(os.environ.get(name, "") for name in TLS_FILES))
    except CredentialsError as error:
        raise refuse(f"{', '.join(name for name in TLS_FILES if os.environ.get(name))}: {error}") from None


def channel_to(address: str) -> grpc.Channel:
    """Return a channel as the environment asks for it."""
    trusted = credentials()
    return grpc.insecure_channel(address) if trusted is None else grpc.secure_channel(address, trusted)
