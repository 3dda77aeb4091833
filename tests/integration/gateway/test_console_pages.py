"""Pages as the console is served: they may do little, and nobody may do anything with them."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from synckairos.composition.listeners.http_port import SERVICES
from synckairos.gateway.application import Application
from synckairos.gateway.calls import Calls
from synckairos.gateway.files import Files
from synckairos.gateway.guard import Guard
from synckairos.gateway.local_backend import LocalBackend
from testing.harness.http_calls import answered, exchange
from testing.harness.http_ports import served

PAGE = b"<h1>clocks</h1>"
POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    """A port with one page, whose backend is not ready."""
    (tmp_path / "index.html").write_bytes(PAGE)
    bound = socket.create_server(("127.0.0.1", 0))
    backend = LocalBackend({}, lambda: False)
    guard = Guard(bound.getsockname()[1])
    async with served(Application(backend, Calls(backend, SERVICES), guard, Files(tmp_path)), bound) as address:
        yield address


async def test_a_page_comes_with_its_policy_and_without_cookies(address: str) -> None:
    """Scripts and calls of this port alone, in nobody's frame, and its address is told to nobody."""
    answer = await answered(address, "/", method="GET")

    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, PAGE, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "set-cookie" not in answer.headers
    assert "server" not in answer.headers


async def test_an_unchanged_page_is_not_sent_again(address: str) -> None:
    """It is asked for each time, by its tag."""
    first = await answered(address, "/", method="GET")
    again = await answered(address, "/", method="GET", if_none_match=f'"other", W/{first.headers["etag"]}')
    async with exchange(address, "/", method="HEAD") as head:
        while not head.answer.status:
            await head.read()

    assert first.headers["cache-control"] == "no-cache"
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (head.answer.status, head.answer.headers["content-length"]) == (200, str(len(PAGE)))


async def test_pages_are_only_read(address: str) -> None:
    """And what is not there is not there for any method."""
    posted = await answered(address, "/", b"x", method="POST")
    missing = await answered(address, "/other.html", method="GET")

    assert (posted.status, posted.headers["allow"]) == (405, "GET, HEAD")
    assert missing.status == 404


async def test_health_is_that_of_the_backend_under_any_name(address: str) -> None:
    """A probe comes with whatever name its platform has for this machine."""
    answer = await answered(address, "/healthz", method="GET", host="10.1.2.3")

    assert (answer.status, answer.body) == (503, b"NOT_SERVING\n")
