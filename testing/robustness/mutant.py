"""Runs SyncKairos with one seeded bug: python -m testing.robustness.mutant NAME serve …

The worker becomes a Dramatiq of its own, which is told to set itself up with the bug.
"""

import os
import sys
from typing import Final

from testing.robustness.mutants import BUGS

VARIABLE: Final = "ROBUSTNESS_BUG"


def set_up_worker() -> None:
    """Set up a worker process with the bug that the environment names; called by Dramatiq."""
    from synckairos.composition import worker  # noqa: PLC0415 - after the bug

    BUGS[os.environ[VARIABLE]]()
    worker.set_up()


def main() -> None:
    """Take the name of the bug from the arguments, and go on as `synckairos` would."""
    name = os.environ[VARIABLE] = sys.argv.pop(1)
    if sys.argv[1] != "worker":
        BUGS[name]()
    from synckairos import cli  # noqa: PLC0415 - after the bug
    from synckairos.cli import worker  # noqa: PLC0415 - after the bug

    worker.SET_UP = "testing.robustness.mutant:set_up_worker"  # type: ignore[misc] # another set-up is the point
    cli.main()


if __name__ == "__main__":
    main()
