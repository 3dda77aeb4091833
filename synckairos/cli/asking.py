"""The commands that only ask a server; they load nothing of what runs one."""

import typer

from synckairos.cli.demo.playing import demo
from synckairos.cli.live.events import events
from synckairos.cli.live.top import top
from synckairos.cli.live.watching import watch
from synckairos.cli.sessions.app import session_app


def add_asking_commands(app: typer.Typer) -> None:
    """Add these commands to an app."""
    app.add_typer(session_app, name="session")
    app.command()(watch)
    app.command()(top)
    app.command()(events)
    app.command()(demo)


asking_app = typer.Typer(no_args_is_help=True, pretty_exceptions_show_locals=False)
add_asking_commands(asking_app)
