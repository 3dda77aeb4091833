"""What pages of others can do with a console that runs on this machine: nothing."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.async_api import Browser, Page

from synckairos.v1 import session_pb2
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from tests.browser.chromium import REBOUND_HOST
from tests.browser.conftest import Site
from tests.browser.games import game, state

ATTACK = """async ([url, id]) => {
  const body = JSON.stringify({sessionId: id});
  const [start, read] = ['StartSession', 'GetSession'].map((call) => `${url}/synckairos.v1.SessionService/${call}`);
  const attempt = (target, options) =>
    fetch(target, options).then((r) => r.type === 'opaque' ? 'opaque' : r.text(), (error) => error.name);
  const json = {method: 'POST', headers: {'content-type': 'application/json'}, body};
  const results = {
    json: await attempt(start, json),
    read: await attempt(read, json),
    credentials: await attempt(read, {...json, credentials: 'include'}),
    get: await attempt(`${read}?connect=v1&encoding=json&message=${encodeURIComponent(body)}`, {}),
    page: await attempt(`${url}/app.js`, {}),
    blindText: await attempt(start, {method: 'POST', mode: 'no-cors', headers: {'content-type': 'text/plain'}, body}),
    blindForm: await attempt(start, {method: 'POST', mode: 'no-cors', body: new URLSearchParams({sessionId: id})}),
    script: await import(`${url}/rpc/services.js`).then(() => 'loaded', (error) => error.name),
  };
  results.beacon = navigator.sendBeacon(start, body);
  const form = document.createElement('form');
  Object.assign(form, {method: 'POST', action: start, enctype: 'text/plain', target: 'sink'});
  const field = document.createElement('input');
  [field.name, field.value] = [body.slice(0, -1) + ',"x":"', '"}'];
  const frame = document.createElement('iframe');
  frame.name = 'sink';
  document.body.append(frame, form);
  form.append(field);
  await new Promise((resolve) => { frame.onload = resolve; form.submit(); setTimeout(resolve, 3000); });
  return results;
}"""


class _Foreign(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Foreign</title><body>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that is overridden
        """Say nothing."""


@pytest.fixture
def foreign_url() -> Iterator[str]:
    """An origin that is not the console's."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Foreign)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_a_page_of_another_origin_can_neither_call_nor_read(
    chromium: Browser, site: Site, sessions: SessionServiceStub, foreign_url: str
) -> None:
    session_id = await game(sessions, "300|3x10", start=False)
    page = await _page(chromium, foreign_url)

    results = await page.evaluate(ATTACK, [site.url, session_id])

    for how in ("json", "read", "credentials", "get", "page", "script"):
        assert results[how] == "TypeError", results
    # Those go out, and nobody learns what came of them.
    assert results["blindText"] in {"opaque", "TypeError"}
    assert results["blindForm"] in {"opaque", "TypeError"}
    assert results["beacon"]
    untouched = await state(sessions, session_id)
    assert (untouched.status, untouched.version) == (session_pb2.STATUS_PENDING, 1)
    await page.context.close()


async def test_the_console_is_shown_in_no_frame(chromium: Browser, site: Site, foreign_url: str) -> None:
    page = await _page(chromium, foreign_url)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    await page.evaluate(
        "(url) => new Promise((resolve) => { const frame = document.createElement('iframe'); frame.onload = resolve;"
        " frame.src = url; document.body.append(frame); })",
        site.url,
    )

    frame = page.frames[1]
    assert not frame.url.startswith(site.url), frame.url
    assert await frame.locator("header, nav, main").count() == 0
    assert any("frame-ancestors" in text for text in said), said
    await page.context.close()


async def test_a_foreign_name_that_leads_here_gets_nothing(
    chromium: Browser, site: Site, sessions: SessionServiceStub
) -> None:
    session_id = await game(sessions, "300|3x10", start=False)
    rebound = f"http://{REBOUND_HOST}:{site.port}"
    page = await (await chromium.new_context()).new_page()

    shown = await page.goto(f"{rebound}/")
    assert shown is not None
    called = await page.evaluate(
        """async ([url, id]) => (await fetch(`${url}/synckairos.v1.SessionService/StartSession`, {method: 'POST',
          headers: {'content-type': 'application/json'}, body: JSON.stringify({sessionId: id})})).status""",
        [rebound, session_id],
    )

    assert (shown.status, called) == (421, 421)
    assert "SyncKairos console" not in await page.title()
    assert (await state(sessions, session_id)).status == session_pb2.STATUS_PENDING
    await page.context.close()


async def test_a_page_that_opened_the_console_does_not_hold_it(chromium: Browser, site: Site, foreign_url: str) -> None:
    page = await _page(chromium, foreign_url)
    async with page.context.expect_page() as opening:
        await page.evaluate("(url) => { window.held = window.open(url); }", site.url)
    console = await opening.value
    await console.wait_for_selector("h1")

    assert await console.evaluate("window.opener") is None
    assert await page.evaluate("window.held.closed || window.held.length === 0")
    assert await page.evaluate(
        "(() => { try { return window.held.document.title; } catch (error) { return error.name; } })()"
    ) in {
        "SecurityError",
        "TypeError",
    }
    await page.context.close()


async def _page(chromium: Browser, url: str) -> Page:
    page = await (await chromium.new_context()).new_page()
    await page.goto(url)
    return page
