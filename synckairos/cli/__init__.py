"""The command line: `synckairos serve`, `dev`, `inspect`, `health`, `store`, `migrate`."""

from synckairos.cli.app import main

__all__ = ["main"]
