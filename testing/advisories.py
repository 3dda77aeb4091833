"""`python -m testing.advisories PIP_AUDIT`: known vulnerabilities of what the image installs.

Where advisories cannot be reached it says so and ends with 0: no network is no fault of the sources.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
COMMAND: Final = ("--requirement", "requirements.txt", "--require-hashes", "--disable-pip", "--format", "json")
LIMIT_S: Final = 300.0


def vulnerable(report: Any) -> list[str]:
    """Return a line for each known vulnerability in a report of pip-audit's."""
    return [
        f"{one['name']} {one['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no version'}"
        for one in report["dependencies"]
        for found in one.get("vulns", [])
    ]


def main(pip_audit: str) -> int:
    """Ask, and return 1 if something is known."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        try:
            asked = subprocess.run(
                [pip_audit, *COMMAND, "--progress-spinner", "off", "--timeout", "15", "--output", str(out)],
                cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            asked = None
        if not out.exists():
            why = "no answer" if asked is None else (asked.stderr.strip().splitlines() or ["no report"])[-1]
            print(f"NOT CHECKED: advisories cannot be reached ({why})")
            return 0
        report = json.loads(out.read_text())
    found = vulnerable(report)
    known = [one for one in report["dependencies"] if "vulns" in one]
    skipped = [f"{one['name']} ({one.get('skip_reason')})" for one in report["dependencies"] if "vulns" not in one]
    print("\n".join(found) or f"no vulnerability is known of {len(known)} packages")
    if skipped:
        print(f"NOT CHECKED: {len(skipped)} packages, {skipped[0]} among them")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
