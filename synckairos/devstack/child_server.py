"""The common base of the embedded servers: a directory, a child process, a port, start and stop.

Two locks guard a directory. The process that runs the server holds `owner.lock`: a second one is refused. The server
and all its children inherit `server.lock`: it is free exactly when the last of them is gone. So an orphan whose
parent was killed is found and replaced without trusting a process id that may belong to another process by now.
"""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

from synckairos.devstack import processes
from synckairos.devstack.errors import DevstackError, DirectoryInUseError, PortInUseError, ServerFailedError
from synckairos.devstack.file_lock import FileLock
from synckairos.devstack.guardian import Ward
from synckairos.devstack.orphans import LOOK_SECONDS, ORPHAN_SECONDS, end_family

HOST = "127.0.0.1"
READY_SECONDS = 15.0
STOP_SECONDS = 20.0
LOG_TAIL_LINES = 20
# Below the ports that Linux and macOS give to outgoing connections: nobody takes one while its server is down.
FREE_PORTS = range(20_000, 30_000)


class ChildServer(ABC):
    """A server in one directory, run as a child of this process; the data survive every kind of end."""

    _name: ClassVar[str]
    _port_setting: ClassVar[str]
    _stop_signal: ClassVar[signal.Signals]
    usual_port: ClassVar[int]

    def __init__(self, directory: Path | str, port: int = 0, *, has_password: bool = False) -> None:
        """With a password, made at the first start, other users of this machine cannot come in.

        Port 0 takes `usual_port` if a password guards the server and the port is free, else any free one.
        """
        self._directory = Path(directory).resolve()
        self._port_is_final = port != 0
        self._port = port or (self.usual_port if has_password and is_free(self.usual_port) else _free_port())
        self._has_password = has_password
        self._password_path = self._directory / "password"
        self._owner = FileLock(self._directory / "owner.lock")
        self._family = FileLock(self._directory / "server.lock")
        self._log_path = self._directory / f"{self._name.lower()}.log"
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1; final once the server has started for the first time."""
        return self._port

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL for clients, with the password if there is one."""

    @property
    def running(self) -> bool:
        """Whether the process lives, paused or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def shown_url(self) -> str:
        """The URL for people to see, without the password."""
        return re.sub(r"(://[^:@/]*):[^@/]*@", r"\1:…@", self.url)

    @property
    def ward(self) -> Ward:
        """What a guardian has to end after this process; raises DevstackError when the server does not run."""
        return Ward(self._directory / "server.lock", self._stop_signal, self.pid)

    @property
    def pid(self) -> int:
        """The process id of the server; raises DevstackError when it does not run."""
        if self._process is None or self._process.poll() is not None:
            raise DevstackError(f"{self._name} in {self._directory} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start the server and return once it answers, within 15 s; a running server is left alone.

        Raises DirectoryInUseError, PortInUseError, ServerNotFoundError or ServerFailedError.
        """
        if self.running:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        self._claim()
        try:
            self._replace_orphan()
            self._prepare()
            self._launch(time.monotonic() + READY_SECONDS)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask the server to end, wait up to 20 s for it, and kill it after that."""
        if self._process is not None and self.running:
            processes.send_signal_to_family(self._process.pid, signal.SIGCONT)
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        self._forget()

    def kill(self) -> None:
        """End the server and its children with SIGKILL, as a crash of the machine would."""
        if self._process is not None and self.running:
            processes.send_signal_to_family(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._forget()

    def pause(self) -> None:
        """Freeze the server and its children: connections stay open, and no request is answered."""
        processes.send_signal_to_family(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        processes.send_signal_to_family(self.pid, signal.SIGCONT)

    def wipe(self) -> None:
        """Delete the directory and all data in it; raises DirectoryInUseError while a server runs there."""
        if not self._directory.exists():
            return
        if self.running:
            raise DirectoryInUseError(f"{self._name} runs in {self._directory}: stop it first")
        self._claim()
        try:
            self._replace_orphan()
            shutil.rmtree(self._directory)
        finally:
            self._forget()

    @abstractmethod
    def _prepare(self) -> None:
        """Find the program and make what it needs before its first start."""

    def _password(self) -> str:
        """Return the password that was set; empty if there is none."""
        return self._password_path.read_text(encoding="utf-8") if self._password_path.exists() else ""

    @abstractmethod
    def _spawn(self, inherit: int) -> subprocess.Popen[bytes]:
        """Start the program with one inherited descriptor and its output in the log."""

    @abstractmethod
    def _answers(self, pid: int) -> bool:
        """Say whether this very process, not another server on its port, answers a real request."""

    def _deserves_another_try(self, log: str) -> bool:
        return not self._port_is_final and "Address already in use" in log

    def _claim(self) -> None:
        if not self._owner.try_acquire():
            raise DirectoryInUseError(
                f"{self._directory} is in use by process {self._owner.noted_pid() or '(id unknown)'}, which runs its "
                f"own {self._name} there: stop that process first, or use another directory"
            )
        # After the claim, so that the note of the process that holds the directory is never overwritten.
        self._owner.note_pid(os.getpid())

    def _replace_orphan(self) -> None:
        if not end_family(self._family, self._stop_signal, ORPHAN_SECONDS):
            raise DirectoryInUseError(
                f"a process of an earlier run of {self._name} still works in {self._directory} and cannot be ended: "
                f"end it yourself (process id: {self._family.noted_pid() or 'unknown'})"
            )

    def _launch(self, deadline: float) -> None:
        while True:
            self._replace_orphan()
            self._take_port()
            self._log_start = self._log_path.stat().st_size if self._log_path.exists() else 0
            process = self._process = self._spawn(self._family.fileno())
            self._family.note_pid(process.pid)
            self._family.hand_over()
            try:
                self._await_answer(process, deadline)
            except ServerFailedError:
                if self.running or time.monotonic() > deadline or not self._deserves_another_try(self._log_tail()):
                    raise
                time.sleep(LOOK_SECONDS)
            else:
                self._port_is_final = True
                return

    def _take_port(self) -> None:
        if is_free(self._port):
            return
        if self._port_is_final:
            raise PortInUseError(
                f"{self._name} cannot listen on 127.0.0.1:{self._port}, the port is in use or not allowed: stop what "
                f"listens there, or choose another one with {self._port_setting} (0 = any free one)"
            )
        self._port = _free_port()

    def _await_answer(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServerFailedError(
                    f"{self._name} ended with {process.returncode} while starting\n{self._log_tail()}"
                )
            if self._answers(process.pid):
                return
            time.sleep(LOOK_SECONDS)
        raise ServerFailedError(f"{self._name} did not answer within {READY_SECONDS:.0f} s\n{self._log_tail()}")

    def _log_tail(self) -> str:
        with self._log_path.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join([f"end of {self._log_path}:", *lines[-LOG_TAIL_LINES:]])

    def _forget(self) -> None:
        self._process = None
        self._family.release()
        self._owner.release()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do, or connections of the last run would count as in use for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    candidates = random.sample(FREE_PORTS, k=200)
    port = next(filter(is_free, candidates), None)
    if port is None:
        raise PortInUseError(
            f"no free port from {FREE_PORTS.start} to {FREE_PORTS.stop - 1} on {HOST}: name one yourself"
        )
    return port
