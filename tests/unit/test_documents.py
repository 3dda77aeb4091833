"""What the documents point to exists: tests, functions, files, sections of other documents."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from testing.harness.documents import ROOT

DOCUMENTS: Final = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
NAMED_TEST: Final = re.compile(r"`((?:unit|contract|integration|e2e|robustness)/[\w/]+\.py)::(\w+)`")
NAMED_FILE: Final = re.compile(r"\b((?:tests|testing|bench|synckairos)/[\w/]+\.py)\b")
NAMED_CODE: Final = re.compile(r"`([\w/]+\.py):([\w.]+)`")
BENCH_MODULE: Final = re.compile(r"python -m (bench(?:\.\w+)*)")
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")


def named(pattern: re.Pattern[str]) -> list[tuple[str, ...]]:
    """Return what matches anywhere in the documents, with its groups."""
    return sorted({match.groups() for path in DOCUMENTS for match in pattern.finditer(path.read_text())})


def anchors(document: Path) -> set[str]:
    """Return the fragments that the headings of a document can be linked by."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_promise_names_tests() -> None:
    """No row of the table of promises is without a test."""
    table = (ROOT / "docs" / "guarantees.md").read_text().split("| promise | limit | held by |\n")[1].split("\n\n")[0]
    rows = table.splitlines()[1:]

    assert len(rows) >= 15
    assert [row for row in rows if not NAMED_TEST.search(row)] == []


@pytest.mark.parametrize(("path", "name"), named(NAMED_TEST))
def test_a_named_test_exists(path: str, name: str) -> None:
    """The function is there."""
    assert re.search(rf"^(async )?def {name}\(", (ROOT / "tests" / path).read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", [path for (path,) in named(NAMED_FILE)])
def test_a_named_file_exists(path: str) -> None:
    """The file is there."""
    assert (ROOT / path).is_file()


@pytest.mark.parametrize(("path", "name"), named(NAMED_CODE))
def test_a_named_function_exists(path: str, name: str) -> None:
    """The class or function, or the method of the class, is there."""
    scope: ast.AST = ast.parse((ROOT / "synckairos" / path).read_text())
    for part in name.split("."):
        inner = (node for node in ast.iter_child_nodes(scope) if getattr(node, "name", "") == part)
        scope = next(inner, ast.Pass())
        assert not isinstance(scope, ast.Pass), part


@pytest.mark.parametrize("module", [module for (module,) in named(BENCH_MODULE)])
def test_a_named_benchmark_exists(module: str) -> None:
    """The module can be run."""
    place = ROOT / module.replace(".", "/")
    assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Files and headings that a document links to exist; other sites are not asked."""
    for target in LINK.findall(document.read_text()):
        if "://" in target:
            continue
        path, _, fragment = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        assert linked.exists(), target
        assert not fragment or fragment in anchors(linked), target
