"""The embedded Redis: whatever speaks its protocol, from Redis 7.0 or Valkey 7.2 on."""

import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from synckairos.devstack import discovery, processes
from synckairos.devstack.child_server import HOST, ChildServer
from synckairos.devstack.secrets import new_password, open_log, write_private


class RedisServer(ChildServer):
    """A Redis whose data survive: an append-only file, synced every second, and no eviction.

    `extra_args` are further arguments of redis-server, such as `("--databases", "32")`; they win over ours.
    """

    _name: ClassVar[str] = "Redis"
    _port_setting: ClassVar[str] = "--redis-port"
    _stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    usual_port: ClassVar[int] = 16_379

    def __init__(
        self, directory: Path | str, port: int = 0, *, has_password: bool = False, extra_args: Sequence[str] = ()
    ) -> None:
        super().__init__(directory, port, has_password=has_password)
        self._extra_args = tuple(extra_args)
        self._program = Path()

    @property
    def url(self) -> str:
        """The logical database 0; there are 16."""
        password = self._password()
        return f"redis://{f':{password}@' if password else ''}{HOST}:{self.port}/0"

    def _prepare(self) -> None:
        self._program = discovery.find_redis()
        # What earlier versions left readable lies in there as well.
        self._directory.chmod(0o700)
        if self._has_password and not self._password():
            write_private(self._password_path, new_password())
        # Not as an argument, which every user of the machine could read.
        password = self._password()
        write_private(self._directory / "redis.conf", f"requirepass {password}\n" if password else "")

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
        command: list[str | Path] = [self._program, self._directory / "redis.conf", *arguments, *self._extra_args]
        with open_log(self._log_path) as log:
            return processes.spawn(command, None, output=log, inherit=inherit)

    def _answers(self, pid: int) -> bool:
        own_id = f"process_id:{pid}\r\n".encode()
        reply = b""
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                if password := self._password():
                    connection.sendall(f"AUTH {password}\r\n".encode())
                    if connection.recv(65536) != b"+OK\r\n":
                        return False
                connection.sendall(b"PING\r\nINFO server\r\n")
                while own_id not in reply and (chunk := connection.recv(65536)):
                    reply += chunk
        except OSError:
            return False
        # While it loads its data it answers PING with -LOADING, and INFO as ever.
        return reply.startswith(b"+PONG") and own_id in reply
