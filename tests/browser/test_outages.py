"""Open windows whose server dies, and comes back."""

import re

import pytest
from playwright.async_api import Browser, expect

from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.processes.deployment import Deployment
from tests.browser.chromium import Windows, synchronised
from tests.browser.conftest import Site
from tests.browser.games import game, switch

BACK_MS = 30_000


@pytest.fixture
async def mortal(deployment: Deployment) -> Site:
    """A server that a test may kill; it comes back at the same ports."""
    return Site(deployment)


async def test_windows_outlive_their_server_and_miss_nothing(
    chromium: Browser, mortal: Site, sessions: SessionServiceStub
) -> None:
    windows = Windows(chromium, mortal.url)
    session_id = await game(sessions, "600|3x10")
    pages = [await synchronised(await windows.open(f"sessions/{session_id}")) for _ in range(2)]
    for page in pages:
        await expect(page.locator(".feed")).to_have_text("Live")

    mortal.server.kill()
    for page in pages:
        await expect(page.locator(".feed")).to_have_text("Reconnecting")
        before = await page.get_by_role("timer").first.text_content()
        await expect(page.get_by_role("timer").first).not_to_have_text(before or "")
    # What happens meanwhile happens at another server.
    await switch(sessions, session_id)
    await switch(sessions, session_id)
    # A mutation while the server is away says so, and leaves the dialog open.
    await pages[0].get_by_role("button", name="Pause").click()
    await pages[0].get_by_role("dialog").get_by_role("button", name="Pause").click()
    await expect(pages[0].get_by_role("alert").last).to_contain_text("cannot be reached", timeout=BACK_MS)

    mortal.server.start()
    for page in pages:
        await expect(page.locator(".feed")).to_have_text("Live", timeout=BACK_MS)
        await expect(page.locator(".meta")).to_contain_text("version 4")
        await expect(page.locator('event-list li[data-type="EVENT_TYPE_CYCLE_SWITCHED"]')).to_have_count(2)
    await pages[0].get_by_role("dialog").get_by_role("button", name="Pause").click()
    await expect(pages[1].locator(".meta .pill")).to_have_text("Paused")
    await expect(pages[1].get_by_role("region", name="Clock of Black")).to_have_class(re.compile("active"))
    await windows.close()


async def test_a_server_that_stops_sends_its_windows_elsewhere(
    chromium: Browser, mortal: Site, sessions: SessionServiceStub
) -> None:
    windows = Windows(chromium, mortal.url)
    session_id = await game(sessions, "600|3x10")
    page = await synchronised(await windows.open(f"sessions/{session_id}"))
    await expect(page.locator(".feed")).to_have_text("Live")

    assert mortal.server.stop() == 0
    await expect(page.locator(".feed")).to_have_text("Reconnecting")
    mortal.server.start()
    await expect(page.locator(".feed")).to_have_text("Live", timeout=BACK_MS)
    await switch(sessions, session_id)
    await expect(page.get_by_role("region", name="Clock of White")).to_have_class(re.compile("active"))
    await windows.close()
