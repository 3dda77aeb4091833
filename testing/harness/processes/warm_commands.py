"""Commands in processes of their own, forked from one that has loaded the program, which takes most of their time.

`python -m testing.harness.processes.warm_commands FD` is the one that has loaded it. Each request that comes to its
socket, with the streams of the command, makes it fork twice: into the command, and into a keeper that tells its end.
A worker, which becomes another program, goes on where it is: that has been loaded too.
What is measured is not started like this: a forked process shares its memory with others.
"""

import atexit
import contextlib
import functools
import gc
import json
import os
import runpy
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

import coverage

from synckairos.cli.worker import PACE
from synckairos.telemetry import SHARED_FOLDER
from testing.harness.documents import ROOT

REQUEST_BYTES: Final = 1 << 17
BACKLOG: Final = 64
SOCKET: Final = "socket"


class WarmCommand:
    """A command that has been started, in a session of its own; it is no child of ours, but ends with us.

    What `runs` is a module, `synckairos` or a seeded bug of it, or the path of a script.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        cwd: str,
        environment: Mapping[str, str],
        stdout: BinaryIO,
        stderr: BinaryIO,
        runs: str = "synckairos",
    ) -> None:
        self._reply = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        weakref.finalize(self, self._reply.close)
        self._reply.connect(str(_loaded() / SOCKET))
        request = {"runs": runs, "arguments": list(arguments), "cwd": cwd, "environment": dict(environment)}
        with open(os.devnull, "rb") as nothing:
            streams = [one.fileno() for one in (nothing, stdout, stderr)]
            socket.send_fds(self._reply, [json.dumps(request).encode()], streams)
        self.pid = int(self._reply.recv(64))

    def wait(self, seconds: float | None = None) -> int:
        """Return its exit code once it has ended, negative for a signal; raises subprocess.TimeoutExpired."""
        end = select.poll()
        end.register(self._reply, select.POLLIN)
        if not end.poll(None if seconds is None else seconds * 1_000):
            raise subprocess.TimeoutExpired(f"process {self.pid}", seconds or 0)
        return int(self._reply.recv(64, socket.MSG_PEEK))  # whoever asks later is told too

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


def program() -> Path:
    """Return a `synckairos` for scripts and terminals, run by the process that has loaded the program."""
    return _loaded() / "synckairos"


def _loaded() -> Path:
    """Return the folder of the process that has loaded the program as this environment has it."""
    return _started(tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("PYTHON"))))


@functools.cache
def _started(_: tuple[tuple[str, str], ...]) -> Path:
    """Start the process when it is first asked for; it ends with us."""
    folder = Path(tempfile.mkdtemp(prefix="synckairos-warm-"))
    atexit.register(shutil.rmtree, folder)
    address = str(folder / SOCKET)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(address)
        listening.listen(BACKLOG)
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(listening.fileno())],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[listening.fileno()],
        )
    atexit.register(process.communicate)  # it ends once its standard input does
    installed = Path(sys.executable).with_name("synckairos")
    words = [sys.executable, "-I", "-S", *map(str, (Path(__file__).with_name("stand_in.py"), address, installed))]
    (folder / "synckairos").write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    (folder / "synckairos").chmod(0o755)
    return folder


def serve(listening: socket.socket) -> str:
    """Fork for every request; return what each command runs in it, and "" once nobody asks any more."""
    gc.freeze()  # or the collector would write to every page that is shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for keepers
    while listening in select.select([listening, sys.stdin], [], [])[0]:
        asker, _ = listening.accept()
        with asker:
            request, streams, _, _ = socket.recv_fds(asker, REQUEST_BYTES, 3)
            if request and not os.fork():
                listening.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                command = os.fork()
                if command:
                    _keep(command, streams, asker)
                return _become(json.loads(request), streams, asker)
            for stream in streams:
                os.close(stream)
    return ""


def _keep(command: int, streams: Sequence[int], asker: socket.socket) -> None:
    """Tell the exit code of a command once it has ended, and end; kill it when who asked for it is no more."""

    def outlive_nobody() -> None:
        asker.recv(1)
        with contextlib.suppress(ProcessLookupError):
            os.kill(command, signal.SIGKILL)

    try:
        for stream in streams:
            os.close(stream)
        threading.Thread(target=outlive_nobody, daemon=True).start()
        asker.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(command, 0)[1]))
    finally:
        os._exit(0)


def _become(request: dict[str, Any], streams: Sequence[int], asker: socket.socket) -> str:
    """Be the command: with its streams, folder, environment and arguments, in a session of its own."""
    os.setsid()
    asker.send(b"%d" % os.getpid())  # from now on signals may come
    asker.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]
    os.execve = _hand_over  # type: ignore[assignment] # takes what a command of ours passes
    runs: str = request["runs"]
    return runs


class _HandedOver(BaseException):
    """A command has become another module, with everything loaded that both of them need."""


def _hand_over(
    program: str, command: Sequence[str], environment: Mapping[str, str], execve: Callable[..., NoReturn] = os.execve
) -> NoReturn:
    if SHARED_FOLDER in environment:  # prometheus_client looks for it when it is loaded
        execve(program, command, environment)
    interpreter, option, module, *arguments = command
    assert (interpreter, option) == (sys.executable, "-m"), command
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    raise _HandedOver(module)


def _run(what: str) -> None:
    try:
        if os.sep in what:
            runpy.run_path(what, run_name="__main__")
        else:
            runpy.run_module(what, run_name="__main__", alter_sys=True)
    except _HandedOver as handed_over:
        following = str(handed_over)
    else:
        return
    _run(following)


@contextlib.contextmanager
def _ending_at_once() -> Iterator[None]:
    """End the process with what runs in it: to take all of the program apart would take longer than most commands."""
    code: object = None
    try:
        yield
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    # What the interpreter does first when it ends: it waits for threads, and runs what was left for the end.
    threading._shutdown()  # type: ignore[attr-defined] # typeshed leaves it out
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else code is not None)


if __name__ == "__main__":
    os.environ.update(PACE)  # Dramatiq looks for it when it is loaded
    import synckairos.cli.app
    import synckairos.cli.asking
    import synckairos.composition.worker  # noqa: F401 - these are all of the program

    if measured := coverage.Coverage.current():
        measured.save()  # or each command would save anew what loading ran
    with socket.socket(fileno=int(sys.argv[1])) as socket_of_requests:
        asked_for = serve(socket_of_requests)
    if asked_for:
        with _ending_at_once():
            _run(asked_for)
