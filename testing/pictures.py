"""The pictures of the documents, drawn anew: of the modes, and of time controls by the commands that stand above them.

python -m testing.pictures
"""

import contextlib

from typer.testing import CliRunner

from synckairos.cli.app import app
from testing.harness.documents import ROOT, examples
from testing.mode_pictures import drawn, samples

DOCUMENT = "docs/time-controls.md"


def main() -> None:
    """Draw the modes, and run every command of the document that draws a picture."""
    for name, sample in samples().items():
        (ROOT / "docs" / "pictures" / f"{name}.svg").write_text(drawn(sample))
    with contextlib.chdir(ROOT):
        for example in examples(DOCUMENT):
            if "--svg" in example.arguments:
                CliRunner().invoke(app, example.arguments, catch_exceptions=False)


if __name__ == "__main__":
    main()
