"""The formats of records: everything of a folder that is a record, in the order of its names."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

from testing.reality.readers import lines, pgn, sgf
from testing.reality.records import LeftOut, Record

Reader = Callable[[str, bytes], Iterator[Record]]

READERS: Final = MappingProxyType({".jsonl": lines.read, ".pgn": pgn.read, ".sgf": sgf.read})
PACKED: Final = frozenset({".7z", ".bz2", ".rar", ".tar", ".xz", ".zip", ".zst"})


def read_folder(folder: Path) -> Iterator[Record]:
    """Yield the records of all files below a folder; gzip is undone, files of other kinds are passed over."""
    for file in sorted(one for one in folder.rglob("*") if one.is_file()):
        name = file.name.removesuffix(".gz")
        reader = READERS.get(Path(name).suffix.lower())
        if reader is not None:
            data = file.read_bytes()
            yield from reader(file.name, gzip.decompress(data) if file.suffix == ".gz" else data)
        elif file.suffix.lower() in PACKED:
            yield LeftOut(file.name, 0, f"a {file.suffix} file: unpack it first")
