"""The wheel has what a user of the package needs who never sees the sources."""

import re
import zipfile
from email import message_from_bytes
from email.message import Message
from importlib.resources import files

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.integration.packaging.distributions import SERVER, build


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The server's wheel, as a release builds it."""
    return zipfile.ZipFile(build(SERVER, "wheel", tmp_path_factory.mktemp("dist")))


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    """What package indexes show."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "migrations/001_initial_schema.sql",
        "protos/google/rpc/error_details.proto",
        "protos/google/rpc/status.proto",
        "protos/synckairos/v1/service_config.json",
        "protos/synckairos/v1/session_service.proto",
    ],
)
def test_it_holds(wheel: zipfile.ZipFile, name: str) -> None:
    """Types for checkers, the contract for other languages and for tools."""
    assert f"synckairos/{name}" in wheel.namelist()


def test_every_file_of_the_contract_is_in_the_protoset(wheel: zipfile.ZipFile) -> None:
    """With its imports: a tool needs nothing else."""
    protoset = files("synckairos.v1").joinpath("contract.protoset").read_bytes()
    held = {file.name for file in FileDescriptorSet.FromString(protoset).file}
    shipped = {name.removeprefix("synckairos/protos/") for name in wheel.namelist() if name.endswith(".proto")}

    assert shipped <= held
    assert "google/protobuf/timestamp.proto" in held


def test_the_description_stands_by_itself(metadata: Message) -> None:
    """A link into the sources leads nowhere on the page of the package."""
    links = re.findall(r"\]\(([^)]+)\)", str(metadata.get_payload()))

    assert [link for link in links if not link.startswith("https://")] == []


def test_it_says_where_its_home_is(metadata: Message) -> None:
    """Each label once."""
    labels = [url.split(",")[0] for url in metadata.get_all("Project-URL", [])]

    assert labels == ["Homepage", "Documentation", "Changelog"]
