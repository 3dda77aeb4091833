"""The programs of PostgreSQL at a place from which the account of the server can run them."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from synckairos.devstack import processes
from synckairos.devstack.discovery import find_postgres
from synckairos.devstack.processes import Account


def programs_for(account: Account | None, home: Path, major: int | None = None) -> Path:
    """Return the folder with initdb and postgres; a wheel in a private place is copied to `home`, about 40 MB.

    `major` is the version that wrote the data, when there are any. Raises ServerNotFoundError.
    """
    found = find_postgres(account, major)
    if not found.is_wheel or _can_run(found.path / "postgres", account):
        return found.path
    return _copied(found.path, home)


def _can_run(program: Path, account: Account | None) -> bool:
    try:
        return processes.run([program, "--version"], account).returncode == 0
    except PermissionError:
        return False


def _copied(programs: Path, home: Path) -> Path:
    """Copy a wheel's installation and its libraries, laid out as in the wheel: the programs find them from there."""
    installation = programs.parent
    package = installation.parent
    state = (programs / "postgres").stat()
    name = hashlib.sha256(f"{programs} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()[:12]
    target = home / f"programs-{name}"
    if not target.exists():
        for outdated in home.glob("programs-*"):
            shutil.rmtree(outdated)
        # Under another name until it is whole: a killed copy must not pass for a good one.
        unfinished = Path(tempfile.mkdtemp(prefix="programs-unfinished-", dir=home))
        shutil.copytree(installation, unfinished / package.name / installation.name, symlinks=True)
        # Beside the package in a wheel for Linux, inside it in one for macOS.
        for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
            if libraries.exists():
                shutil.copytree(libraries, unfinished / libraries.relative_to(package.parent))
        _open_for_all(unfinished)
        unfinished.rename(target)
    return target / package.name / installation.name / programs.name


def _open_for_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            is_executable = path.is_dir() or os.access(path, os.X_OK)
            path.chmod(path.stat().st_mode | (0o555 if is_executable else 0o444))
