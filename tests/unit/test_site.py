"""The site of the documentation: the reference says all that the protos say, and no page links out of the site."""

import re
from pathlib import Path

import pytest

from synckairos.v1 import audit_service_pb2, session_service_pb2, time_control_service_pb2, time_service_pb2
from testing.harness.documents import ROOT
from testing.site.pages import LINK, gather, overview


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, as MkDocs gets them."""
    folder = tmp_path_factory.mktemp("site") / "pages"
    gather(folder)
    return folder


@pytest.mark.parametrize("file", [audit_service_pb2, session_service_pb2, time_control_service_pb2, time_service_pb2])
def test_the_reference_has_every_call_field_and_comment(pages: Path, file: object) -> None:
    """Every method has a heading and words; every field of every message has a row that says what it means."""
    described = file.DESCRIPTOR  # type: ignore[attr-defined] # a module of generated code
    text = (pages / "reference" / (Path(described.name).stem.replace("_", "-") + ".md")).read_text()

    for service in described.services_by_name.values():
        for method in service.methods:
            section = text.split(f"### {method.name}\n")[1].split("\n#")[0]
            assert len(section.split("→")[1].split("\n\n", 1)[1].strip()) > 10, method.name
    for message in described.message_types_by_name.values():
        rows = text.split(f"\n## {message.name}\n")[1].split("\n## ")[0]
        for field in message.fields:
            (row,) = re.findall(rf"^\| `{field.name}` \| {field.number} \| .+ \| (.+) \|$", rows, re.MULTILINE)
            assert row.strip() or field.name == "session_id", f"{message.name}.{field.name}"


def test_no_page_links_out_of_the_site(pages: Path) -> None:
    """Every link leads to a page or a copy that is there; MkDocs itself holds the fragments to the headings."""
    links = [(page, link[1]) for page in pages.rglob("*.md") for link in LINK.findall(page.read_text())]

    assert len(links) > 100
    for page, target in links:
        path = target.partition("#")[0]
        assert "://" in target or (page.parent / path).resolve().is_relative_to(pages), (page, target)
        assert "://" in target or not path or (page.parent / path).exists(), (page, target)


def test_the_overview_for_models_says_what_every_page_is_about(pages: Path) -> None:
    """A heading, what the project is, and each page with a sentence."""
    text = overview([Path("index.md"), Path("concepts.md"), Path("operations.md")], pages)

    assert text.startswith("# SyncKairos\n\n> Session time")
    assert all(len(line.split("): ")[1]) > 20 for line in text.splitlines() if line.startswith("- ["))
    assert len(re.findall(r"^- \[", text, re.MULTILINE)) == 3


def test_every_document_is_a_page(pages: Path) -> None:
    """No document is left out of the navigation, and none in it is missing."""
    settings = (ROOT / "mkdocs.yml").read_text()
    listed = set(re.findall(r"- (?:\w+: )?([\w/-]+\.md)$", settings, re.MULTILINE))

    assert listed == {str(page.relative_to(pages)) for page in pages.rglob("*.md")}
