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
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Final

from testing.harness.documents import ROOT

REQUEST_BYTES: Final = 1 << 17


class WarmCommand:
    """A command that has been started; its process is no child of ours."""

    def __init__(self, arguments: Sequence[str], cwd: str, environment: Mapping[str, str], *output: BinaryIO) -> None:
        self._reply, theirs = socket.socketpair()
        request = json.dumps({"arguments": arguments, "cwd": cwd, "environment": dict(environment)}).encode()
        with theirs, open(os.devnull, "rb") as nothing:
            streams = [nothing.fileno(), *(stream.fileno() for stream in output), theirs.fileno()]
            socket.send_fds(_loaded(), [request], streams)
        self._replies = self._reply.makefile("r")
        self.pid = int(self._replies.readline())

    def wait(self) -> int:
        """Return its exit code once it has ended, negative for a signal."""
        with self._reply, self._replies:
            return int(self._replies.readline())


@functools.cache
def _loaded() -> socket.socket:
    """The socket of the process that has loaded the program, which is started when first asked for and ends with us."""
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
            if _became_command(json.loads(request), streams):
                return True
        for stream in streams:
            os.close(stream)


def _became_command(request: dict[str, object], streams: Sequence[int]) -> bool:
    """Fork once more: return True in the command; the keeper tells its process id and its exit code, and ends."""
    *standard, reply = streams
    child = os.fork()
    if child:
        for stream in standard:
            os.close(stream)
        try:
            os.write(reply, b"%d\n" % child)
            os.write(reply, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        finally:
            os._exit(0)
    os.close(reply)
    for number, stream in enumerate(standard):
        os.dup2(stream, number)
        os.close(stream)
    arguments, cwd, environment = request["arguments"], request["cwd"], request["environment"]
    assert isinstance(arguments, list)
    assert isinstance(environment, dict)
    os.chdir(str(cwd))
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    return True


if __name__ == "__main__":
    import synckairos.cli.app
    import synckairos.cli.asking  # noqa: F401 - the two are all of the program

    with socket.socket(fileno=int(sys.argv[1])) as socket_of_requests:
        is_command = serve(socket_of_requests)
    if is_command:
        runpy.run_module("synckairos", run_name="__main__", alter_sys=True)
