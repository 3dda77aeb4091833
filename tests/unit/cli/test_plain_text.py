"""Free text of callers, peers and databases on the operator's terminal: shown, never obeyed."""

import io
import json
from pathlib import Path

import msgspec.json
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from synckairos.application.pipeline.status import DrainTotals, PipelineStatus
from synckairos.application.trail.audit import AuditedEvent, AuditedSession, AuditRecord, SessionAudit
from synckairos.cli import plain_text
from synckairos.cli.audit import tables as audit_tables
from synckairos.cli.plain_text import PlainTable, visible, visible_json, visible_lines
from synckairos.domain.events import Author
from testing.harness.builders import Game, per_participant

NASTY = "\x1b[2J\x1b]0;owned\x07 [red]not red[/red] [/] \x9b31m \u202egnp.exe \r\n\x00"
CLI = Path(plain_text.__file__).parent


def rendered(table: Table) -> str:
    """Return what a terminal would be sent, without the colours that are ours."""
    console = Console(file=io.StringIO(), width=400, force_terminal=True, color_system=None)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def tables() -> dict[str, Table]:
    """Return every table with free text in each place that has some."""
    game = Game(per_participant())
    event = game.events[0]._replace(author=Author(NASTY, NASTY))
    session = event.session._replace(session_id=NASTY)
    status = PipelineStatus(1, 1, 1, None, DrainTotals(last_error=NASTY), (NASTY,))
    dead = PlainTable("entry", "reason")
    dead.add_row("7/1-1", NASTY)
    return {
        "events": audit_tables.events_table([AuditedEvent(AuditRecord(event), False, 0)]),
        "session": audit_tables.session_table(SessionAudit(AuditedSession(session, 0, 2, None, 0), (), 1, 0)),
        "status": audit_tables.status_table(status),
        "dead": dead,
    }


@pytest.mark.parametrize("name", tables())
def test_no_table_lets_a_control_character_through(name: str) -> None:
    """Nor does markup have an effect; the escapes show what was there."""
    text = rendered(tables()[name])

    assert all(line.isprintable() for line in text.replace("\x1b[1m", "").replace("\x1b[0m", "").split("\n"))
    assert r"\x1b[2J\x1b]0;owned\x07 [red]not red[/red] [/] \x9b31m \u202egnp.exe \r\n\x00" in text


def test_every_table_of_the_commands_is_a_plain_one() -> None:
    """A table of rich's own takes cells as markup."""
    own = [file.name for file in CLI.rglob("*.py") if "rich.table" in file.read_text()]

    assert own == ["plain_text.py"]


@given(st.text())
def test_visible_text_is_printable(text: str) -> None:
    """Whatever it was; and printable text stays as it is."""
    assert visible(text).isprintable()
    assert visible(text) == text or not text.isprintable()
    assert visible_lines(text).count("\n") == text.count("\n")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_is_the_same_with_escapes_in_it(value: str) -> None:
    """Readers get the same values, terminals nothing to obey."""
    shown = visible_json(msgspec.json.encode({value: [value]}))

    assert json.loads(shown) == {value: [value]}
    assert all(character.isprintable() for character in shown.decode())
