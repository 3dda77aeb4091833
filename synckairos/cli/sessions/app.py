"""The commands of `synckairos session`."""

import typer

from synckairos.cli.sessions import verbs
from synckairos.cli.sessions.creating import create
from synckairos.cli.sessions.reading import get, list_

session_app = typer.Typer(no_args_is_help=True, help="Create, drive, read and list sessions through a server.")
session_app.command()(create)
session_app.command("list")(list_)
session_app.command()(get)
for verb in (
    verbs.start,
    verbs.switch,
    verbs.pause,
    verbs.resume,
    verbs.adjust,
    verbs.complete,
    verbs.cancel,
    verbs.add,
    verbs.remove,
    verbs.update,
    verbs.advance,
    verbs.delete,
):
    session_app.command()(verb)
