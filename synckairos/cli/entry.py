"""Where the program begins: only what the command needs is loaded.

What runs servers takes more than a second to load, and a command that only asks one, or a shell that completes its
arguments, has no need of it.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ASKING: Final = ("session", "watch", "top", "events", "demo")
"""The commands that only ask a server."""
_COMPLETED: Final = ("_TYPER_COMPLETE_ARGS", "COMP_WORDS")
"""The variables in which the shells pass the line that is being completed."""


def main() -> None:
    """Run the command line."""
    try:
        if only_asks(sys.argv[1:], os.environ):
            from synckairos.cli.asking import asking_app  # noqa: PLC0415 - see above

            asking_app(prog_name=_program())
        else:
            from synckairos.cli.app import main as everything  # noqa: PLC0415 - see above

            everything()
    except KeyboardInterrupt:  # before the command itself had begun
        sys.exit(128 + signal.SIGINT)


def only_asks(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether the command only asks a server, be it run or completed."""
    completed = next((environment[name] for name in _COMPLETED if name in environment), None)
    if completed is not None:
        arguments = completed.split()[1:]
    return bool(arguments) and arguments[0] in ASKING


def _program() -> str:
    """Return the name of the program as its user knows it."""
    name = Path(sys.argv[0]).name
    return "python -m synckairos" if name == "__main__.py" else name
