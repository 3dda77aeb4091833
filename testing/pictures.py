"""The pictures of docs/time-controls.md, drawn anew by the commands that stand above them.

python -m testing.pictures
"""

import contextlib

from typer.testing import CliRunner

from synckairos.cli.app import app
from testing.harness.documents import ROOT, examples

DOCUMENT = "docs/time-controls.md"


def main() -> None:
    """Run every command of the document that draws a picture."""
    with contextlib.chdir(ROOT):
        for example in examples(DOCUMENT):
            if "--svg" in example.arguments:
                CliRunner().invoke(app, example.arguments, catch_exceptions=False)


if __name__ == "__main__":
    main()
