"""Every page: readable for everybody, at any width, and never more than what it was given."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Page, expect

from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.documents import ROOT
from tests.browser.chromium import PHONE, Windows, synchronised
from tests.browser.games import game
from tests.browser.places import HTML, Places, filled_places

AXE: Final = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
TOO_SMALL: Final = """[...document.querySelectorAll('main button, main .button, .sections a')]
  .filter((one) => one.offsetParent && one.offsetHeight < 36).map((one) => one.textContent)"""
LEAST_WIDTH: Final = {"width": 320, "height": 640}


@pytest.fixture(scope="session")
async def places(sessions: SessionServiceStub) -> Places:
    """Sessions that fill every page."""
    return await filled_places(sessions)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_page_is_accessible(windows: Windows, places: Places, theme: str) -> None:
    assert AXE.is_file(), "axe-core is missing: make browser installs it"
    page = await windows.open(theme=theme)
    await page.evaluate(AXE.read_text())
    violations: dict[str, Any] = {}
    for name, address in places.addresses.items():
        await visit(page, address)
        violations |= {f"{name}: {rule}": nodes for rule, nodes in (await audit(page)).items()}
    await visit(page, places.addresses["running"])
    for shortcut in ("?", "n", "j"):
        await page.keyboard.press(shortcut)
        await expect(page.get_by_role("dialog")).to_be_visible()
        violations |= {f"dialog {shortcut}: {rule}": nodes for rule, nodes in (await audit(page)).items()}
        await page.keyboard.press("Escape")
    assert violations == {}


@pytest.mark.parametrize("viewport", [PHONE, LEAST_WIDTH], ids=["phone", "least"])
async def test_no_page_scrolls_sideways_on_a_phone(windows: Windows, places: Places, viewport: dict[str, int]) -> None:
    page = await windows.open(viewport=viewport)
    for name, address in places.addresses.items():
        await visit(page, address)
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
        small = await page.evaluate(TOO_SMALL)
        assert small == [], name


async def test_what_a_session_says_stays_text(windows: Windows, places: Places) -> None:
    page = await windows.open(f"sessions/{places.running}")
    await expect(page.get_by_role("heading", level=1)).to_have_text(HTML)
    await expect(page.locator(".clock-name").first).to_have_text(HTML)
    await expect(page.locator("event-list")).to_contain_text(f"“{HTML}”")
    await expect(page.locator("event-list")).to_contain_text("by <i>umpire</i>")
    await expect(page.locator("session-facts")).to_contain_text(HTML)
    for address in places.addresses.values():
        await visit(page, address)
        assert await page.locator("main img, main b:has-text('bold'), main i:has-text('umpire')").count() == 0
        assert await page.evaluate("window.struck") is None


async def test_nothing_is_asked_of_another_origin_and_nothing_is_kept(windows: Windows, places: Places) -> None:
    page = await synchronised(await windows.open())
    await page.get_by_role("button", name="Who calls").click()
    await page.get_by_label("Token", exact=True).fill("secret-token")
    await page.get_by_label("API key", exact=True).fill("secret-key")
    async with page.expect_request(lambda request: request.headers.get("x-api-key") == "secret-key") as using:
        await page.get_by_role("button", name="Use").click()
    assert (await using.value).headers["authorization"] == "Bearer secret-token"
    for address in places.addresses.values():
        await visit(page, address)
    await page.get_by_role("button", name="Dark or light").click()

    kept = await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
    assert "secret" not in kept
    assert await page.context.cookies() == []
    assert await page.evaluate("indexedDB.databases().then((all) => all.length)") == 0
    await page.reload()
    await page.get_by_role("button", name="Who calls").click()
    await expect(page.get_by_label("Token", exact=True)).to_have_value("")
    # `windows` fails at its end if any request left the origin.


async def visit(page: Page, address: str) -> None:
    """Go to a place without loading the page anew, and wait until it has read what it shows."""
    await page.evaluate("(to) => { location.hash = `#/${to}`; }", address)
    await expect(page.locator("main h1")).to_be_visible()
    if address.startswith(("sessions/", "audit/")):
        await expect(page.locator(".events li").first).to_be_visible()
    elif address in {"", "sessions", "audit"}:
        await expect(page.locator("main tbody tr").first).to_be_visible()
    elif address == "playground":
        await expect(page.locator("main svg.strip")).to_be_visible()


async def audit(page: Page) -> dict[str, list[str]]:
    """Return what axe finds wrong, by rule."""
    found: dict[str, list[str]] = await page.evaluate(
        """async () => Object.fromEntries((await axe.run(document, {resultTypes: ['violations']})).violations
           .map((one) => [one.id, one.nodes.map((node) => `${node.html.slice(0, 160)} ${node.failureSummary}`)]))"""
    )
    return found


async def test_the_document_names_every_key(windows: Windows, places: Places, sessions: SessionServiceStub) -> None:
    pending = await game(sessions, "300+5", start=False, manual_clock=True)
    paused = await game(sessions, "300+5")
    await sessions.PauseSession(pb.PauseSessionRequest(session_id=paused))
    page = await windows.open()
    found: set[tuple[str, str]] = set()
    for address in (*places.addresses.values(), f"sessions/{pending}", f"sessions/{paused}"):
        await visit(page, address)
        await page.get_by_role("button", name="Keyboard shortcuts").click()
        for row in await page.get_by_role("dialog").get_by_role("row").all():
            keys = await row.locator("kbd").all_inner_texts()
            found.add((" ".join(keys), await row.locator("td").inner_text()))
        await page.keyboard.press("Escape")

    table = (ROOT / "docs" / "console.md").read_text().split("## Keys")[1].split("\n## ")[0]
    assert found == set(re.findall(r"^\| `([^`]+)` \| ([^|]+?) \|", table, re.MULTILINE))
