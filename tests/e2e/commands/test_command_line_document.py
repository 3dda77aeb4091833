"""docs/command-line.md: every command runs as it is written, and the tables say what the program does."""

import json
import re

import pytest
from typer.main import get_command

from synckairos.cli.asking import asking_app
from synckairos.cli.sessions.exit_codes import ExitCode
from testing.harness.documents import ROOT, blocks
from testing.harness.processes.commands import run_command
from testing.harness.processes.warm_commands import program
from tests.e2e.commands.asking import Asked

DOCUMENT = "docs/command-line.md"

# Those that go on until somebody ends them are ended once they have said something; a failure of theirs still counts.
ENDED = r"""
synckairos() {
  case "$1 $*" in
    watch*|*--follow*)
      synckairos-itself "$@" > said.txt & until test -s said.txt; do kill -0 $! && sleep 0.1; done
      kill -TERM $!; wait $! || test $? -eq 143 ;;
    *) synckairos-itself "$@" ;;
  esac
}
"""


@pytest.mark.timeout(400)  # forty processes, one after another, on a machine that may have other work
@pytest.mark.usefixtures("trail")
async def test_every_command_runs_as_it_is_written(asked: Asked) -> None:
    """All blocks, one after another in one shell, without a terminal; each command succeeds."""
    folder = asked.folder / "bin"
    folder.mkdir()
    (folder / "synckairos-itself").symlink_to(program())
    scripts = blocks(DOCUMENT, "sh")
    path = f"export PATH={folder}:{program().parent}:$PATH; {ENDED}"

    done = [
        await run_command("bash", "-euc", path + script, cwd=asked.folder, seconds=200, **asked.environment)
        for script in scripts
    ]

    assert [finished.returncode for finished in done] == [0] * len(scripts), done
    assert len(scripts) >= 6
    assert "complete" in (asked.folder / "synckairos-completion.sh").read_text()
    deleted = json.loads(done[1].stdout.splitlines()[-1])["session"]
    assert deleted["status"] == "STATUS_COMPLETED"


def test_the_page_has_every_command() -> None:
    """What is in the program is on the page, by a command that a test runs."""
    page = "".join(blocks(DOCUMENT, "sh"))
    app = get_command(asking_app)
    names = {*app.commands, *(f"session {name}" for name in app.commands["session"].commands)} - {"session"}  # type: ignore[attr-defined] # a group

    assert len(names) >= 19
    assert [name for name in sorted(names) if f"synckairos {name}" not in page] == []


def test_the_table_of_exit_codes_is_the_programs() -> None:
    """Every code is explained."""
    rows = re.findall(r"^\| (\d+) \|", (ROOT / DOCUMENT).read_text(), re.MULTILINE)

    assert [int(row) for row in rows] == [0, *sorted(ExitCode)]
