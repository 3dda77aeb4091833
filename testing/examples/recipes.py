"""How the programs are built and run: the commands of docs/languages.md, and what they need."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from testing.harness.documents import ROOT

TOOLS: Final[Mapping[str, tuple[str, ...]]] = {
    "Python": (),
    "TypeScript": ("node", "npm"),
    "Go": ("go",),
    "Java": ("java", "mvn"),
    "Rust": ("cargo",),
    "C#": ("dotnet",),
}
"""What each language needs besides the project's own environment."""
ADDRESS: Final = "localhost:50051"
"""Where the commands of the document find a server."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The commands that build and play the program of a language; empty where nothing is to be built."""

    language: str
    build: str
    play: str

    @property
    def missing_tools(self) -> list[str]:
        """The tools that this machine lacks."""
        return [tool for tool in TOOLS[self.language] if shutil.which(tool) is None]


def recipes(document: str = "docs/languages.md") -> list[Recipe]:
    """Return the recipe of every language, from its section: the block that names a server plays."""
    sections = re.split(r"^## ", (ROOT / document).read_text(), flags=re.MULTILINE)
    by_name = {section.splitlines()[0]: section for section in sections}
    return [_recipe(language, by_name[language]) for language in TOOLS]


def _recipe(language: str, section: str) -> Recipe:
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    (play,) = (block for block in blocks if ADDRESS in block)
    return Recipe(language, "".join(blocks[: blocks.index(play)]), play)
