"""The pictures of the modes in docs/concepts.md are those that the rules draw."""

import pytest

from testing.harness.documents import ROOT
from testing.mode_pictures import Sample, drawn, samples


@pytest.mark.parametrize(("name", "sample"), samples().items())
def test_a_picture_is_current(name: str, sample: Sample) -> None:
    """`make pictures` would change nothing, and the document shows it."""
    shown = (ROOT / "docs" / "concepts.md").read_text()

    assert (ROOT / "docs" / "pictures" / f"{name}.svg").read_text() == drawn(sample)
    assert f"](pictures/{name}.svg)" in shown
