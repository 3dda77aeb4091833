"""Compiles the modules that pyproject.toml names into the wheel, where a build asks for it (`make compiled`)."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

GROUP = "synckairos"
KEPT = Path("build", "extensions")
# Not with our own settings: those are for checking the whole program, with everything installed that it uses.
MYPY = ("--config-file=", "--python-version=3.11", "--explicit-package-bases", "--ignore-missing-imports")


class CompiledModules(BuildHookInterface[Any]):
    """Adds an extension module beside each of `modules`; off unless HATCH_BUILD_HOOK_ENABLE_CUSTOM is true."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile them and put them into the wheel; an editable install runs its sources."""
        if version == "editable":
            return
        kept = Path(self.root) / KEPT
        shutil.rmtree(kept, ignore_errors=True)
        with TemporaryDirectory() as scratch:
            self._compile(Path(scratch), kept)
        for path in kept.rglob("*.so"):
            build_data["force_include"][str(path)] = path.relative_to(kept).as_posix()
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def _compile(self, scratch: Path, into: Path) -> None:
        from mypyc.build import mypycify  # noqa: PLC0415 - builds that do not compile have neither
        from setuptools import Distribution  # type: ignore[import-untyped] # has no types  # noqa: PLC0415

        here = Path.cwd()
        os.chdir(self.root)  # modules are named after their paths from here
        try:
            extensions = mypycify([*MYPY, *self.config["modules"]], group_name=GROUP, target_dir=str(scratch / "c"))
            command = Distribution({"name": GROUP, "ext_modules": extensions}).get_command_obj("build_ext")
            command.build_lib, command.build_temp = str(into), str(scratch / "objects")
            command.ensure_finalized()
            command.run()
        finally:
            os.chdir(here)
