"""The console's files, and nothing else of the machine's."""

import os
from pathlib import Path

import pytest

from synckairos.gateway.files import Files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of pages, with something beside it that must not be found."""
    pages = tmp_path / "pages"
    (pages / "vendor").mkdir(parents=True)
    (pages / "index.html").write_text("<h1>start</h1>")
    (pages / "app.js").write_text("export {}")
    (pages / "logo.svg").write_text("<svg/>")
    (pages / "vendor/clock.mjs").write_text("export {}")
    (pages / ".hidden").write_text("no")
    (pages / "__init__.py").write_text("no")
    (tmp_path / "secret.txt").write_text("no")
    (pages / "link.txt").symlink_to(tmp_path / "secret.txt")
    return pages


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/vendor/clock.mjs", "text/javascript; charset=utf-8"),
        ("/logo.svg", "image/svg+xml; charset=utf-8"),
    ],
)
def test_files_have_the_type_that_browsers_insist_on(folder: Path, path: str, content_type: str) -> None:
    """Modules run only as JavaScript."""
    file = Files(folder).find(path)

    assert file is not None
    assert file.content_type == content_type


@pytest.mark.parametrize(
    "path",
    ["/missing.js", "/vendor", "/vendor/", "/.hidden", "/../secret.txt", "/vendor/../../secret.txt", "/link.txt",
     "/__init__.py", "/a\0b", "//etc/passwd", "/..\\secret.txt", "/" + "x" * 5_000],
)  # fmt: skip
def test_nothing_else_is_found(folder: Path, path: str) -> None:
    """Neither beside the folder, nor hidden, nor the package's own code."""
    assert Files(folder).find(path) is None


def test_a_changed_file_is_another_one(folder: Path) -> None:
    """Its tag follows the content; an unchanged file keeps its own."""
    files = Files(folder)
    before, again = files.find("/app.js"), files.find("/app.js")
    (folder / "app.js").write_text("export const a = 1")
    os.utime(folder / "app.js", ns=(1, 1))
    after = files.find("/app.js")

    assert before is again is not None
    assert after is not None
    assert after.content == b"export const a = 1"
    assert after.etag != before.etag
