"""The golden vectors of what clocks show, and the library held to them."""

from testing.clock_vectors.document import FILE, text


def test_the_vectors_are_those_that_the_rules_give() -> None:
    """Stale vectors would hold clients to rules of yesterday: make vectors."""
    assert FILE.read_text() == text()
