"""The first and the last steps of every command: reading the settings, running the work, telling of failures."""

import asyncio
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TypeVar

import grpc
import typer

from synckairos.adapters.postgres.options import DatabaseOptionsError
from synckairos.adapters.postgres.schema.files import MigrationError
from synckairos.adapters.redis.durability import DurabilityLackingError
from synckairos.adapters.redis.identity import StoreLayoutError
from synckairos.application.errors import TransientError
from synckairos.cli.dev.stack import settings_of_running
from synckairos.cli.inspection import InspectionError
from synckairos.cli.plain_text import visible_lines
from synckairos.client.credentials import CredentialsError
from synckairos.composition.listeners.exposure import ExposedError, TokenKeyMissingError
from synckairos.composition.listeners.http_port import GatewayMissingError
from synckairos.composition.listeners.listening import AddressInUseError
from synckairos.composition.reloading import UnusableFilesError
from synckairos.composition.supervision.supervisor import NeverReadyError
from synckairos.composition.traces import TracingError
from synckairos.devstack import DevstackError
from synckairos.domain.errors import Refusal
from synckairos.settings import Settings, SettingsError, load_settings
from synckairos.telemetry import configure_logging

KNOWN_FAILURES: Final = (
    AddressInUseError,
    CredentialsError,
    ExposedError,
    GatewayMissingError,
    DurabilityLackingError,
    StoreLayoutError,
    TransientError,
    DevstackError,
    MigrationError,
    NeverReadyError,
    DatabaseOptionsError,
    InspectionError,
    Refusal,
    TokenKeyMissingError,
    TracingError,
    UnusableFilesError,
)


ResultT = TypeVar("ResultT")
PLACES: Final = frozenset({"redis_url", "broker_url", "database_url", "database_host", "listen"})


def fail(message: str) -> NoReturn:
    """End the process with an error message."""
    typer.echo(f"synckairos: {visible_lines(message)}", err=True)
    raise typer.Exit(1)


def settings_or_fail(*, of_dev: bool = False, **given: object) -> Settings:
    """Return the settings and set up logging, or end the process naming every wrong setting.

    With `of_dev` a `synckairos dev` that runs here says where everything is, unless the environment names a store, a
    database or an address: nothing of the one is ever mixed with the other.
    """
    try:
        settings = load_settings(**{name: value for name, value in given.items() if value is not None})
        if of_dev and not settings.model_fields_set & PLACES:
            settings = load_settings(**{**settings_of_running(), **settings.model_dump(exclude_unset=True)})
    except SettingsError as error:
        fail(f"these settings are wrong:\n{error}")
    configure_logging(settings.log_level, settings.log_format)
    return settings


def run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a coroutine, on uvloop where there is one."""
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop  # noqa: PLC0415 - not on every platform

    return uvloop.run(work)


@contextmanager
def telling_failures() -> Iterator[None]:
    """End the process with the message of a known failure; the traceback of any other one is shown."""
    try:
        yield
    except KNOWN_FAILURES as error:
        message = str(error)
    except grpc.aio.AioRpcError as error:
        message = f"{error.code().name}: {error.details()}"
    else:
        return
    typer.echo(f"synckairos: {visible_lines(message)}", err=True)
    sys.exit(1)
