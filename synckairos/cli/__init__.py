"""The command line `synckairos`: run and maintain servers, drive and watch sessions."""

from synckairos.cli.entry import main

__all__ = ["main"]
