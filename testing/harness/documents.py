"""What the documents tell people to run, for the tests that run it."""

import re
import shlex
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]


def blocks(document: str, language: str) -> list[str]:
    """Return the fenced blocks of a document in a language."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


class Example(NamedTuple):
    """A command of a document, and what it prints as the document shows it: None if it does not."""

    arguments: list[str]
    fails: bool
    shown: str | None


def examples(document: str) -> list[Example]:
    """Return the `synckairos` commands of a document, each line of its sh blocks by itself, in order."""
    found = re.findall(r"```sh( fails)?\n(.*?)```(?:\n+```text\n(.*?)```)?", (ROOT / document).read_text(), re.DOTALL)
    return [
        Example(shlex.split(line)[1:], bool(fails), shown or None)
        for fails, block, shown in found
        for line in block.splitlines()
        if line.startswith("synckairos ")
    ]
