"""`synckairos audit export` and `import`: the audit trail as JSON Lines, out of one database and into another."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO, Final, NamedTuple
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from synckairos.adapters.postgres.trail.lines import decode_record, encode_record
from synckairos.adapters.postgres.trail.snapshot import FieldError
from synckairos.application.errors import AuditRefused
from synckairos.application.trail.audit import AuditRecord, AuditTrail, ExportQuery, Written
from synckairos.cli.audit.access import Since, Until, opened_trail, tenant_option
from synckairos.cli.inspection import InspectionError
from synckairos.cli.plain_text import json_for
from synckairos.cli.running import fail, run, settings_or_fail
from synckairos.domain.tenancy import DEFAULT_TENANT, qualify
from synckairos.settings import Settings

SHOWN_PROBLEMS: Final = 20
BATCH_BYTES: Final = 4 << 20
"""Of lines in one transaction, however few they are."""
MAX_LINE_BYTES: Final = 16 << 20


class _Line(NamedTuple):
    number: int
    record: AuditRecord


def export(
    session: Annotated[list[UUID] | None, typer.Option(help="Only this session; may be given more than once.")] = None,
    since: Since = None,
    until: Until = None,
    tenant: Annotated[str | None, tenant_option("Only this tenant's; sessions by --session are default's.")] = None,
    output: Annotated[Path | None, typer.Option(help="Where to write; default: standard output.")] = None,
) -> None:
    """Write the trail's events as JSON Lines, as they stood when it began; `import` reads them back."""
    query = ExportQuery(
        tuple(qualify(tenant or DEFAULT_TENANT, str(one)) for one in session or ()), since, until, tenant
    )
    settings = settings_or_fail(of_dev=True)
    if output is None:
        count = run(_export(settings, query, sys.stdout.buffer))
        sys.stdout.flush()
    else:
        with _whole_or_not_at_all(output) as file:
            count = run(_export(settings, query, file))
    typer.echo(f"exported {count} events", err=True)


@contextmanager
def _whole_or_not_at_all(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears under its name only when it is complete, and that nobody else may read."""
    if path.exists() and not path.is_file():
        fail(f"{path} is there and is no file")
    part: Path | None = None
    try:
        # A name that nobody can have foreseen, opened as 0600 whatever the umask; a link under `path` is replaced.
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        part = Path(name)
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


async def _export(settings: Settings, query: ExportQuery, file: BinaryIO) -> int:
    count = 0
    async with opened_trail(settings) as trail:
        total = await trail.export.count(query)
        with _progress(MofNCompleteColumn()) as progress:
            bar = progress.add_task("exporting", total=total)
            async with aclosing(trail.export.records(query)) as records:
                async for record in records:
                    file.write(json_for(file, encode_record(record)))
                    count += 1
                    progress.update(bar, completed=count)
            progress.update(bar, total=count)
    return count


def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="What `export` wrote.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every line, and write nothing.")] = False,
) -> None:
    """Write exported events into the trail, or none of them if a line is wrong; known events stay as they are."""
    settings = settings_or_fail(of_dev=True)
    right, wrong, problems = _check(file)
    if wrong:
        more = [f"and {wrong - len(problems)} more"] if wrong > len(problems) else []
        fail("\n".join([f"{file.name} is not right, nothing was imported:", *problems, *more]))
    if dry_run:
        typer.echo(f"{right} events are right; nothing was imported")
        return
    written = run(_import(settings, file))
    typer.echo(f"imported {written.new} new events, {written.known} known already, {written.forks} forks among the new")


def _check(file: Path) -> tuple[int, int, list[str]]:
    """Return the numbers of right and wrong lines, and the problems of the first wrong ones."""
    right = wrong = 0
    problems: list[str] = []
    for number, text in _texts(file, "checking"):
        try:
            decode_record(text)
            right += 1
        except FieldError as error:
            wrong += 1
            if wrong <= SHOWN_PROBLEMS:
                problems.append(f"line {number}: {error}")
    return right, wrong, problems


def _texts(file: Path, doing: str) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank with their numbers, and show the progress."""
    with _progress(DownloadColumn()) as progress, progress.open(file, "rb", description=doing) as lines:
        for number, text in enumerate(iter(partial(lines.readline, MAX_LINE_BYTES), b""), 1):
            if len(text) == MAX_LINE_BYTES and not text.endswith(b"\n"):
                fail(f"{file.name}: line {number} is longer than {MAX_LINE_BYTES >> 20} MB: this is no export")
            if text.strip():
                yield number, text


async def _import(settings: Settings, file: Path) -> Written:
    total = Written(0, 0, 0)
    async with opened_trail(settings) as trail:
        for batch in _batches(file, settings.audit_batch):
            total = _sum(total, await _write(trail.writer, batch, total))
    return total


def _batches(file: Path, limit: int) -> Iterator[list[_Line]]:
    batch: list[_Line] = []
    size = 0
    for number, text in _texts(file, "importing"):
        try:
            batch.append(_Line(number, decode_record(text)))
        except FieldError as error:
            raise InspectionError(f"line {number}: {error}: has the file changed meanwhile?") from error
        size += len(text)
        if len(batch) == limit or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def _write(trail: AuditTrail, batch: list[_Line], before: Written) -> Written:
    """Write a batch; if the database refuses it, name the first line at fault."""
    try:
        return await trail.write([line.record for line in batch])
    except AuditRefused as error:
        if len(batch) == 1:
            number = batch[0].number
            raise InspectionError(
                f"line {number}: the database refuses it: {error}\nthe lines before it are imported "
                f"({before.new} new, {before.known} known already); correct it and import the file once more"
            ) from error
    half = len(batch) // 2
    first = await _write(trail, batch[:half], before)
    return _sum(first, await _write(trail, batch[half:], _sum(before, first)))


def _sum(one: Written, other: Written) -> Written:
    return Written(one.new + other.new, one.known + other.known, one.forks + other.forks)


def _progress(figures: DownloadColumn | MofNCompleteColumn) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), figures, TimeElapsedColumn()
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
