"""Text of others, for programs as JSON; what could move a terminal's cursor, or worse, is shown instead of done."""

import json
import re
import sys
from typing import IO, Final

from rich.table import Table
from rich.text import Text

_NOT_ASCII_CONTROL: Final = re.compile(r"[^\x00-\x7e]")


def visible(text: str) -> str:
    r"""Return a text in which every character that is not printable stands as an escape, such as \x1b."""
    return text if text.isprintable() else "".join(map(_shown, text))


def visible_lines(text: str) -> str:
    """Return a text of several lines as `visible` does, its line breaks left."""
    return "\n".join(map(visible, text.split("\n")))


def _shown(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def for_programs(*, asked: bool) -> bool:
    """Whether the output is for a program: it was asked for, or nobody looks."""
    return asked or not sys.stdout.isatty()


def print_json_line(encoded: bytes) -> None:
    """Print JSON on a line of its own, at once."""
    sys.stdout.buffer.write(json_for(sys.stdout.buffer, encoded) + b"\n")
    sys.stdout.buffer.flush()


def json_for(output: IO[bytes], encoded: bytes) -> bytes:
    """Return JSON for an output; on a terminal, characters that are not printable as JSON's own escapes."""
    return visible_json(encoded) if output.isatty() else encoded


def visible_json(encoded: bytes) -> bytes:
    """Return the same JSON, in which no text holds a character that is not printable."""
    return _NOT_ASCII_CONTROL.sub(_json_shown, encoded.decode()).encode()


def _json_shown(found: re.Match[str]) -> str:
    character = found[0]
    return character if character.isprintable() else json.dumps(character)[1:-1]


class PlainTable(Table):
    """A table whose cells are nothing but visible text: neither markup nor control characters have an effect."""

    def add_row(self, *cells: str | Text, style: str = "") -> None:  # type: ignore[override] # texts only
        """Add a row of texts, which may have styles of ours."""
        super().add_row(*map(_plain_cell, cells), style=style)


def _plain_cell(cell: str | Text) -> Text:
    if isinstance(cell, Text):
        return cell if cell.plain.isprintable() else Text(visible(cell.plain))
    return Text(visible(cell))
