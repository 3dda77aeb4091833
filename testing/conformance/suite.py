"""The suite's programs and its contract, from the Go module that it is published as."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from google.protobuf import descriptor_pb2, descriptor_pool

MODULE: Final = "connectrpc.com/conformance"
VERSION: Final = "v1.0.7"
PACKAGE: Final = "connectrpc.conformance.v1"
PROTOS: Final = "connectrpc/conformance/v1"


def install(folder: Path) -> None:
    """Build the suite and its gRPC server into a folder, where they are not there yet."""
    programs = ("connectconformance", "grpcserver")
    if all((folder / name).exists() for name in programs) and (folder / "contract.binpb").exists():
        return
    go = shutil.which("go")
    if go is None:
        raise SystemExit(
            "the suite is written in Go: install Go 1.24 or newer (https://go.dev/dl), or apt install golang"
        )
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GOBIN": str(folder.resolve()), "GOFLAGS": "-mod=mod"}
    subprocess.run(
        [go, "install", *(f"{MODULE}/cmd/{name}@{VERSION}" for name in programs)], env=environment, check=True
    )
    cache = subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    protos = Path(cache) / f"{MODULE}@{VERSION}" / "proto"
    files = [str(file.relative_to(protos)) for file in sorted((protos / PROTOS).glob("*.proto"))]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}", "--include_imports",
         f"--descriptor_set_out={folder / 'contract.binpb'}", *files],
        check=True,
    )  # fmt: skip


def load_contract(folder: Path) -> None:
    """Make the suite's messages known to this process."""
    pool = descriptor_pool.Default()
    files = descriptor_pb2.FileDescriptorSet.FromString((folder / "contract.binpb").read_bytes())
    for file in files.file:
        try:
            pool.FindFileByName(file.name)
        except KeyError:
            pool.AddSerializedFile(file.SerializeToString())
