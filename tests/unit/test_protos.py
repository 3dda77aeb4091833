"""The folder of the contract is complete, and its copies of others' files are as published."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"


def compiled(folder: Path, *files: str) -> dict[str, FileDescriptorProto]:
    """Compile files of the contract with nothing but its folder on the path; they and all they need, by name."""
    out = folder / "image.binpb"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", "--include_imports", f"-o{out}", *files]
    subprocess.run(command, check=True, cwd=folder)
    return {file.name: file for file in FileDescriptorSet.FromString(out.read_bytes()).file}


def test_the_contract_needs_nothing_but_its_folder(tmp_path: Path) -> None:
    """Every file compiles from protos/ and the files that protoc itself brings along."""
    ours = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("synckairos/**/*.proto"))

    files = compiled(tmp_path, *ours)

    others = {name for name in files if name not in ours and not name.startswith("google/protobuf/")}
    assert others == {"google/rpc/status.proto"}


@pytest.mark.parametrize("module", [status_pb2, error_details_pb2])
def test_the_copies_of_googles_files_are_googles(tmp_path: Path, module: Any) -> None:
    """Other languages generate from the same definitions as Python's published package."""
    published = FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(published)
    copy = compiled(tmp_path, published.name)[published.name]
    _forget_json_names(copy.message_type)

    assert copy == published


def _forget_json_names(messages: Iterable[DescriptorProto]) -> None:
    """Clear what protoc adds and embedded descriptors go without."""
    for message in messages:
        for field in message.field:
            field.ClearField("json_name")
        _forget_json_names(message.nested_type)


def test_nothing_of_google_is_generated_here() -> None:
    """A folder `google` in generated/ would hide the package of that name."""
    assert [path.name for path in (ROOT / "generated").iterdir() if path.name != "__pycache__"] == ["synckairos"]
