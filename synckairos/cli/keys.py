"""API keys: one is made and shown once, and the file gets the line that lets servers know it."""

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from synckairos.adapters.credentials.api_keys import OFFERED, new_key, read_keys
from synckairos.application.identity import Scope
from synckairos.cli.running import fail, settings_or_fail
from synckairos.domain.tenancy import DEFAULT_TENANT

_NAMES = [scope.value for scope in Scope if scope in OFFERED]

keys_app = typer.Typer(no_args_is_help=True, help="API keys of callers.")


def _scope(text: str) -> Scope:
    if text == Scope.FORWARD:
        raise typer.BadParameter(f"{text} is for client certificates: no key speaks for others")
    if text not in _NAMES:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(_NAMES)}")
    return Scope(text)


@keys_app.callback()
def keys() -> None:
    """API keys of callers."""


@keys_app.command()
def create(
    scope: Annotated[
        list[Scope],
        typer.Option(parser=_scope, metavar=f"[{'|'.join(_NAMES)}]", help="What the key allows; once for each."),
    ],
    tenant: Annotated[
        str, typer.Option(help="Tenant of the key; `*` for operators, with the scope operations alone.")
    ] = DEFAULT_TENANT,
    subject: Annotated[str, typer.Option(help="Who calls with it, as events name the actor; default: the id.")] = "",
    key_id: Annotated[str, typer.Option("--id", help="How logs name the key; default: one is made.")] = "",
    expires_in_days: Annotated[float | None, typer.Option(min=0, help="Its life in days; default: no end.")] = None,
    file: Annotated[Path | None, typer.Option(help="The file; default: SYNCKAIROS_AUTH_API_KEYS.")] = None,
) -> None:
    """Make a key, add its hash to the file, and print the key: it is shown this once."""
    given = settings_or_fail().auth_api_keys
    path = file or (Path(given) if given else None)
    if path is None:
        fail("which file? Set SYNCKAIROS_AUTH_API_KEYS, or name it by --file")
    expires_at = None if expires_in_days is None else datetime.now(UTC) + timedelta(days=expires_in_days)
    try:
        made = new_key(key_id or f"k-{secrets.token_hex(4)}", tenant, scope, subject, expires_at)
        _append(path, made.line)
    except (OSError, ValueError, OverflowError) as error:
        fail(f"no key was made: {error}")
    typer.echo(made.key)


def _append(path: Path, line: bytes) -> None:
    """Add a line to the file, made for its owner alone if there is none; raises OSError, ValueError."""
    before = path.read_bytes() if path.exists() else b""
    if before and not before.endswith(b"\n"):
        line = b"\n" + line
    read_keys(before + line)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
        file.write(line + b"\n")
