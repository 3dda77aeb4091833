"""The examples are judged strictly: by their transcript, and by whether they outlived what was spoilt on purpose."""

import re
from pathlib import Path
from typing import Final

import pytest

from testing.examples.playing import EXPECTED, judged
from testing.examples.recipes import Recipe, recipes
from testing.examples.unreliable_front import UnreliableFront
from testing.harness.documents import ROOT
from testing.harness.processes.commands import Finished

TRANSCRIPT: Final = EXPECTED.read_text()
PROGRAMS: Final = {
    "python": ["play.py"],
    "typescript": ["play.ts"],
    "go": ["main.go"],
    "java": [f"src/main/java/dev/synckairos/examples/{name}.java" for name in ("Play", "Watch")],
    "rust": ["src/main.rs"],
    "csharp": ["Program.cs"],
}
NO_CODE: Final = re.compile(r"\s*([{})\];]*|(import|using|use|package) .*|(//|#|\*|/\*\*|\"\"\").*)\s*")


def test_the_transcript_passes() -> None:
    """Also in the colours that Maven resets."""
    assert judged(Finished(0, f"\x1b[0m{TRANSCRIPT}\x1b[0m\n", ""), TRANSCRIPT, []) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("has 55 s", "has 54 s"), ("VERSION_CONFLICT", "VERSION_CONFLICTS"), ("  end: END_REASON_TERMINAL\n", "")],
)
def test_another_transcript_fails(right: str, wrong: str) -> None:
    """A figure, a reason or a line that differs is shown with what was expected."""
    assert right in TRANSCRIPT

    trouble = judged(Finished(0, TRANSCRIPT.replace(right, wrong), ""), TRANSCRIPT, [])

    assert trouble.startswith("tells something else:")
    assert any(line.startswith("-") and right.strip() in line for line in trouble.splitlines())


def test_a_program_that_fails_is_quoted() -> None:
    """Its exit code and its last words are told."""
    assert judged(Finished(3, TRANSCRIPT, "no route"), TRANSCRIPT, []).endswith("no route")


async def test_a_client_that_repeats_nothing_is_told() -> None:
    """Nothing has come again before the first call."""
    async with UnreliableFront("127.0.0.1:1") as front:
        missing = front.missing

    assert missing == ["cut stream", "lost answer", "refused call"]
    assert "did not come back after a cut stream" in judged(Finished(0, TRANSCRIPT, ""), TRANSCRIPT, missing)


def test_every_language_has_a_recipe() -> None:
    """One section of the document each, which builds where there is anything to build, and plays."""
    found = recipes()

    assert [recipe.language for recipe in found] == ["Python", "TypeScript", "Go", "Java", "Rust", "C#"]
    assert [recipe.language for recipe in found if not recipe.build] == ["Python"]


def test_a_tool_that_is_not_here_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every one of them; what is here is not."""
    (tmp_path / "java").write_text("")
    (tmp_path / "java").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert Recipe("Java", "", "").missing_tools == ["mvn"]
    assert Recipe("Python", "", "").missing_tools == []


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_stays_short(language: str) -> None:
    """Under 200 lines of code: imports, comments and lone brackets are not counted."""
    lines = [
        line for name in PROGRAMS[language] for line in (ROOT / "examples" / language / name).read_text().splitlines()
    ]

    assert 50 < sum(NO_CODE.fullmatch(line) is None for line in lines) < 200
