"""Has a command run by the process that listens at an address, as if it were run here.

`python -I -S stand_in.py ADDRESS SCRIPT …`, with the arguments of the script behind it. The command has the streams of
this process, its folder and its environment, gets the signals that come here, and its end is that of this process.
"""

import json
import os
import signal
import socket
import sys
from typing import Final, NoReturn

PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGWINCH)


def run(address: str, script: str, arguments: list[str]) -> NoReturn:
    """Have the command run, and end as it ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked:
        asked.connect(address)
        request = {"runs": script, "arguments": arguments, "cwd": os.getcwd(), "environment": dict(os.environ)}
        socket.send_fds(asked, [json.dumps(request).encode()], [0, 1, 2])
        command = int(asked.recv(64))
        for number in PASSED_ON:
            signal.signal(number, lambda number, _: os.kill(command, number))
        for stream in (0, 1, 2):
            os.close(stream)
        code = int(asked.recv(64))
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], sys.argv[3:])
