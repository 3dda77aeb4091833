"""A database behind another machine: the product opens the tunnel, mends it, and says why it cannot.

The program `ssh` is a double that takes the same options, logs in nobody and forwards for real.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trustme

from synckairos.adapters.postgres import tunnel
from synckairos.adapters.postgres.database import Database, Statement
from synckairos.adapters.postgres.errors import ConnectionFailed, TlsRefused
from synckairos.adapters.postgres.options import database_options
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.settings import SettingsError, load_settings
from testing.harness.processes.commands import synckairos
from testing.harness.processes.databases import own_database, tables
from testing.harness.processes.server_process import ServerProcess
from testing.harness.processes.tls_front import tls_front
from testing.harness.waiting import eventually

ONE = Statement("one", "SELECT 1")
SSH = """#!{python}
import asyncio, os, pathlib, sys

given = sys.argv[1:]
folder = pathlib.Path({folder!r})
with (folder / "calls").open("a") as calls:
    calls.write(" ".join(given) + "\\n")
if given[-1].startswith("ssh://denied@"):
    sys.exit("denied@bastion: Permission denied (publickey).")
_, port, host, target = given[given.index("-L") + 1].split(":")

async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()

async def forward(reader, writer):
    other_reader, other_writer = await asyncio.open_connection("127.0.0.1", int(target))
    await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer))

