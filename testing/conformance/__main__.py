"""Run the suite: `python -m testing.conformance`; further arguments are the suite's own (such as `--run PATTERN`)."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from testing.conformance.suite import install

HERE: Final = Path(__file__).parent
BUILD: Final = HERE.parents[1] / "build/conformance"


def main() -> int:
    """Return the suite's exit code: 0 if exactly the known cases fail."""
    install(BUILD)
    command = [
        str(BUILD / "connectconformance"), "--mode", "server", "--conf", str(HERE / "config.yaml"),
        "--known-failing", f"@{HERE / 'known_failing.txt'}", *sys.argv[1:],
        "--", sys.executable, "-m", "testing.conformance.server", str(BUILD),
    ]  # fmt: skip
    return subprocess.run(command, check=False).returncode


sys.exit(main())
