"""An flock on a file that also notes a process id."""

import fcntl
import os
from pathlib import Path
from typing import Final

from synckairos.devstack.errors import DirectoryInUseError

PID_WIDTH: Final = 10


class FileLock:
    """An exclusive lock that the kernel frees when the last process that holds its descriptor is gone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock and say whether this object holds it now.

        Raises DirectoryInUseError when the file belongs to another account.
        """
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError as error:
            raise DirectoryInUseError(
                f"{self.path} belongs to another account: use another directory, or the account that made this one"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def fileno(self) -> int:
        """Return the descriptor of the lock that is held, to be inherited by a child."""
        if self._descriptor is None:
            raise ValueError(f"{self.path} is not locked by this object")
        return self._descriptor

    def note_pid(self, pid: int) -> None:
        """Write down whom to ask about the lock."""
        # In one write of always the same length, so that a reader never sees a part of a number, or none.
        os.pwrite(self.fileno(), f"{pid:<{PID_WIDTH}}\n".encode(), 0)

    def noted_pid(self) -> int | None:
        """Return the process id that was written down last; None when there is none."""
        text = self.path.read_text(encoding="utf-8").strip() if self.path.exists() else ""
        return int(text) if text.isdecimal() else None

    def hand_over(self) -> None:
        """Leave the lock to the child that inherited it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def release(self) -> None:
        """Free the lock, even where a fork has copied its descriptor."""
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self.hand_over()
