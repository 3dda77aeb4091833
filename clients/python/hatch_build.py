"""Puts the generated stubs, which lie at the root of the repository, into the client's wheel and its sdist."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STUBS = Path("generated", "synckairos")


class GeneratedStubs(BuildHookInterface[Any]):
    """Adds `synckairos.v1`, unless an editable install reads it where it is."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Take the stubs from an unpacked sdist, where they lie beside this file, or else from the repository."""
        if version == "editable":
            return
        here = Path(self.root)
        found = next(path for path in (here / STUBS, here.parents[1] / STUBS) if path.is_dir())
        build_data["force_include"][str(found)] = STUBS.as_posix() if self.target_name == "sdist" else STUBS.name
