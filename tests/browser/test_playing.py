"""A game played in the console, from its creation to a flag."""

import asyncio
import re

from playwright.async_api import Page, expect

from synckairos.v1 import session_pb2
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from tests.browser.chromium import Windows
from tests.browser.games import state

WATCH_PHASES = """() => {
  window.phases = [];
  const look = () => {
    const clock = document.querySelectorAll('.clock')[1];
    const seen = `${clock.dataset.phase} ${clock.querySelectorAll('.periods i:not(.burnt)').length}`;
    if (clock.classList.contains('active') && window.phases.at(-1) !== seen) window.phases.push(seen);
  };
  const all = {subtree: true, childList: true, attributes: true};
  new MutationObserver(look).observe(document.querySelector('session-clocks'), all);
}"""


async def test_a_game_of_go_is_created_and_played_to_its_flag_in_two_windows(
    windows: Windows, sessions: SessionServiceStub
) -> None:
    page = await windows.open("create")
    await page.get_by_label("Title").fill("Ear-reddening game")
    await page.get_by_label("Notation").fill("6|2x1")
    await expect(page.locator("control-words")).to_contain_text("6 seconds, then 2 periods of 1 second")
    await page.get_by_role("button", name="Create the session").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Ear-reddening game")
    other = await windows.open(f"sessions/{session_in(page)}")
    await expect(other.locator(".meta .pill")).to_have_text("Pending")

    for words in ("Start", "Switch turn"):
        await page.get_by_role("button", name=words, exact=True).click()
        await page.get_by_role("dialog").get_by_role("button", name=words, exact=True).click()
    await expect(other.get_by_role("region", name="Clock of White")).to_have_class(re.compile("active"))
    await other.evaluate(WATCH_PHASES)
    for window in (page, other):
        await expect(window.locator(".meta .pill")).to_have_text("Expired", timeout=20_000)

    for window in (page, other):
        await expect(window.get_by_role("region", name="Clock of White").get_by_role("timer")).to_have_text("0:00.0")
        await expect(window.get_by_role("region", name="Clock of Black")).to_contain_text("winner")
        await expect(window.locator("event-list")).to_contain_text("Session expired · White")
        await expect(window.get_by_role("group", name="What can be done").get_by_role("button")).to_have_text(
            ["Delete"]
        )
    passed = await other.evaluate("window.phases")
    assert [one for one in passed if "PERIOD" in one] == ["PERIOD 2", "PERIOD 1"]
    ended = await state(sessions, session_in(page))
    assert ended.status == session_pb2.STATUS_EXPIRED
    assert ended.winner_participant_id == ended.participants[0].participant_id


async def test_a_game_is_played_with_nothing_but_a_keyboard(windows: Windows, sessions: SessionServiceStub) -> None:
    page = await windows.open()
    keyboard = page.keyboard
    await keyboard.press("g")
    await keyboard.press("c")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Create a session")
    await tab_to(page, "Notation")
    await keyboard.press("Control+A")
    await keyboard.type("60|3x10")
    await tab_to(page, "Create the session")
    await keyboard.press("Enter")
    await expect(page.locator(".meta .pill")).to_have_text("Pending")

    session_id = session_in(page)
    for key, status, cycle in (("s", "Running", 1), ("n", "Running", 2), ("p", "Paused", 2), ("p", "Running", 2)):
        await keyboard.press(key)
        await expect(page.get_by_role("dialog")).to_be_visible()
        await keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await expect(page.locator(".meta .pill")).to_have_text(status)
        assert (await state(sessions, session_id)).cycle_number == cycle
    await keyboard.press("j")
    await tab_to(page, "Seconds, or periods")
    await keyboard.press("Control+A")
    await keyboard.type("-5")
    await keyboard.press("Tab")
    await keyboard.type("came late")
    await keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.locator("event-list")).to_contain_text("came late")
    await tab_to(page, "Complete")
    await keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await keyboard.press("Enter")
    await expect(page.locator(".meta .pill")).to_have_text("Completed")
    assert (await state(sessions, session_id)).status == session_pb2.STATUS_COMPLETED


async def test_what_the_service_refuses_stands_below_its_field(windows: Windows, sessions: SessionServiceStub) -> None:
    page = await windows.open("create")
    await page.get_by_label("Notation").fill("300|3y10")
    await expect(page.locator("control-words")).to_contain_text('at position 5: expected "x"')
    await page.get_by_role("button", name="Create the session").click()

    notation = page.locator('[data-field="time_control_text"]').first
    await expect(notation).to_contain_text('at position 5: expected "x"')
    await expect(page.get_by_label("Notation")).to_be_focused()
    await expect(page.get_by_label("Notation")).to_have_attribute("aria-invalid", "true")

    await page.get_by_label("Notation").fill("300|3x10")
    await page.get_by_label("and start it").check()
    await asyncio.gather(
        page.get_by_role("button", name="Create the session").click(), page.wait_for_url("**/#/sessions/*")
    )
    await expect(page.locator(".meta .pill")).to_have_text("Running")
    assert (await state(sessions, session_in(page))).participants[0].time_control.stages[0].byo_yomi.periods == 3


def session_in(page: Page) -> str:
    """Return the id of the session that the page shows."""
    found = re.search(r"#/sessions/([0-9a-f-]{36})", page.url)
    assert found, page.url
    return found[1]


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has this name has the focus; fails if anything on the way does not show that it has it."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        focused = await page.evaluate(
            """() => { const one = document.activeElement, style = getComputedStyle(one);
              const label = one.labels?.[0]?.textContent ?? one.getAttribute('aria-label') ?? one.textContent;
              const ring = one.closest('.chips label') ? getComputedStyle(one.closest('.chips label')) : style;
              return {label: label.trim(), isShown: ring.outlineStyle !== 'none' && parseFloat(ring.outlineWidth) > 0,
                      isBody: one === document.body}; }"""
        )
        assert focused["isShown"] or focused["isBody"], focused
        if focused["label"] == name:
            return
    raise AssertionError(f"no Tab led to {name}")
