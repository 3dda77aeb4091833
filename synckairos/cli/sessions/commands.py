"""The frame of a command that makes one call: the options that all of them share, and how its reply is shown."""

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, NamedTuple

import typer
from google.protobuf import json_format
from google.protobuf.message import Message
from rich.console import Console

from synckairos.cli.plain_text import for_programs, print_json_line
from synckairos.cli.sessions.completing import session_ids
from synckairos.cli.sessions.connection import TIMEOUT_S, Actor, Address, Timeout, ask, server
from synckairos.cli.views.session_panel import session_panel
from synckairos.client import SyncKairos
from synckairos.client.session_clock import SessionClock

SessionId = Annotated[
    str, typer.Argument(metavar="SESSION", autocompletion=session_ids, help="The session's UUID.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on one line, as always when the output is no terminal.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the session's id.")]
Reason = Annotated[str, typer.Option(help="Why, for events and the audit trail.")]
RequestId = Annotated[
    str | None,
    typer.Option(metavar="UUID", help="Makes a repetition of the same command harmless; default: a new one."),
]
ExpectedVersion = Annotated[
    int, typer.Option("--if-version", min=0, metavar="N", help="Refuse if the session has another version by now.")
]


class Asking(NamedTuple):
    """What a command is given besides its own arguments: a client, and the fields that it shares with others."""

    client: SyncKairos
    fields: Mapping[str, Any]


Work = Callable[..., Awaitable[Message]]

_Option = tuple[str, Any, Any]
"""The name of an option, its annotation and its default."""

_SHOWN: Final = (("as_json", AsJson, False), ("quiet", Quiet, False))
_REACHED: Final = (("address", Address, None), ("actor", Actor, None), ("timeout", Timeout, TIMEOUT_S))
_SENT: Final = (("reason", Reason, ""), ("request_id", RequestId, None))
_EXPECTED: Final = (("expected_version", ExpectedVersion, 0),)


def creating(options: Callable[..., Any]) -> Callable[[Work], Callable[..., None]]:
    """Make a command of a coroutine that makes a session of `options`, whose fields are options of the command."""

    def command(work: Work) -> Callable[..., None]:
        @functools.wraps(work)
        def described(asking: Asking, **given: Any) -> Awaitable[Message]:  # noqa: ANN401 - options of any type
            return work(asking, options(**given))

        return _command(described, list(inspect.signature(options, eval_str=True).parameters.values()), sent=_SENT)

    return command


def changing(work: Work) -> Callable[..., None]:
    """Make a command of a coroutine that changes a session and returns the reply."""
    return _command(work, _own(work), sent=(*_SENT, *_EXPECTED))


def reading(work: Work) -> Callable[..., None]:
    """Make a command of a coroutine that reads a session and returns the reply."""
    return _command(work, _own(work), sent=())


def _own(work: Work) -> list[inspect.Parameter]:
    """Return the parameters of a coroutine after its first, which is what it is given."""
    return list(inspect.signature(work, eval_str=True).parameters.values())[1:]


def _command(work: Work, own: list[inspect.Parameter], sent: tuple[_Option, ...]) -> Callable[..., None]:
    """Make a command that has its own parameters and the shared ones."""
    shared = (*sent, *_SHOWN, *_REACHED)
    added = [_option(name, kind, default) for name, kind, default in shared]

    @functools.wraps(work)
    def command(**given: Any) -> None:  # noqa: ANN401 - options of any type
        options = {name: given.pop(name) for name, _, _ in shared}
        fields = {name: options[name] for name, _, _ in sent if options[name]}
        to = server(options["address"], options["actor"], options["timeout"])
        reply = ask(lambda client: work(Asking(client, fields), **given), to)
        show(reply, as_json=options["as_json"], quiet=options["quiet"])

    # Typer reads the options off the signature.
    command.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined] # as inspect documents it
    command.__annotations__ = {}
    return command


def _option(name: str, kind: Any, default: object) -> inspect.Parameter:  # noqa: ANN401 - an Annotated type
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def show(reply: Any, *, as_json: bool, quiet: bool = False) -> None:  # noqa: ANN401 - any reply about a session
    """Print a reply about one session: its id, JSON, or the session for people."""
    if quiet:
        typer.echo(reply.session.session_id)
    elif for_programs(asked=as_json):
        print_json(reply)
    elif reply.HasField("session"):
        Console().print(session_panel(SessionClock(reply)))
    else:
        typer.echo("there was no such session")


def print_json(message: Message) -> None:
    """Print a message of the contract as JSON on a line of its own, at once."""
    text = json_format.MessageToJson(message, preserving_proto_field_name=True, indent=None)
    print_json_line(text.encode())
