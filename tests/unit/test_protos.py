"""The folder of the contract is complete, and its copies of others' files are as published."""

import subprocess
import sys
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.rpc import status_pb2

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
    assert others == {str(path.relative_to(PROTOS)) for path in PROTOS.rglob("google/**/*.proto")}


def test_the_copy_of_googles_status_is_googles(tmp_path: Path) -> None:
    """Other languages generate from the same definition as Python's published package."""
    copy = compiled(tmp_path, "google/rpc/status.proto")["google/rpc/status.proto"]
    for field in copy.message_type[0].field:
        field.ClearField("json_name")  # protoc adds them; embedded descriptors go without
    published = FileDescriptorProto()
    status_pb2.DESCRIPTOR.CopyToProto(published)

    assert copy == published


def test_nothing_of_google_is_generated_here() -> None:
    """A folder `google` in generated/ would hide the package of that name."""
    assert [path.name for path in (ROOT / "generated").iterdir() if path.name != "__pycache__"] == ["synckairos"]
