"""The embedded PostgreSQL, run as an unprivileged account when we are root, because it refuses root."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import asyncpg

from synckairos.devstack import processes
from synckairos.devstack.child_server import HOST, ChildServer
from synckairos.devstack.errors import DevstackError, ServerFailedError
from synckairos.devstack.postgres_programs import programs_for
from synckairos.devstack.secrets import new_password, open_log, write_private

USER = "synckairos"
DATABASE = "synckairos"
# Read by every account, and kept over a restart of the machine.
SHARED_PARENT = Path("/var/tmp")  # noqa: S108 - mkdtemp makes a folder there that nobody else can have prepared
SHARED_PREFIX = "synckairos-postgres-"
CONNECT_SECONDS = 2.0


class PostgresServer(ChildServer):
    """A PostgreSQL with one database `synckairos`; without a password it is open to all on this machine.

    As root, with a directory that the account of the server cannot reach, the data lie in a folder of their own
    below /var/tmp; the link `reachable` in the directory leads there. No permission of a given directory is changed.
    """

    _name: ClassVar[str] = "PostgreSQL"
    _port_setting: ClassVar[str] = "--postgres-port"
    # SIGTERM would wait for all clients to leave.
    _stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    usual_port: ClassVar[int] = 15_432

    def __init__(self, directory: Path | str, port: int = 0, *, has_password: bool = False) -> None:
        super().__init__(directory, port, has_password=has_password)
        self._account: processes.Account | None = None
        self._programs = Path()
        self._data = self._directory / "data"

    @property
    def url(self) -> str:
        """The database `synckairos` as its owner, who may do everything."""
        password = self._password()
        return f"postgresql://{USER}{f':{password}' if password else ''}@{HOST}:{self.port}/{DATABASE}"

    def wipe(self) -> None:
        """Delete the directory and all data, also those below /var/tmp; raises DirectoryInUseError while it runs."""
        link = self._directory / "reachable"
        elsewhere = link.resolve() if link.is_symlink() else None
        super().wipe()
        # A link that somebody else made leads to data that are not ours.
        if elsewhere is not None and elsewhere.name.startswith(SHARED_PREFIX):
            shutil.rmtree(elsewhere, ignore_errors=True)

    def _prepare(self) -> None:
        try:
            self._account = processes.unprivileged_account()
        except LookupError as error:
            raise DevstackError(str(error)) from error
        home = self._reachable_home()
        self._data = home / "data"
        version = self._data / "PG_VERSION"
        major = int(version.read_text(encoding="utf-8")) if version.exists() else None
        self._programs = programs_for(self._account, home, major)
        if major is None:
            self._create_cluster(home / "data.new")
        if self._has_password and not self._password():
            self._set_password()

    def _reachable_home(self) -> Path:
        """Return the folder for the data, which the account of the server can enter."""
        link = self._directory / "reachable"
        if link.is_dir():
            return link.resolve()
        if processes.may_enter(self._directory, self._account):
            return self._directory
        if self._data.exists():
            raise DevstackError(
                f"{self._directory} holds data, but the account {self._account and self._account.name} cannot reach it "
                f"any more: let others enter the directories above it (chmod o+x), or move it"
            )
        home = Path(tempfile.mkdtemp(prefix=SHARED_PREFIX, dir=SHARED_PARENT))
        home.chmod(0o711)
        link.unlink(missing_ok=True)
        link.symlink_to(home)
        return home

    def _create_cluster(self, fresh: Path) -> None:
        # Under another name until it is whole: a half-made cluster would pass for a good one.
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        if self._account is not None:
            os.chown(fresh, self._account.uid, self._account.gid)
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C", f"--username={USER}"]
        finished = processes.run(
            [self._programs / "initdb", f"--pgdata={fresh}", *options], self._account, env=_environment()
        )
        if finished.returncode != 0:
            raise ServerFailedError(f"initdb ended with {finished.returncode}\n{finished.stdout}")
        fresh.rename(self._data)

    def _set_password(self) -> None:
        """Give the owner of the database a password, in a cluster that is down, and let nobody in without."""
        password = new_password()
        command: list[str | Path] = [self._programs / "postgres", "--single", "-D", self._data, "postgres"]
        statement = f"ALTER ROLE {USER} PASSWORD '{password}'"
        finished = processes.run(command, self._account, env=_environment(), entered=f"{statement}\n")
        if finished.returncode != 0 or "ERROR" in finished.stdout:
            raise ServerFailedError(f"the password could not be set\n{finished.stdout.replace(password, '…')}")
        rules = self._data / "pg_hba.conf"
        write_private(rules, f"host all {USER} {HOST}/32 scram-sha-256\n")
        if self._account is not None:
            os.chown(rules, self._account.uid, self._account.gid, follow_symlinks=False)
        write_private(self._password_path, password)

    def _spawn(self, inherit: int) -> subprocess.Popen[bytes]:
        command: list[str | Path] = [self._programs / "postgres", "-D", self._data, "-h", HOST, "-p", str(self.port)]
        for setting in ("unix_socket_directories=", "timezone=UTC", "log_timezone=UTC"):
            command += ["-c", setting]
        with open_log(self._log_path) as log:
            return processes.spawn(command, self._account, output=log, inherit=inherit, env=_environment())

    def _answers(self, pid: int) -> bool:
        del pid  # its data directory tells this server from any other
        # In a thread of its own, because the caller may stand inside a running event loop.
        with ThreadPoolExecutor(max_workers=1) as thread:
            answer = thread.submit(asyncio.run, self._offers_database())
        try:
            return answer.result()
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False

    def _deserves_another_try(self, log: str) -> bool:
        # What a killed server left behind is refused until the kernel has taken the last of its processes away.
        return "is still in use" in log or super()._deserves_another_try(log)

    async def _offers_database(self) -> bool:
        connection = await asyncpg.connect(
            host=HOST,
            port=self.port,
            user=USER,
            password=self._password(),
            database="postgres",
            ssl=False,
            timeout=CONNECT_SECONDS,
        )
        try:
            if Path(await connection.fetchval("SHOW data_directory")) != self._data:
                return False
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close()
        return True


def _environment() -> dict[str, str]:
    # Variables of the client such as PGDATA steer the server too, and a locale that is not installed stops initdb.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}
