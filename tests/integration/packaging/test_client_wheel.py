"""The client's distribution: small, typed, by itself, and of the server's own version."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.integration.packaging.distributions import CLIENT, SERVER, build, project_of, unpacked_sdist

OF_THE_CLIENT = {"client", "pytest_plugin.py", "v1"}
PROGRAM = """\
from synckairos.client import SyncKairos
from synckairos.client import sync
from synckairos.v1 import session_pb2


async def main() -> None:
    client = await SyncKairos.connect("localhost:50051")
    reply = await client.switch_cycle("game", expected_version=3)
    reveal_type(reply.session.version)
    await client.switch_cycle("game", expected_version="three")
    await client.switch_cycle("game", expect_version=3)
    async for update in client.watch("game"):
        reveal_type(update.snapshot.version)
    twin = sync.SyncKairos.connect("localhost:50051")
    reveal_type(twin.start_session("game").replayed)
    session_pb2.ParticipantSpec(total_time_ms="ten minutes")
"""
SEEN = [
    'note: Revealed type is "int"',
    'error: Argument "expected_version" has incompatible type "str"; expected "int"  [arg-type]',
    'error: Unexpected keyword argument "expect_version"; did you mean "expected_version"?  [call-arg]',
    'note: Revealed type is "int"',
    'note: Revealed type is "bool"',
    'error: Argument "total_time_ms" to "ParticipantSpec" has incompatible type "str"; expected "int"  [arg-type]',
]
"""What mypy finds in it, line by line."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's wheel."""
    return build(CLIENT, "wheel", tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="module")
def server_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's wheel."""
    return build(SERVER, "wheel", tmp_path_factory.mktemp("server"))


def names_in(wheel: Path) -> set[str]:
    """Return the files of a wheel, without its own description."""
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def test_both_distributions_have_one_version() -> None:
    """The server takes the client of its own release and no other."""
    server, client = project_of(SERVER), project_of(CLIENT)

    assert client["version"] == server["version"]
    assert [one for one in server["dependencies"] if one.startswith("synckairos-client")] == [
        f"synckairos-client=={server['version']}"
    ]


def test_the_client_brings_three_libraries_that_the_server_has_too() -> None:
    """With the same lower bounds, so that the server's tests speak for the client."""
    server, client = project_of(SERVER), project_of(CLIENT)

    assert len(client["dependencies"]) == 3
    assert set(client["dependencies"]) <= set(server["dependencies"])


def test_no_module_is_in_both_wheels(wheel: Path, server_wheel: Path) -> None:
    """The contract and the client come from here alone; uninstalling one must not take files of the other."""
    client, server = names_in(wheel), names_in(server_wheel)

    assert client & server == set()
    assert {name.split("/")[1] for name in client} == OF_THE_CLIENT
    assert {name.split("/")[1] for name in server} & OF_THE_CLIENT == set()


@pytest.mark.parametrize(
    "name",
    [
        "client/py.typed",
        "v1/contract.protoset",
        "v1/py.typed",
        "v1/service_config.json",
        "v1/session_service_pb2.pyi",
        "v1/session_service_pb2_grpc.py",
    ],
)
def test_it_holds(wheel: Path, name: str) -> None:
    """Types for checkers, settings for channels, the contract for tools."""
    assert f"synckairos/{name}" in names_in(wheel)


def test_what_is_shipped_for_clients_is_what_is_published(wheel: Path) -> None:
    """The service config and the license are those of the repository."""
    archive = zipfile.ZipFile(wheel)
    (license_file,) = (name for name in archive.namelist() if name.endswith("/LICENSE"))
    published = SERVER / "protos" / "synckairos" / "v1" / "service_config.json"

    assert archive.read("synckairos/v1/service_config.json") == published.read_bytes()
    assert archive.read(license_file) == (SERVER / "LICENSE").read_bytes()


@pytest.mark.parametrize("folder", [SERVER, CLIENT], ids=["server", "client"])
def test_an_unpacked_sdist_builds_the_same_wheel(folder: Path, wheel: Path, server_wheel: Path, tmp_path: Path) -> None:
    """Away from the repository: whoever packages it for a system has nothing else."""
    rebuilt = build(unpacked_sdist(folder, tmp_path), "wheel", tmp_path / "wheel")

    assert names_in(rebuilt) == names_in(wheel if folder == CLIENT else server_wheel)


def test_users_see_types_with_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    """`mypy --strict` knows messages and functions where only the wheel and its dependencies are installed."""
    python = _environment(wheel, tmp_path)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--python-executable={python}", str(program)],
        cwd=tmp_path,
        env=_without_sources(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert [line.split(": ", 1)[1] for line in checked.stdout.splitlines()[:-1]] == SEEN


def test_it_imports_where_nothing_of_the_server_is_installed(wheel: Path, tmp_path: Path) -> None:
    """Nor anything that only the server depends on."""
    python = _environment(wheel, tmp_path)
    script = (
        "import sys, synckairos.client.sync; from synckairos.v1 import session_service_pb2_grpc;"
        "print(sorted({name.split('.')[1] for name in sys.modules if name.startswith('synckairos.')}))"
    )

    run = subprocess.run(
        [python, "-c", script], cwd=tmp_path, env=_without_sources(), capture_output=True, text=True, check=False
    )

    assert run.stdout.strip() == "['client', 'v1']", run.stderr


def _without_sources() -> dict[str, str]:
    """Return the variables of this process but for those by which the tests find their own sources."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _environment(wheel: Path, folder: Path) -> Path:
    """Make an environment of the wheel and its dependencies, taken from this one: no registry is asked."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    for module in ("grpc", "google", "typing_extensions"):
        found = importlib.util.find_spec(module)
        assert found is not None
        place = Path(next(iter(found.submodule_search_locations or [str(found.origin)])))
        (packages / place.name).symlink_to(place)
    return folder / "venv" / "bin" / "python"
