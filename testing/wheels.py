"""Holds a compiled wheel to pyproject.toml: an extension for each module that it lists, and a tag for one Python alone.

`testing/wheels.py FOLDER` looks into the wheel in a folder, `testing/wheels.py --installed` at what has been installed.
"""

import sys
import tomllib
from importlib import import_module
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]


def listed() -> set[str]:
    """Return the modules that are compiled, by their full names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    paths = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["modules"]
    return {path.removesuffix(".py").replace("/", ".") for path in paths}


def check_wheel(folder: Path) -> str:
    """Return the name of the wheel in a folder; raises AssertionError if it lacks something."""
    (wheel,) = folder.glob("synckairos-*.whl")
    _, _, python, abi, platform = wheel.stem.split("-")
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert (python, abi) == (tag, tag), wheel.name
    assert platform != "any", wheel.name
    names = ZipFile(wheel).namelist()
    extensions = {name.split(".")[0].replace("/", ".") for name in names if name.endswith(".so")}
    assert extensions >= listed(), listed() - extensions
    return wheel.name


def check_installed() -> str:
    """Return how many modules are compiled; raises AssertionError if one runs from its source."""
    for name in sorted(listed()):
        file = Path(import_module(name).__file__ or "")
        assert file.suffix == ".so", name
        assert not file.is_relative_to(ROOT / "synckairos"), file
    return f"{len(listed())} modules run compiled"


if __name__ == "__main__":
    print(check_installed() if sys.argv[1] == "--installed" else check_wheel(Path(sys.argv[1])))
