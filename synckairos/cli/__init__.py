"""The command line: `synckairos serve`, `dev`, `call`, `inspect`, `health`, `store`, `migrate`."""

from synckairos.cli.app import main

__all__ = ["main"]
