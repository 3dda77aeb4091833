"""The two distributions of this repository, built as a release builds them, and unpacked sdists built once more."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

from testing.harness.documents import ROOT

SERVER: Final = ROOT
CLIENT: Final = ROOT / "clients" / "python"


def project_of(folder: Path) -> dict[str, Any]:
    """Return what a distribution's pyproject.toml says about it."""
    project: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return project


def build(folder: Path, target: str, into: Path) -> Path:
    """Build the `wheel` or the `sdist` of the distribution in a folder, and return the file."""
    into.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)], cwd=folder, check=True)
    (built,) = into.iterdir()
    return built


def unpacked_sdist(folder: Path, scratch: Path) -> Path:
    """Build the sdist of the distribution in a folder and return where it was unpacked, away from the repository."""
    (scratch / "unpacked").mkdir()
    # tarfile's filters came after Debian 12's Python, and later ones warn without.
    archive = build(folder, "sdist", scratch / "sdist")
    subprocess.run(["tar", "-xzf", str(archive), "-C", str(scratch / "unpacked")], check=True)
    (unpacked,) = (scratch / "unpacked").iterdir()
    return unpacked
