"""The reference of the contract, one page for each proto file: what the comments of the protos say, with links."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

PACKAGE: Final = "synckairos.v1"
FILE_MESSAGES: Final = 4
FILE_ENUMS: Final = 5
FILE_SERVICES: Final = 6
MESSAGE_FIELDS: Final = 2
MESSAGE_NESTED: Final = 3
MESSAGE_ENUMS: Final = 4
ENUM_VALUES: Final = 2
SERVICE_METHODS: Final = 2
SYNTAX: Final = 12
"""Numbers of fields in descriptor.proto, of which the paths of comments are made."""

Place = tuple[int, ...]
Comments = Mapping[Place, str]


def descriptors(protos: Path) -> list[descriptor_pb2.FileDescriptorProto]:
    """Return the files of the contract with their comments; raises CalledProcessError if they do not compile."""
    ours = sorted(str(path) for path in (protos / "synckairos").rglob("*.proto"))
    with TemporaryDirectory() as folder:
        into = Path(folder, "contract.protoset")
        options = [f"-I{protos}", "--include_source_info", f"--descriptor_set_out={into}"]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, *ours], check=True)
        return list(descriptor_pb2.FileDescriptorSet.FromString(into.read_bytes()).file)


def pages(files: Sequence[descriptor_pb2.FileDescriptorProto]) -> dict[str, str]:
    """Return the pages by their file names: an index, and one page for each file of the contract."""
    homes = {name: _page_name(file) for file in files for name in _names(file)}
    made = {_page_name(file): _Page(file, homes).text() for file in files}
    rows = [
        f"| [{_title(file)}]({_page_name(file)}) | {_first_sentence(_comments(file).get((SYNTAX,), ''))} |"
        for file in files
    ]
    head = [
        "# The contract", "", "Made from the comments of the protos, which come with every package.", "",
        "| file | what it holds |", "|---|---|",
    ]  # fmt: skip
    return {"index.md": "\n".join([*head, *rows, ""]), **made}


class _Page:
    """A page of one proto file."""

    def __init__(self, file: descriptor_pb2.FileDescriptorProto, homes: Mapping[str, str]) -> None:
        self._file = file
        self._homes = homes
        self._comments = _comments(file)
        self._here = _page_name(file)

    def text(self) -> str:
        """Return the page as Markdown."""
        return "\n".join(line.rstrip() for line in self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield f"# {_title(self._file)}"
        yield from ("", self._comments.get((SYNTAX,), ""))
        for place, service in enumerate(self._file.service):
            yield from self._service(service, (FILE_SERVICES, place))
        for place, message in enumerate(self._file.message_type):
            yield from self._message(message, (FILE_MESSAGES, place), "")
        for place, enum in enumerate(self._file.enum_type):
            yield from self._enum(enum, (FILE_ENUMS, place), "")

    def _service(self, service: descriptor_pb2.ServiceDescriptorProto, path: Place) -> Iterator[str]:
        yield from ("", f"## {service.name}", "", self._comments.get(path, ""))
        for place, method in enumerate(service.method):
            asked = ("stream of " if method.client_streaming else "") + self._linked(method.input_type)
            given = ("stream of " if method.server_streaming else "") + self._linked(method.output_type)
            yield from ("", f"### {method.name}", "", f"{asked} → {given}")
            yield from ("", self._comments.get((*path, SERVICE_METHODS, place), ""))

    def _message(self, message: descriptor_pb2.DescriptorProto, path: Place, within: str) -> Iterator[str]:
        if message.options.map_entry:
            return
        name = within + message.name
        yield from ("", f"## {name}", "", self._comments.get(path, ""))
        if message.field:
            yield from ("", "| field | number | type | meaning |", "|---|---|---|---|")
            for place, field in enumerate(message.field):
                meaning = _cell(self._comments.get((*path, MESSAGE_FIELDS, place), ""))
                yield f"| `{field.name}` | {field.number} | {self._type(message, field)} | {meaning} |"
        for place, nested in enumerate(message.nested_type):
            yield from self._message(nested, (*path, MESSAGE_NESTED, place), f"{name}.")
        for place, enum in enumerate(message.enum_type):
            yield from self._enum(enum, (*path, MESSAGE_ENUMS, place), f"{name}.")

    def _enum(self, enum: descriptor_pb2.EnumDescriptorProto, path: Place, within: str) -> Iterator[str]:
        yield from ("", f"## {within}{enum.name}", "", self._comments.get(path, ""), "")
        yield from ("| value | number | meaning |", "|---|---|---|")
        for place, value in enumerate(enum.value):
            yield f"| `{value.name}` | {value.number} | {_cell(self._comments.get((*path, ENUM_VALUES, place), ''))} |"

    def _type(self, message: descriptor_pb2.DescriptorProto, field: Field) -> str:
        entry = next(
            (nested for nested in message.nested_type if field.type_name.endswith(f".{message.name}.{nested.name}")),
            None,
        )
        if entry is not None and entry.options.map_entry:
            key, value = entry.field
            return f"map of {self._scalar(key)} to {self._scalar(value)}"
        shape = "repeated " if field.label == Field.LABEL_REPEATED else "optional " if field.proto3_optional else ""
        choice = ""
        if field.HasField("oneof_index") and not field.proto3_optional:
            choice = f", one of `{message.oneof_decl[field.oneof_index].name}`"
        return f"{shape}{self._scalar(field)}{choice}"

    def _scalar(self, field: Field) -> str:
        return self._linked(field.type_name) if field.type_name else Field.Type.Name(field.type)[5:].lower()

    def _linked(self, type_name: str) -> str:
        full = type_name.removeprefix(".")
        if full not in self._homes:
            return f"`{full}`"
        name, home = full.removeprefix(f"{PACKAGE}."), self._homes[full]
        anchor = f"#{_anchor(name)}"
        return f"[{name}]({anchor if home == self._here else home + anchor})"


def _anchor(heading: str) -> str:
    """Return the fragment of a heading, as Python-Markdown makes it."""
    return "".join(letter for letter in heading.lower() if letter.isalnum() or letter in "-_")


def _comments(file: descriptor_pb2.FileDescriptorProto) -> Comments:
    """Return the comments by the paths of what they describe; that before `syntax` is the file's own."""
    found = {}
    for location in file.source_code_info.location:
        parts = [*location.leading_detached_comments[:1], location.leading_comments or location.trailing_comments]
        text = parts[-1] or (parts[0] if tuple(location.path) == (SYNTAX,) else "")
        found[tuple(location.path)] = "\n".join(line.removeprefix(" ") for line in text.splitlines()).strip()
    return found


def _names(file: descriptor_pb2.FileDescriptorProto) -> Iterator[str]:
    def within(prefix: str, messages: Sequence[descriptor_pb2.DescriptorProto]) -> Iterator[str]:
        for message in messages:
            yield f"{prefix}.{message.name}"
            yield from (f"{prefix}.{message.name}.{enum.name}" for enum in message.enum_type)
            yield from within(f"{prefix}.{message.name}", message.nested_type)

    yield from within(file.package, file.message_type)
    yield from (f"{file.package}.{enum.name}" for enum in file.enum_type)


def _page_name(file: descriptor_pb2.FileDescriptorProto) -> str:
    return Path(file.name).stem.replace("_", "-") + ".md"


def _title(file: descriptor_pb2.FileDescriptorProto) -> str:
    return file.service[0].name if file.service else Path(file.name).stem.replace("_", " ").capitalize()


def _first_sentence(text: str) -> str:
    return _cell(text.split("\n\n", maxsplit=1)[0]).split(". ")[0].rstrip(".") + "."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
