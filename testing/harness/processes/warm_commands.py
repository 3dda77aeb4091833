"""Commands in processes of their own, forked from one that has loaded the program, which takes most of their time.

`python -m testing.harness.processes.warm_commands FD` is the one that has loaded it. Each request that comes over its
socket, with the streams of the command, makes it fork twice: into the command, and into a keeper that tells its end.
"""

import atexit
import functools
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Final

from testing.harness.documents import ROOT

REQUEST_BYTES: Final = 1 << 17


class WarmCommand:
    """A command that has been started, in a session of its own; it is no child of ours."""

    def __init__(
        self, arguments: Sequence[str], cwd: str, environment: Mapping[str, str], stdout: BinaryIO, stderr: BinaryIO
    ) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._reply = ours.detach()
        weakref.finalize(self, os.close, self._reply)
        request = json.dumps({"arguments": arguments, "cwd": cwd, "environment": dict(environment)}).encode()
        with theirs, open(os.devnull, "rb") as nothing:
            streams = [one.fileno() for one in (nothing, stdout, stderr, theirs)]
            socket.send_fds(_loaded(), [request], streams)
        self.pid = int(os.read(self._reply, 64))

    def wait(self) -> int:
        """Return its exit code once it has ended, negative for a signal."""
        return int(os.read(self._reply, 64))


def _of_python(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


def _loaded() -> socket.socket:
    """Return the socket of the process that has loaded the program as this environment has it."""
    return _started(tuple(sorted(_of_python(os.environ).items())))


@functools.cache
def _started(_: tuple[tuple[str, str], ...]) -> socket.socket:
    """Start the process when it is first asked for; it ends with us."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def serve(requests: socket.socket) -> bool:
    """Fork for every request; return True in each command, with its streams, and False once nobody asks any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for keepers
    while True:
        request, streams, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 4)
        if not request:
            return False
        if not os.fork():
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            *standard, reply = streams
            command = os.fork()
            if command:
                _keep(command, standard, reply)
            _become(json.loads(request), standard, reply)
            return True
        for stream in streams:
            os.close(stream)


def _keep(command: int, standard: Sequence[int], reply: int) -> None:
    """Tell the exit code of a command once it has ended, and end."""
    try:
        for stream in standard:
            os.close(stream)
        os.write(reply, b"%d" % os.waitstatus_to_exitcode(os.waitpid(command, 0)[1]))
    finally:
        os._exit(0)


def _become(request: dict[str, object], standard: Sequence[int], reply: int) -> None:
    """Be the command: with its streams, folder, environment and arguments, in a session of its own."""
    os.setsid()
    os.write(reply, b"%d" % os.getpid())  # from now on signals may come
    os.close(reply)
    for number, stream in enumerate(standard):
        os.dup2(stream, number)
        os.close(stream)
    arguments, environment = request["arguments"], request["environment"]
    assert isinstance(arguments, list)
    assert isinstance(environment, dict)
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments


if __name__ == "__main__":
    import synckairos.cli.app
    import synckairos.cli.asking  # noqa: F401 - the two are all of the program

    with socket.socket(fileno=int(sys.argv[1])) as socket_of_requests:
        is_command = serve(socket_of_requests)
    if is_command:
        runpy.run_module("synckairos", run_name="__main__", alter_sys=True)
