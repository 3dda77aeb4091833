"""A Redis whose wall clock can be stepped back and forth while it runs, and whose disk can be slowed down.

Its monotonic clock stays the machine's.
"""

import shlex
import shutil
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

from synckairos.devstack import RedisServer


class SteppableRedis(RedisServer):
    """A Redis under libfaketime, which reads the offset of its clock from a file at every look at it.

    The offset outlives the process, as the clock of a machine does. Its log is not rewritten: a power loss cuts off
    the end of the one file that is appended to.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, extra_args=("--auto-aof-rewrite-percentage", "0"))
        self._offset_file = directory / "clock_offset"
        self._slowness_file = directory / "disk_slowness"
        self._offset_ms = 0
        self._highest_ms = 0

    @property
    def now_ms(self) -> int:
        """The time of its clock, in ms since 1970."""
        return time.time_ns() // 1_000_000 + self._offset_ms

    @property
    def latest_ms(self) -> int:
        """The latest that its clock has ever shown, in ms since 1970."""
        return max(self._highest_ms, self.now_ms)

    @property
    def append_only_file(self) -> Path:
        """The file it appends to."""
        return max(self._directory.glob("**/*.incr.aof"), key=lambda path: path.stat().st_mtime)

    def step(self, by_ms: int) -> None:
        """Put its clock forward by so much, or back; raises RuntimeError where there is no libfaketime."""
        if _library() is None:
            raise RuntimeError("the clock of Redis can be stepped only on Linux on x86-64, where there is libfaketime")
        written = self._offset_file.with_suffix(".new")
        written.write_text(f"{(self._offset_ms + by_ms) / 1_000:+.3f}\n")
        written.replace(self._offset_file)  # never half written
        self._highest_ms = self.latest_ms
        self._offset_ms += by_ms

    def slow_disk(self, by_ms: int) -> None:
        """Let every sync of its log take so much longer, 0 for none; raises RuntimeError without a C compiler."""
        if not self._disk_library.exists():
            raise RuntimeError("the disk of Redis can be slowed down only where a C compiler, cc, is installed")
        self._slowness_file.write_text(str(by_ms))

    @property
    def _disk_library(self) -> Path:
        return self._directory / "slow_disk.so"

    def _prepare(self) -> None:
        super()._prepare()
        environment: dict[str, str] = {}
        libraries: list[Path] = []
        clock = _library()
        if clock is not None:
            self.step(0)
            libraries.append(clock)
            environment = {
                "FAKETIME_TIMESTAMP_FILE": str(self._offset_file),
                "FAKETIME_NO_CACHE": "1",
                "DONT_FAKE_MONOTONIC": "1",
            }
        if _compiled(self._disk_library):
            libraries.append(self._disk_library)
            environment["SLOW_DISK_FILE"] = str(self._slowness_file)
        if not libraries:
            return
        # With libc's malloc: that of a shared jemalloc asks for the time before libfaketime can tell it.
        environment["LD_PRELOAD"] = ":".join([*map(str, libraries), "libc.so.6"])
        settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
        launcher = self._directory / "redis-with-own-clock"
        # exec: the process that is signalled has to be the server's own.
        launcher.write_text(f'#!/bin/sh\nexec env {settings} {shlex.quote(str(self._program))} "$@"\n')
        launcher.chmod(0o755)
        self._program = launcher


def _compiled(library: Path) -> bool:
    """Compile the library that delays syncs; return whether it is there."""
    compiler = shutil.which("cc")
    if compiler is None:
        return False
    if not library.exists():
        source = Path(__file__).with_name("slow_disk.c")
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
        subprocess.run(command, check=True, capture_output=True)
    return True


def _library() -> Path | None:
    """Return the shared library of the wheel, which is not imported: only Redis' clock is to be touched."""
    spec = find_spec("libfaketime")
    if spec is None or spec.origin is None:
        return None
    library = Path(spec.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    return library if library.is_file() else None
