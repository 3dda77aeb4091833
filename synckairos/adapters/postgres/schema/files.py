"""Migration files: `NNN_what.sql` with a way up and a way down, laid out as dbmate lays them out."""

import hashlib
import re
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"(\d{3,})_([a-z0-9_]+)\.sql")
_MARK: Final = re.compile(r"^-- migrate:(up|down)([^\n]*)$", re.MULTILINE)
_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_OUTSIDE: Final = "transaction:false"
# With its semicolon: the BEGIN of a function's body has none.
_CONTROL: Final = re.compile(r"^\s*(BEGIN|START\s+TRANSACTION|COMMIT|ROLLBACK)\s*;", re.MULTILINE | re.IGNORECASE)
_TEMPLATE: Final = """-- What this step does, and why.

-- migrate:up


-- migrate:down

"""


class MigrationError(Exception):
    """The files, or the files and the database, do not go together; the text says how, and what to do."""


class Section(NamedTuple):
    """One way of a file: its SQL, the line of the file it begins in, and whether it runs in a transaction."""

    sql: str
    line: int
    in_transaction: bool

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it but comments."""
        return not _COMMENT.sub("", self.sql).strip()


class Migration(NamedTuple):
    """One file: `version` is its number as written, `name` its whole name without the ending."""

    version: str
    name: str
    up: Section
    down: Section
    checksum: str


def read_migrations(folder: Path) -> list[Migration]:
    """Return the folder's migrations by number.

    Raises MigrationError for a file that is none, and for two files with one number.
    """
    found = sorted((_read(path) for path in folder.glob("*.sql")), key=order)
    for earlier, later in pairwise(found):
        if order(earlier) == order(later):
            raise MigrationError(f"{earlier.name} and {later.name} have the same number: give one of them another")
    return found


def order(migration: Migration) -> int:
    """Return a migration's place among all: its number."""
    return int(migration.version)


def create_migration(folder: Path, what: str) -> Path:
    """Write an empty migration under the next free number and return its path; raises MigrationError for a bad name."""
    words = re.sub(r"[^a-z0-9]+", "_", what.lower()).strip("_")
    if not words:
        raise MigrationError(f"'{what}' is no name: say in letters and digits what the step does, like `add labels`")
    if not folder.is_dir():
        raise MigrationError(f"there is no folder {folder}: run this in a checkout")
    existing = read_migrations(folder)
    number = order(existing[-1]) + 1 if existing else 1
    path = folder / f"{number:03d}_{words}.sql"
    path.write_text(_TEMPLATE, encoding="utf-8")
    return path


def _read(path: Path) -> Migration:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise MigrationError(f"{path.name}: must be named NNN_what.sql, in small letters")
    try:
        # A checkout that writes other line ends is the same file.
        text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise MigrationError(f"{path.name}: is not UTF-8, at byte {error.start}") from None
    up, down = _sections(path.name, text)
    return Migration(match[1], path.stem, up, down, hashlib.sha256(text.encode()).hexdigest())


def _sections(name: str, text: str) -> tuple[Section, Section]:
    marks = list(_MARK.finditer(text))
    if [mark[1] for mark in marks] != ["up", "down"]:
        raise MigrationError(f"{name}: must have one line `-- migrate:up` and, after it, one line `-- migrate:down`")
    if _COMMENT.sub("", text[: marks[0].start()]).strip():
        raise MigrationError(f"{name}: there is SQL before `-- migrate:up`, which would never run")
    for mark in marks:
        if mark[2].strip() not in ("", _OUTSIDE):
            raise MigrationError(f"{name}: after `-- migrate:{mark[1]}` only `{_OUTSIDE}` may stand, not{mark[2]}")
    up = _section(text, marks[0], marks[1].start())
    if up.is_empty:
        raise MigrationError(f"{name}: its way up is empty")
    down = _section(text, marks[1], len(text))
    for section in (up, down):
        if section.in_transaction and (control := _CONTROL.search(section.sql)):
            raise MigrationError(f"{name}: `{control[1]}` would end the transaction that the file runs in: take it out")
    return up, down


def _section(text: str, mark: re.Match[str], end: int) -> Section:
    line = text.count("\n", 0, mark.end()) + 1
    return Section(text[mark.end() : end], line, in_transaction=mark[2].strip() != _OUTSIDE)
