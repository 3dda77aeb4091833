"""How the migration files and the database compare; decided here, without reading either."""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from synckairos.adapters.postgres.schema.files import Migration, MigrationError


class Applied(NamedTuple):
    """A row of `schema_migrations`; dbmate writes the version only, so the rest may be None."""

    version: str
    name: str | None
    checksum: str | None
    applied_at: dt.datetime | None
    duration_ms: int | None


class State(StrEnum):
    """How a migration stands."""

    APPLIED = "applied"
    PENDING = "pending"
    EDITED = "edited after it was applied"
    MISSING = "applied, but there is no such file"
    OUT_OF_ORDER = "not applied, though a later one is"


class Entry(NamedTuple):
    """One migration as the files and the database know it; `file` is None if MISSING, `row` if not applied."""

    name: str
    state: State
    file: Migration | None
    row: Applied | None


def compare(files: Sequence[Migration], rows: Sequence[Applied]) -> list[Entry]:
    """Return every migration that either side knows, by number."""
    applied = {_number(row.version): row for row in rows}
    known = {_number(file.version): file for file in files}
    latest = max(applied, default=-1)
    return [_entry(known.get(number), applied.get(number), number < latest) for number in sorted(applied | known)]


def _number(version: str) -> int:
    try:
        return int(version)
    except ValueError:
        raise MigrationError(f"schema_migrations holds the version '{version}', which is not a number") from None


def _entry(file: Migration | None, row: Applied | None, is_passed: bool) -> Entry:
    if file is None:
        assert row is not None  # noqa: S101 - one of the two sides named the number
        return Entry(row.name or row.version, State.MISSING, None, row)
    if row is None:
        return Entry(file.name, State.OUT_OF_ORDER if is_passed else State.PENDING, file, None)
    edited = row.checksum is not None and row.checksum != file.checksum
    return Entry(file.name, State.EDITED if edited else State.APPLIED, file, row)


def problems(entries: Sequence[Entry]) -> list[str]:
    """Return what has to be put right before anything is applied, in words."""
    remedies = {
        State.EDITED: "was edited after it had been applied: bring its text back, and write the change as a new file",
        State.MISSING: "is applied, but there is no such file: this program is older than the database, or the file "
        "was removed; use the newer program, or bring the file back",
        State.OUT_OF_ORDER: "is not applied, though a later one is: give it the next free number",
    }
    return [f"{entry.name} {remedies[entry.state]}" for entry in entries if entry.state in remedies]


def pending(entries: Sequence[Entry]) -> list[Migration]:
    """Return what is left to apply, in order; raises MigrationError if files and database do not go together."""
    if found := problems(entries):
        raise MigrationError("nothing was applied:\n" + "\n".join(f"  {problem}" for problem in found))
    return [entry.file for entry in entries if entry.file is not None and entry.row is None]


def latest(entries: Sequence[Entry], steps: int) -> list[Migration]:
    """Return what was applied last, newest first, at most `steps`; raises MigrationError if one cannot be undone."""
    undone = [entry for entry in reversed(entries) if entry.row is not None][:steps]
    files = []
    for entry in undone:
        if entry.file is None or entry.state is not State.APPLIED:
            raise MigrationError(f"nothing was undone: {entry.name} is {entry.state}, so its way down is not known")
        if entry.file.down.is_empty:
            raise MigrationError(f"nothing was undone: {entry.name} has no way down")
        files.append(entry.file)
    return files
