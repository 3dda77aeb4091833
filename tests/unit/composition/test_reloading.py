"""Files that change while a process runs."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from synckairos.composition.reloading import Reloaded, Reloading, UnusableFilesError
from testing.harness.waiting import eventually


class Number:
    """A number in a file, and what was told about it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.write_text("1")
        self.told: list[tuple[str, str]] = []
        self.files = Reloaded("number", [path], lambda: int(path.read_text()), lambda *one: self.told.append(one))


@pytest.fixture
def number(tmp_path: Path) -> Number:
    """A number that is 1."""
    return Number(tmp_path / "number")


def test_what_is_broken_leaves_what_was_there(number: Number) -> None:
    """Counted at each look, logged once; a good file is taken again, and an unchanged one is no change."""
    with capture_logs() as logs:
        looks = [number.files.look()]
        number.path.write_text("two")
        looks += [number.files.look(), number.files.look()]
        number.path.unlink()
        looks.append(number.files.look())
        kept = number.files.current
        number.path.write_text("3")
        looks += [number.files.look(), number.files.look()]

    assert looks == [False, False, False, False, True, False]
    assert (kept, number.files.current) == (1, 3)
    assert number.told == [("number", "broken")] * 3 + [("number", "changed")]
    assert [line["event"] for line in logs] == ["files_broken", "files_broken", "files_reloaded"]


def test_what_is_written_meanwhile_is_not_trusted(tmp_path: Path) -> None:
    """What was made may be half of the one and half of the other."""
    path = tmp_path / "number"
    path.write_text("1")

    def slow() -> int:
        number = int(path.read_text())
        path.write_text(str(number + 1))
        return number

    with pytest.raises(UnusableFilesError, match="being written"):
        Reloaded("number", [path], slow, lambda *_: None)


async def test_files_are_looked_at_by_themselves_and_when_asked(number: Number) -> None:
    """Those who want to know hear of each change."""
    heard: list[int] = []
    number.files.on_change(lambda: heard.append(number.files.current))
    for every_s, text in ((0.01, "2"), (3_600.0, "3")):
        reloading = Reloading(every_s)
        reloading.add(number.files)
        work = asyncio.create_task(reloading.run())
        number.path.write_text(text)
        if every_s > 1:
            assert reloading.ask()
        await eventually(lambda: heard and heard[-1] == int(text))  # noqa: B023 - done at once
        work.cancel()

    assert heard == [2, 3]
    assert not Reloading().ask()
