"""The file that tells other commands of the `synckairos dev` that runs here.

It lies in the data folder, only its owner can read it, for it holds passwords, and it counts while `dev` holds the lock
beside it.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from synckairos.devstack import DirectoryInUseError
from synckairos.devstack.file_lock import FileLock
from synckairos.devstack.secrets import write_private

DATA_DIR: Final = Path(".synckairos")
FILE: Final = "stack.json"
LOCK: Final = "dev.lock"


@contextmanager
def claimed(data_dir: Path) -> Iterator[None]:
    """Hold the folder for one `dev`; raises DirectoryInUseError."""
    lock = FileLock(data_dir.resolve() / LOCK)
    if not lock.try_acquire():
        raise DirectoryInUseError(
            f"{data_dir} is in use by process {lock.noted_pid() or '(id unknown)'}, another `synckairos dev`: "
            "stop that one first, or use another --data-dir"
        )
    lock.note_pid(os.getpid())
    try:
        yield
    finally:
        lock.release()


@contextmanager
def announced(data_dir: Path, settings: Mapping[str, str]) -> Iterator[None]:
    """Let other commands find these settings while the body runs."""
    file = data_dir / FILE
    write_private(file, json.dumps(dict(settings), indent=2) + "\n")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def settings_of_running(data_dir: Path = DATA_DIR) -> dict[str, str]:
    """Return the settings of the `dev` that runs with this folder, none where there is none."""
    lock, file = FileLock(data_dir.resolve() / LOCK), data_dir / FILE
    if not lock.path.exists() or not file.exists():
        return {}
    try:
        if lock.try_acquire():
            lock.release()
            return {}
        found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except (DirectoryInUseError, OSError, ValueError):
        return {}  # it is another account's, or it has just ended
    return found
