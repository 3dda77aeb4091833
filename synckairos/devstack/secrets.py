"""Files that only their owner can read, and the password that one of them holds."""

import os
import secrets
from pathlib import Path
from typing import BinaryIO

PRIVATE_MODE = 0o600


def open_log(path: Path) -> BinaryIO:
    """Open a log for appending; one that others could read is closed to them."""
    log = open(path, "ab", opener=_private)  # noqa: SIM115 - the caller closes it
    os.fchmod(log.fileno(), PRIVATE_MODE)
    return log


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(fresh, "x", encoding="utf-8", opener=_private) as file:
        file.write(text)
    fresh.rename(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE_MODE)


def new_password() -> str:
    """Return a password that stands in URLs, SQL and configurations as it is."""
    return secrets.token_hex(24)