async def main():
    server = await asyncio.start_server(forward, "127.0.0.1", int(port))
    (folder / "pid").write_text(str(os.getpid()))
    await server.serve_forever()

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the double in the place of ssh; return the folder where it leaves its calls and its pid."""
    folder = tmp_path / "ssh"
    folder.mkdir()
    program = folder / "ssh"
    program.write_text(SSH.format(python=sys.executable, folder=str(folder)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(tunnel, "_tunnels", {})
    return folder


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Database]]:
    """Opens databases through a tunnel; they are closed after the test, and their tunnels too."""
    databases: list[Database] = []

    def opened(url: str, login: str = "me@bastion", **fields: object) -> Database:
        given = load_settings(database_url=url, database_ssh=login, **fields)
        databases.append(Database(database_options(given)._replace(pool_min=0)))
        return databases[-1]

    yield opened
    for database in databases:
        await database.close()
    for one in tunnel._tunnels.values():
        one.close()


def elsewhere(url: str) -> str:
    """Return the URL with a host that only the bastion knows."""
    return url.replace("127.0.0.1", "localhost")


async def until_gone(pid: int) -> None:
    """Wait until there is no such process."""
    command = Path(f"/proc/{pid}/cmdline")
    await eventually(lambda: not (command.exists() and command.read_bytes()), seconds=20)


async def is_up(database: Database) -> bool:
    """Whether the database answers."""
    return not await database.problem()


async def test_one_tunnel_serves_a_process_and_is_opened_again(
    postgres_server: PostgresServer, opened: Callable[..., Database], ssh: Path
) -> None:
    """However many connections it has; when ssh has ended the next connection opens another."""
    database = opened(elsewhere(postgres_server.url), "me@bastion:2222")
    await asyncio.gather(*(database.fetch(ONE) for _ in range(5)))
    first = (ssh / "calls").read_text().splitlines()
    pid = int((ssh / "pid").read_text())
    os.kill(pid, signal.SIGKILL)
    await until_gone(pid)

    await eventually(lambda: is_up(database), seconds=20)

    assert len(first) == 1
    assert first[0].endswith(f":localhost:{postgres_server.port} -- ssh://me@bastion:2222")
    assert "BatchMode=yes" in first[0]
    assert len((ssh / "calls").read_text().splitlines()) == 2


async def test_an_ended_tunnel_leaves_nobody_to_kill_its_process_id(
    postgres_server: PostgresServer, opened: Callable[..., Database], ssh: Path
) -> None:
    """Who waits for the end of our process ends with ssh: later the id may be that of another program."""
    await opened(elsewhere(postgres_server.url)).fetch(ONE)
    pid = int((ssh / "pid").read_text())
    group = os.getpgid(pid)
    os.kill(pid, signal.SIGKILL)
    (opened_tunnel,) = tunnel._tunnels.values()
    assert opened_tunnel._process is not None
    await asyncio.to_thread(opened_tunnel._process.wait, 20)

    async with asyncio.timeout(5):
        with contextlib.suppress(ProcessLookupError):
            while True:  # until nobody is left in the group
                os.killpg(group, 0)
                await asyncio.sleep(0.02)


async def test_why_there_is_no_tunnel_is_said_in_sshs_own_words(
    postgres_server: PostgresServer, opened: Callable[..., Database], tmp_path: Path
) -> None:
    """In the log of a process, and to the operator."""
    with pytest.raises(ConnectionFailed, match=r"through denied@bastion: .*Permission denied"):
        await opened(postgres_server.url, "denied@bastion").fetch(ONE)
    done = await synckairos(
        "migrate", "status", redis_url="redis://127.0.0.1:1", cwd=tmp_path,
        SYNCKAIROS_DATABASE_URL=postgres_server.url, SYNCKAIROS_DATABASE_SSH="denied@bastion",
    )  # fmt: skip

    assert done.returncode == 1
    assert "Permission denied (publickey)" in done.stderr
    assert "SYNCKAIROS_DATABASE_SSH" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_command_leaves_no_ssh_behind(postgres_server: PostgresServer, ssh: Path, tmp_path: Path) -> None:
    """The migrations are applied through the tunnel, which ends with the command."""
    async with own_database(postgres_server) as url:
        done = await synckairos(
            "migrate", "up", redis_url="redis://127.0.0.1:1", cwd=tmp_path,
            SYNCKAIROS_DATABASE_URL=elsewhere(url), SYNCKAIROS_DATABASE_SSH="me@bastion",
        )  # fmt: skip
        found = await tables(url)
        await until_gone(int((ssh / "pid").read_text()))

    assert done.returncode == 0, done.stderr
    assert "sync_events" in found


async def test_a_server_that_is_killed_leaves_no_ssh_behind(
    postgres_server: PostgresServer, redis_server: RedisServer, ssh: Path, tmp_path: Path
) -> None:
    """It has no chance to end it."""
    server = ServerProcess(
        redis_server.url, tmp_path / "server.log",
        database_url=elsewhere(postgres_server.url), database_ssh="me@bastion", redis_prefix="tunnelled",
    )  # fmt: skip
    with server:
        pid_file = ssh / "pid"
        await eventually(lambda: pid_file.exists() and pid_file.read_text(), seconds=20)
        pid = int(pid_file.read_text())
        server.kill()
        await until_gone(pid)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
async def test_the_certificate_is_the_databases_own(
    postgres_server: PostgresServer, opened: Callable[..., Database], tmp_path: Path, name: str
) -> None:
    """Checked for the name in the URL, not for the end of the tunnel on this machine."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "trusted.pem"))
    async with tls_front(postgres_server.port, authority) as front:
        url = f"postgresql://synckairos@{name}:{front.port}/synckairos"
        database = opened(url, database_tls="verify-full", database_tls_ca=str(tmp_path / "trusted.pem"))
        if name == "localhost":
            await database.fetch(ONE)
        else:
            with pytest.raises(TlsRefused):
                await database.fetch(ONE)

        assert front.secured == (1 if name == "localhost" else 0)
        await database.close()


@pytest.mark.parametrize("login", ["bastion", "-oProxyCommand=x@y", "me@-x", "me@bastion:", "me @bastion", "me@b c"])
def test_what_is_no_login_is_refused(login: str) -> None:
    """Least of all what ssh would take for an option."""
    with pytest.raises(SettingsError, match="SYNCKAIROS_DATABASE_SSH"):
        load_settings(database_ssh=login)
