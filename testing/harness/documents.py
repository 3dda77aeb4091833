"""What the documents tell people to run, for the tests that run it."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


def blocks(document: str, language: str) -> list[str]:
    """Return the fenced blocks of a document in a language."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
