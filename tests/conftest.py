"""The real servers that tests share, started at most once in every process that runs tests.

A test that stops, pauses or floods a server starts one of its own in `server_directory`. No variable of the
environment points the tests to servers that run already, and none that is missing makes a test be skipped; which
programs are started, SYNCKAIROS_REDIS_SERVER and SYNCKAIROS_PG_BIN say.
"""

import functools
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import structlog
import typer.testing
from hypothesis import HealthCheck, settings

from synckairos.devstack import PostgresServer, RedisServer
from synckairos.devstack.discovery import REDIS_VARIABLE, WHEEL, find_postgres, find_redis
from synckairos.devstack.processes import unprivileged_account
from testing.harness.processes.child_process import ChildProcess

if TYPE_CHECKING:
    from testing.harness.processes.cluster_group import ClusterGroup

# Tests start servers while they make calls: with gRPC's own handlers of fork(), one child in five dies of SIGSEGV. They
# are set up when gRPC is imported, which happens after this.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
assert "grpc" not in sys.modules, "something has imported gRPC before"

MEMORY: Final = Path("/dev/shm")
ROOM_BYTES: Final = 4 * 2**30


def _is_roomy(folder: Path) -> bool:
    """Whether all that the tests write has room in a folder, and the programs that they copy may run there."""
    if not folder.is_dir():
        return False
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize >= ROOM_BYTES and not state.f_flag & os.ST_NOEXEC


# The first start of a PostgreSQL makes a thousand files: on a disk, that takes three times as much processor time.
if "TMPDIR" not in os.environ and _is_roomy(MEMORY):
    tempfile.tempdir = os.environ["TMPDIR"] = str(MEMORY)

# How long a drawn example takes says how busy the machine is, and nothing about the code.
settings.register_profile("untimed", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("laws", settings.get_profile("untimed"), max_examples=10_000)
settings.load_profile("untimed")

# By default rich draws every traceback with the variables of its frames, which takes half a second.
*_before, _ = structlog.get_config()["processors"]
structlog.configure([*_before, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)])

# A command line is made of its functions once, not anew for every command that a test invokes.
typer.testing._get_command = functools.cache(typer.testing._get_command)

ChildProcess.is_warm = True

MEASURED = "measured"
LONGEST_FIRST: Final = ("browser", "bench", "robustness", "e2e", "integration", "contract", "unit")


def pytest_report_header() -> list[str]:
    """Say which servers the tests start."""
    return [f"redis: {find_redis()}", f"postgres: {find_postgres(unprivileged_account()).path}"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files begin first that mostly wait: the others fill the time beside them, and none is left at the end."""
    items.sort(key=lambda item: LONGEST_FIRST.index(item.nodeid.split("/")[1]))


def pytest_collection_finish() -> None:
    """Keep the collector from what lives as long as the process does: it went through all of it again and again."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured, in whichever process and also when everything passed."""
    reports = [one for kind in terminalreporter.stats.values() for one in kind if getattr(one, "when", "") == "call"]
    figures = [line for report in reports for name, line in report.user_properties if name == MEASURED]
    if figures:
        terminalreporter.section("measured")
        for figure in figures:
            terminalreporter.write_line(figure)


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a line about what was measured, to be printed at the end of the run."""
    return lambda line: request.node.user_properties.append((MEASURED, line))


def _open_directory() -> Path:
    # Not pytest's tmp_path, which is closed to other accounts: as root, PostgreSQL runs as one of them.
    directory = Path(tempfile.mkdtemp(prefix="synckairos-tests-"))
    directory.chmod(0o711)
    return directory


@pytest.fixture(scope="session")
def session_directory() -> Iterator[Path]:
    """A directory for the servers that all tests share."""
    directory = _open_directory()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def server_directory() -> Iterator[Path]:
    """A directory for the servers of one test, which has to stop them itself."""
    directory = _open_directory()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def newest_redis(monkeypatch: pytest.MonkeyPatch) -> type[RedisServer]:
    """Redis of the packages, for whatever a test starts from now on: before 7.2 there is no WAITAOF."""
    monkeypatch.setenv(REDIS_VARIABLE, WHEEL)
    return RedisServer


@pytest.fixture
def own_redis(server_directory: Path) -> Iterator[RedisServer]:
    """A Redis that only this test uses, so that it may be stopped, frozen and flushed."""
    with RedisServer(server_directory / "redis") as redis:
        yield redis
        redis.resume()


@pytest.fixture(scope="session")
def redis_cluster(session_directory: Path) -> Iterator["ClusterGroup"]:
    """A cluster for the tests of this process, whose slots may be moved but not lost: three masters, no replicas."""
    from testing.harness.processes.cluster_group import ClusterGroup  # noqa: PLC0415 - it imports gRPC, see above

    with ClusterGroup(session_directory / "cluster", replicas=0) as group:
        yield group


@pytest.fixture(scope="session")
def redis_server(session_directory: Path) -> Iterator[RedisServer]:
    """A Redis for the tests of this process: each keeps to keys or databases of its own and flushes nothing else."""
    server = RedisServer(session_directory / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_server(session_directory: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL for all tests of this process: each makes databases or rows of its own."""
    server = PostgresServer(session_directory / "postgres")
    server.start()
    yield server
    server.stop()
    # Takes away what lies below /var/tmp too, in case the temporary directories of this machine are private.
    server.wipe()
