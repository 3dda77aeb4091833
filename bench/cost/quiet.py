"""Runs SyncKairos without what it does by itself: python -m bench.cost.quiet [--uncounted] serve …

The looks of the sweep and its like would be a good part of what is counted; leases of limits belong to the calls, and
the feed to those who watch: it does nothing for anybody else. With --uncounted nothing counts the calls and
transactions either.
"""

import sys

from synckairos.application.background import Background, Work
from synckairos.cli import main
from synckairos.telemetry import Metrics

UNCOUNTED = "--uncounted"
OF_CALLS = {"limits", "feed"}

_run = Background.run


def _run_of_calls(background: Background, name: str, work: Work) -> None:
    """Run nothing but what calls wait for."""
    if name in OF_CALLS:
        _run(background, name, work)


def _nothing(*_: object, **__: object) -> None:
    """Do nothing."""


if __name__ == "__main__":
    Background.run = _run_of_calls  # type: ignore[assignment, method-assign] # what else a server does is left out of the count
    if UNCOUNTED in sys.argv:
        sys.argv.remove(UNCOUNTED)
        for name in ("call", "committed", "conflict"):
            setattr(Metrics, name, _nothing)
    main()
