"""Whose requests are answered."""

import pytest

from synckairos.gateway.guard import Asker, Guard


@pytest.mark.parametrize(
    ("port", "hosts", "host", "known"),
    [
        (8080, [], "localhost:8080", True),
        (8080, [], "[::1]:8080", True),
        (8080, [], "127.0.0.1:8081", False),
        (8080, [], "127.0.0.1", False),
        (8080, [], "localhost.:8080", False),
        (8080, [], "", False),
        (80, [], "localhost", True),
        (80, [], "localhost:80", True),
        (8080, ["clocks.example"], "clocks.example", True),
        (8080, ["clocks.example"], "Clocks.Example:8443", True),
        (8080, ["clocks.example"], "localhost:8080", False),
        (8080, ["clocks.example:443"], "clocks.example:443", True),
        (8080, ["clocks.example:443"], "clocks.example", False),
        (8080, ["[fd00::1]"], "[fd00::1]:8080", True),
        (8080, ["clocks.example"], "clocks.example.evil.example", False),
        (8080, ["clocks.example"], "evil.example:80@clocks.example", False),
    ],
)
def test_a_host_is_known_by_its_whole_name(port: int, hosts: list[str], host: str, known: bool) -> None:
    """With the port where one is named, with any where none is."""
    assert Guard(port, hosts).is_known(host) is known


@pytest.mark.parametrize(
    ("origin", "asker"),
    [
        ("http://localhost:8080", Asker.OWN_PAGE),
        ("https://localhost:8080", Asker.FOREIGN_PAGE),
        ("http://localhost", Asker.FOREIGN_PAGE),
        ("https://shop.example", Asker.LISTED_PAGE),
        ("http://shop.example", Asker.FOREIGN_PAGE),
        ("https://shop.example:444", Asker.FOREIGN_PAGE),
        ("https://shop.example, https://shop.example", Asker.FOREIGN_PAGE),
        ("null", Asker.FOREIGN_PAGE),
        ("", Asker.FOREIGN_PAGE),
    ],
)
def test_an_origin_is_own_listed_or_foreign(origin: str, asker: Asker) -> None:
    """Scheme, name and port all count."""
    guard = Guard(8080, origins=["https://shop.example"])

    assert guard.asker(origin, "http", "localhost:8080") is asker
