"""Instructions are held to what was recorded for the same surroundings."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cost import recorded

BEFORE = {"get": 100.0, "switch": 1_000.0}


@pytest.mark.parametrize(
    ("found", "complained_of"),
    [
        pytest.param({"get": 103.0, "switch": 1_030.0}, [], id="3 % more"),
        pytest.param({"get": 50.0, "switch": 1_031.0}, ["switch"], id="more than that"),
        pytest.param({"get": 104.0, "switch": 2_000.0, "new": 7.0}, ["get", "switch"], id="all, and one that is new"),
    ],
)
def test_a_call_may_take_a_little_more_than_recorded(found: dict[str, float], complained_of: list[str]) -> None:
    """Three parts in a hundred are let pass, fewer instructions in any case, and what is not recorded as well."""
    assert [text.split()[0] for text in recorded.objections(found, BEFORE)] == complained_of


def test_what_was_recorded_elsewhere_is_not_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another Python has instructions of its own: the check says so, measures nothing and passes."""
    record = tmp_path / "record.json"
    record.write_text('{"CPython 2.7": {"get": 1.0}}')
    monkeypatch.setattr(recorded, "RECORD", record)
    monkeypatch.setattr(recorded.shutil, "which", lambda _: "/usr/bin/valgrind")
    monkeypatch.setattr(recorded, "measured", lambda *_: pytest.fail("it measures"))

    result = CliRunner().invoke(recorded.app, [])

    assert result.exit_code == 0
    assert f"not compared: none are recorded for {recorded.surroundings()}" in result.output


def test_every_record_has_every_figure_and_says_what_it_was_made_with() -> None:
    """Python, its build, its compiler, grpcio, the C library, the machine, and whether modules are compiled."""
    record = recorded.read_record()
    told = r"CPython [\d.]+, (not )?optimised, .+, grpcio [\d.]+, glibc [\d.]+, \w+, (interpreted|compiled)"

    assert record
    for surroundings, figures in record.items():
        assert re.fullmatch(told, surroundings)
        assert set(figures) == {"get", "switch", "command", "frame"}
        assert all(figure > 0 for figure in figures.values())
