"""A server whose instructions are counted by callgrind, or whose CPU time is read from outside."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.cost.variants import Prepared
from bench.load.usage import cpu_s
from testing.harness.processes.server_process import ServerProcess

START_S: Final = 600.0
"""Under valgrind everything takes fifty times as long, the imports of a server above all."""
TOTALS: Final = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)
VALGRIND: Final = ("valgrind", "--tool=callgrind", "--instr-atstart=no", "--vgdb-poll=50000000")


class TimedServer(ServerProcess):
    """Read from outside: its CPU seconds."""

    def __init__(self, redis_url: str, folder: Path, prepared: Prepared) -> None:
        super().__init__(redis_url, folder / "server.log", module=prepared.module, **prepared.settings)
        # The same hashes every time: dictionaries take the same ways.
        self._environment |= {"PYTHONHASHSEED": "0", "SYNCKAIROS_LOG_LEVEL": "warning", **prepared.environment}
        self.folder = folder

    def begin(self) -> None:
        """Count from now on."""
        self._before = cpu_s(self.pid)

    def spent(self) -> float:
        """Return what has been spent since the last look: here microseconds of CPU time."""
        now = cpu_s(self.pid)
        spent, self._before = now - self._before, now
        return spent * 1e6


class CountedServer(TimedServer):
    """Run by valgrind: its instructions, all threads together."""

    stops_within_s = START_S

    def spawn(self) -> None:
        """Start the process without waiting for it."""
        out = f"--callgrind-out-file={self.folder}/callgrind.out"
        command = [*VALGRIND, out, sys.executable, "-m", *self._module, *self.arguments]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def await_answer(self, wanted: str | None = None, seconds: float = START_S) -> str:
        """Wait as any server does, but longer."""
        return super().await_answer(wanted, seconds)

    def begin(self) -> None:
        """Count from now on."""
        self._control("--instr=on")
        self._dumps = 0

    def spent(self) -> float:
        """Return the instructions since the last look."""
        self._control("--dump")
        self._dumps += 1
        (total,) = TOTALS.findall((self.folder / f"callgrind.out.{self._dumps}").read_text())[:1]
        return float(total)

    def _control(self, order: str) -> None:
        command = ["callgrind_control", order, str(self.pid)]
        subprocess.run(command, check=True, capture_output=True, timeout=START_S)  # noqa: S603 - a fixed program and our own process id, no shell


Start = Callable[[str, Path, Prepared], TimedServer]
