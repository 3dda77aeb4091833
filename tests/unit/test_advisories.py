"""What an audit of dependencies makes of what it finds, and of finding nobody to ask."""

import json
import stat
from pathlib import Path

import pytest

from testing import advisories

SOUND = {"name": "sound", "version": "1.0", "vulns": []}
BROKEN = {"name": "broken", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}


def tool(folder: Path, script: str) -> str:
    """Return a program that stands in for pip-audit."""
    path = folder / "pip-audit"
    path.write_text(f"#!/bin/sh\nfor out; do :; done\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(("found", "code"), [([SOUND], 0), ([SOUND, BROKEN], 1)])
def test_a_known_vulnerability_fails(tmp_path: Path, found: object, code: int) -> None:
    """Whatever code the tool ends with."""
    report = json.dumps({"dependencies": found})

    assert advisories.main(tool(tmp_path, f"echo '{report}' >\"$out\"; exit 1")) == code


def test_what_nobody_has_heard_of_is_not_called_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mirror without advisories skips everything."""
    report = json.dumps({"dependencies": [SOUND, {"name": "strange", "skip_reason": "not found"}]})

    code = advisories.main(tool(tmp_path, f"echo '{report}' >\"$out\""))

    assert code == 0
    assert capsys.readouterr().out.splitlines() == [
        "no vulnerability is known of 1 packages",
        "NOT CHECKED: 1 packages, strange (not found) among them",
    ]


def test_no_network_fails_nothing_but_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line says that nothing was checked."""
    code = advisories.main(tool(tmp_path, "echo 'ERROR: no route to host' >&2; exit 1"))

    assert code == 0
    assert capsys.readouterr().out == "NOT CHECKED: advisories cannot be reached (ERROR: no route to host)\n"
