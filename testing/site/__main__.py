"""Builds the site of the documentation into build/site; a warning is an error.

python -m testing.site
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.commands.build import build
from mkdocs.config import load_config

from testing.harness.documents import ROOT
from testing.site.pages import gather, overview

PAGES = ROOT / "build" / "pages"


def listed(nav: list[Any]) -> Iterator[Path]:
    """Yield the pages that a navigation lists, in its order."""
    for entry in nav:
        target = next(iter(entry.values())) if isinstance(entry, dict) else entry
        if isinstance(target, list):
            yield from listed(target)
        else:
            yield Path(target)


def main() -> None:
    """Gather the pages and hand them to MkDocs; raises mkdocs.exceptions.Abort if it warned."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    gather(PAGES)
    config = load_config(str(ROOT / "mkdocs.yml"), strict=True)
    assert config.nav is not None
    (PAGES / "llms.txt").write_text(overview(list(listed(config.nav)), PAGES))
    build(config)
    print(f"the site is in {config.site_dir}")


if __name__ == "__main__":
    main()
