"""`python -m testing.sbom FILE`: whether a CycloneDX file names what the image installs, and nothing else."""

import json
import re
import sys
from pathlib import Path

from testing.harness.documents import ROOT


def pinned(requirements: str) -> set[tuple[str, str]]:
    """Return name and version of everything in a requirements file."""
    return set(re.findall(r"^([\w.-]+)==([^\s;\\]+)", requirements, re.MULTILINE))


def main(path: str) -> int:
    """Compare, and say what differs."""
    components = json.loads(Path(path).read_text())["components"]
    named = {(one["name"], one["version"]) for one in components}
    wanted = pinned((ROOT / "requirements.txt").read_text())
    if named != wanted:
        print(f"{path} lacks {sorted(wanted - named)} and has beyond that {sorted(named - wanted)}", file=sys.stderr)
        return 1
    print(f"{path} names all {len(wanted)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
