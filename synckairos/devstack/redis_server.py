"""The embedded Redis: whatever speaks its protocol, from Redis 6.2 or Valkey 7.2 on."""

import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from synckairos.devstack import discovery, processes
from synckairos.devstack.child_server import HOST, ChildServer


class RedisServer(ChildServer):
    """A Redis whose data survive: an append-only file, synced every second, and no eviction.

    `extra_args` are further arguments of redis-server, such as `("--databases", "32")`; they win over ours.
    """

    _name: ClassVar[str] = "Redis"
    _port_setting: ClassVar[str] = "--redis-port"
    _stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, directory: Path | str, port: int = 0, *, extra_args: Sequence[str] = ()) -> None:
        super().__init__(directory, port)
        self._extra_args = tuple(extra_args)
        self._program = Path()

    @property
    def url(self) -> str:
        """The logical database 0; there are 16."""
        return f"redis://{HOST}:{self.port}/0"

    def _prepare(self) -> None:
        self._program = discovery.find_redis()

    def _spawn(self, inherit: int) -> subprocess.Popen[bytes]:
        options = {
            "--bind": HOST,
            "--port": str(self.port),
            "--dir": str(self._directory),
            "--daemonize": "no",
            "--databases": "16",
            "--appendonly": "yes",
            "--appendfsync": "everysec",
            "--save": "",
            "--maxmemory-policy": "noeviction",
            # Of a window of events, nodes of the default 4 KB would keep as much that is trimmed as they hold.
            "--stream-node-max-bytes": "1024",
            # To standard output, which goes to the log: refused options land there too.
            "--logfile": "",
        }
        arguments = [part for option in options.items() for part in option]
        with self._log_path.open("ab") as log:
            return processes.spawn([self._program, *arguments, *self._extra_args], None, output=log, inherit=inherit)

    def _answers(self, pid: int) -> bool:
        own_id = f"process_id:{pid}\r\n".encode()
        reply = b""
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\nINFO server\r\n")
                while own_id not in reply and (chunk := connection.recv(65536)):
                    reply += chunk
        except OSError:
            return False
        # While it loads its data it answers PING with -LOADING, and INFO as ever.
        return reply.startswith(b"+PONG") and own_id in reply
