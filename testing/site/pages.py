"""The pages of the site, gathered from the documents: links that lead out of them are made to lead to copies."""

import os
import re
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from testing.harness.documents import ROOT
from testing.site import reference

LINK: Final = re.compile(r"(\]\()([^)\s]+)(\))")
ROOT_PAGES: Final = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Documents at the root that are pages of the site, and their names there."""
FILES: Final = "files"
"""Folder of the site for what is not a page: settings, images' recipes, the license."""
CONTRACT: Final = "protos/synckairos/v1"


def gather(into: Path) -> None:
    """Fill a folder with the pages; raises FileNotFoundError for a link to what does not exist."""
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(ROOT / "docs", into, ignore=shutil.ignore_patterns("package.md"))
    for document, name in ROOT_PAGES.items():
        shutil.copy(ROOT / document, into / name)
    for page in sorted(into.rglob("*.md")):
        page.write_text(LINK.sub(partial(_relinked, page=page.relative_to(into), into=into), page.read_text()))
    for name, text in reference.pages(reference.descriptors(ROOT / "protos")).items():
        target = into / "reference" / name
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)


def overview(pages: Sequence[Path], pages_folder: Path) -> str:
    """Return llms.txt: what the project is, and each page with its first sentence."""
    home = (pages_folder / "index.md").read_text()
    title, summary = _opening(home)
    lines = [f"# {title}", "", f"> {summary}", "", "## Documentation", ""]
    for page in pages:
        name, opening = _opening((pages_folder / page).read_text())
        lines.append(f"- [{name}]({page.with_suffix('.html').as_posix()}): {opening}")
    return "\n".join(lines) + "\n"


def _source(page: Path) -> Path:
    """Return where in the sources a page comes from."""
    root_pages = {page: name for name, page in ROOT_PAGES.items()}
    return ROOT / root_pages[str(page)] if str(page) in root_pages else ROOT / "docs" / page


def _relinked(link: re.Match[str], page: Path, into: Path) -> str:
    target, hash_sign, fragment = link[2].partition("#")
    if "://" in target or not target:
        return link[0]
    linked = (_source(page).parent / target).resolve().relative_to(ROOT)
    found = Path(os.path.relpath(_page_of(linked, into), page.parent)).as_posix()
    return f"{link[1]}{found}{hash_sign}{fragment}{link[3]}"


def _page_of(linked: Path, into: Path) -> Path:
    """Return the page, or the copy, that stands for a file of the sources."""
    if str(linked) in ROOT_PAGES:
        return Path(ROOT_PAGES[str(linked)])
    if linked.parts[0] == "docs":
        return linked.relative_to("docs")
    if str(linked) == CONTRACT:
        return Path("reference", "index.md")
    copy = Path(FILES, str(linked).lstrip("."))
    (into / copy).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / linked, into / copy)
    return copy


def _opening(text: str) -> tuple[str, str]:
    """Return the heading of a page and its first paragraph, in one line."""
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    if heading is None:
        raise ValueError("a page without a heading")
    without_code = re.sub(r"^```.*?^```$", "", text[heading.end() :], flags=re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^[#|!>-].*$", "", without_code, flags=re.MULTILINE)
    paragraph = next((part for part in re.split(r"\n\s*\n", rest) if part.strip()), "")
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(paragraph.split()))
    return heading[1], plain.replace("**", "")
