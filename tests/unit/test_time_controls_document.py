"""What docs/time-controls.md and docs/recipes.md show is what happens: commands, pictures, requests and texts."""

import json
import re
from pathlib import Path
from typing import Final

import pytest
from google.protobuf import json_format
from typer.testing import CliRunner

from synckairos.cli.app import app
from synckairos.domain.commands import Caller
from synckairos.domain.controls.limits import control_violations
from synckairos.domain.controls.notation import parse
from synckairos.domain.creation import create
from synckairos.domain.events import SYSTEM
from synckairos.domain.families import FAMILIES
from synckairos.domain.model import Session
from synckairos.rpc import requests
from synckairos.rpc.fields import Fields
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.documents import ROOT, Example, blocks, examples
from testing.pictures import DOCUMENT

RECIPES: Final = "docs/recipes.md"
EXAMPLES: Final = examples(DOCUMENT)
TODAY_US: Final = 1_796_000_000_000_000
"""A day in November 2026."""
TWO_PLAYERS: Final = [{"participant_id": f"10000000-0000-4000-8000-00000000000{place}"} for place in (1, 2)]


def texts() -> list[str]:
    """Return what the last columns of the tables with texts hold."""
    tables = re.findall(
        r"^\|[^\n]*\| text \|\n\|[-|]+\|\n((?:\|.*\n)+)",
        (ROOT / DOCUMENT).read_text() + (ROOT / RECIPES).read_text(),
        re.MULTILINE,
    )
    rows = [row for table in tables for row in table.splitlines()]
    return [re.findall(r"`([^`]+)`", row)[-1].replace("\\|", "|") for row in rows]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: " ".join(example.arguments))
def test_its_commands_do_what_it_shows(example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they print is what follows them; the picture they draw is the one that is there: `make pictures`."""
    (tmp_path / "docs" / "pictures").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(app, example.arguments)

    assert result.exit_code == int(example.fails), result.output
    if example.shown is not None:
        assert result.output == example.shown
    for drawn in tmp_path.rglob("*.svg"):
        place = drawn.relative_to(tmp_path)
        assert drawn.read_text() == (ROOT / place).read_text(), f"{place} is stale: make pictures"


def test_every_picture_is_drawn_by_a_command() -> None:
    """And shown, one for every family."""
    shown = set(re.findall(r"\]\((pictures/[^)]+)\)", (ROOT / DOCUMENT).read_text()))
    drawn = {example.arguments[-1].removeprefix("docs/") for example in EXAMPLES if "--svg" in example.arguments}
    there = {f"pictures/{path.name}" for path in (ROOT / "docs" / "pictures").glob("clock-*.svg")}

    assert shown == drawn == there
    assert {f"pictures/clock-{family.name.replace('_', '-')}.svg" for family in FAMILIES} <= shown


@pytest.mark.parametrize("block", blocks(RECIPES, "json"))
def test_its_requests_create_sessions(block: str) -> None:
    """As they stand, with two players where they show none."""
    request = {"participants": TWO_PLAYERS, **json.loads(block)}
    fields = Fields()

    _, command = requests.create(fields, json_format.ParseDict(request, pb.CreateSessionRequest()))
    fields.check()
    session = create("", command.spec, Caller(SYSTEM), TODAY_US, str).session

    assert isinstance(session, Session)


@pytest.mark.parametrize("text", texts())
def test_its_texts_are_controls(text: str) -> None:
    """Within their limits."""
    assert list(control_violations("", parse(text))) == []


def test_it_has_texts() -> None:
    """The tables are found."""
    assert len(texts()) >= 30
