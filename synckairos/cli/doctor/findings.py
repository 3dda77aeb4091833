"""What a look at one thing came to."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad it is."""

    FINE = "fine"
    ADVICE = "advice"
    """It works, but something else would be better."""
    WRONG = "wrong"
    UNSEEN = "unseen"
    """It could not be looked at."""


class Finding(NamedTuple):
    """One thing that was looked at; `name` is stable, for scripts, and `remedy` is empty where all is fine."""

    name: str
    level: Level
    what: str
    remedy: str = ""


def fine(name: str, what: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(name, Level.FINE, what)


def advice(name: str, what: str, remedy: str) -> Finding:
    """Return that something could be better."""
    return Finding(name, Level.ADVICE, what, remedy)


def wrong(name: str, what: str, remedy: str) -> Finding:
    """Return that something is wrong."""
    return Finding(name, Level.WRONG, what, remedy)


def unseen(name: str, what: str, remedy: str) -> Finding:
    """Return that something could not be looked at."""
    return Finding(name, Level.UNSEEN, what, remedy)
