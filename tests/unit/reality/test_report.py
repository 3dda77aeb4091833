"""A replay is summed up by kinds of clocks; whatever was not compared, or differed, is said."""

import io
import xml.etree.ElementTree as ET
from pathlib import Path

from rich.console import Console

from testing.reality.__main__ import repeated, works_of
from testing.reality.examples import write_examples
from testing.reality.playing import Played
from testing.reality.report import LISTED, Report, as_json, draw, show


def reported(folder: Path, fault: str = "", moves: int = 0) -> Report:
    """Return the report of the examples, as if each had been played and had this fault."""
    write_examples(folder)
    report = Report(seconds=2.0)
    works, report.left_out = works_of(folder)
    for work in repeated(works, moves):
        turns = len(work.turns) if hasattr(work, "turns") else len(work.ends)
        report.add(Played(work, turns, 3 if fault else 0, fault))
    return report


def printed(report: Report) -> str:
    """Return what people see."""
    text = io.StringIO()
    show(report, Console(file=text, width=120))
    return text.getvalue()


def test_kinds_of_clocks_are_summed_up(tmp_path: Path) -> None:
    """With how far the recorded times had to be fitted, and how often a clock rose."""
    report = reported(tmp_path)
    rows = {(row["clock"], row["shown"]): row for row in as_json(report)["rows"]}

    assert report.is_good
    late = rows["stages", "a move late"]
    assert (late["records"], late["turns"], late["fitted_ms"], late["risen"]) == (1, 8, 1_000, 1)
    assert rows["fischer", "at once"]["off_ms"] == 0
    assert rows["byo-yomi", "at once"]["unit_ms"] == 10


def test_what_was_not_compared_is_said(tmp_path: Path) -> None:
    """Each with its reason."""
    text = printed(reported(tmp_path))

    assert "not compared: 5" in text
    assert "games.jsonl" not in text
    assert "hand 4: the players do not take turns" in text
    assert "100,000 take" in text


def test_a_difference_is_told(tmp_path: Path) -> None:
    """Where and what; of many only the first, all of them in the JSON."""
    report = reported(tmp_path, "turn 1: wrong", moves=400)

    assert not report.is_good
    assert "turn 1: wrong" in printed(report)
    assert f"and {len(report.faults) - LISTED:,} more" in printed(report)
    assert len(as_json(report)["faults"]) == len(report.faults)


def test_a_time_fitted_beyond_the_resolution_is_no_success(tmp_path: Path) -> None:
    """The records would follow from anything."""
    report = reported(tmp_path)
    kind, row = max(report.rows.items(), key=lambda found: found[1].fitted_ms)

    row.fitted_ms = kind.unit_ms + 1

    assert not report.is_good


def test_nothing_compared_is_nothing_proven() -> None:
    """An empty folder is no success."""
    assert not Report().is_good


def test_a_picture_of_the_time_spent(tmp_path: Path) -> None:
    """A row for each kind of clock with enough turns; none of too few."""
    few, many = tmp_path / "few.svg", tmp_path / "many.svg"

    draw(reported(tmp_path), few)
    draw(reported(tmp_path, moves=3_000), many)

    assert not few.exists()
    picture = many.read_text()
    ET.fromstring(picture)
    assert ">stages<" in picture
    assert ">soft close, ADD<" in picture
