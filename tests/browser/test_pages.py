"""What the console's other pages find and show."""

import re
from collections.abc import Awaitable, Callable
from uuid import uuid4

from playwright.async_api import Page, Request, expect

from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.processes.deployment import Deployment, seconds_until
from tests.browser.chromium import Windows
from tests.browser.games import game, state, switch


async def test_the_overview_counts_what_happens(windows: Windows, sessions: SessionServiceStub) -> None:
    session_id = await game(sessions, "300|3x10", title="Busy")
    short = await game(sessions, "8", title="Short")
    page = await windows.open()
    running = page.get_by_role("listitem").filter(has_text="Running").locator("b")
    await expect(running).to_have_text(re.compile(r"^[1-9]"))
    await expect(page.locator(f'tr[data-session="{session_id}"] row-clock')).to_contain_text(":")
    await expect(page.locator(".feed")).to_have_text("Live")

    for _ in range(20):
        await switch(sessions, session_id)

    switches = page.locator(".tile").filter(has_text="Switches a second").locator(".value")
    await expect(switches).to_have_text(re.compile(r"^[1-9]|0\.[1-9]"))
    await expect(page.locator(".health")).to_contain_text("SessionsServing")
    await expect(page.locator(".health")).to_contain_text("Audit trailServing")

    async def is_expired() -> bool:
        return (await state(sessions, short)).status == session_pb2.STATUS_EXPIRED

    # Its deadline is passed while somebody watches; those of other tests may have been before.
    await seconds_until(is_expired, 20, "the short game has run out")
    late = page.locator(".tile").filter(has_text="Lateness")
    await expect(late).to_contain_text(re.compile(r"median of \d+ deadlines"), timeout=20_000)


async def test_the_list_is_filtered_and_follows_its_sessions(windows: Windows, sessions: SessionServiceStub) -> None:
    mark = uuid4().hex
    one = await game(sessions, "300+5", title="First", labels={"event": mark})
    await game(sessions, "300+5", title="Second", start=False, labels={"event": mark})
    page = await windows.open("sessions")

    await page.get_by_label("Labels").fill(f"event={mark}")
    await expect(page.locator("main tbody tr")).to_have_count(2)
    await page.get_by_label("Running").check()
    await expect(page.locator("main tbody tr")).to_have_count(1)
    row = page.locator(f'tr[data-session="{one}"]')
    await expect(row).to_contain_text("Black")
    await switch(sessions, one)
    await expect(row).to_contain_text("White")

    # The address holds the filters.
    await page.reload()
    await expect(page.locator("main tbody tr")).to_have_count(1)
    await page.get_by_role("link", name="First").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("First")


async def test_many_sessions_are_watched_over_one_stream(windows: Windows, sessions: SessionServiceStub) -> None:
    mark = uuid4().hex
    ids = [await game(sessions, "300+5", labels={"many": mark}) for _ in range(20)]
    page = await windows.open("sessions")
    open_streams: set[Request] = set()

    def begin(request: Request) -> None:
        if "WatchSession" in request.url:
            open_streams.add(request)

    def end(request: Request) -> None:
        open_streams.discard(request)

    page.on("request", begin)
    page.on("requestfailed", end)
    page.on("requestfinished", end)
    await page.get_by_label("Labels").fill(f"many={mark}")
    await expect(page.locator("main tbody tr")).to_have_count(20)
    await expect(page.locator(".feed")).to_have_text("Live")

    for session_id in ids:
        await switch(sessions, session_id)

    for session_id in ids:
        await expect(page.locator(f'tr[data-session="{session_id}"]')).to_contain_text("White")
    assert len(open_streams) == 1


async def test_a_session_watched_anew_is_shown_though_its_old_stream_still_speaks(
    windows: Windows, sessions: SessionServiceStub
) -> None:
    """The place that the old stream has reached means nothing to one who has not seen what was before it."""
    session_id = await game(sessions, "300+5")
    page = await windows.open()

    is_shown = await page.evaluate(
        """async (id) => {
          const {SessionFeed} = await import('/live/session_feed.js');
          const feed = new SessionFeed();
          const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
          const passed = async (condition, ms = 20_000) => {
            for (const until = performance.now() + ms; !condition() && performance.now() < until; ) await pause(5);
            return condition();
          };
          let hasBegun = false, hasSpoken = false, isShown = false;
          let stop = feed.watch(id, ({snapshot}) => { hasBegun ||= !!snapshot; });
          if (!await passed(() => hasBegun)) return 'no first snapshot';
          // As pages that follow one another do, until the old stream has said something: it does so every 4 s.
          for (const until = performance.now() + 6_000; !hasSpoken && performance.now() < until; ) {
            stop();
            stop = feed.watch(id, ({snapshot}) => { hasSpoken = true; isShown ||= !!snapshot; });
            await pause(5);
          }
          return passed(() => isShown);
        }""",
        session_id,
    )

    assert is_shown is True


async def test_the_trail_is_searched_and_tells_who_changed_what(
    windows: Windows, sessions: SessionServiceStub, deployment: Deployment
) -> None:
    session_id = await game(sessions, "30|3x20", title="In the trail")
    first = (await switch(sessions, session_id)).participants[0].participant_id
    adjust = pb.AdjustTimeRequest(
        session_id=session_id, participant_id=first, delta_ms=10_000, reason="the clock stuck"
    )
    await sessions.AdjustTime(adjust, metadata=[("x-actor", "umpire")])
    await sessions.DeleteSession(pb.DeleteSessionRequest(session_id=session_id))
    await _drained(deployment)
    page = await windows.open("audit")

    await page.get_by_label("Id", exact=True).fill(session_id.upper())
    await page.keyboard.press("Enter")
    await expect(page.locator(".events li")).to_have_count(5)
    await expect(page.locator(".events")).to_contain_text("by umpire · “the clock stuck”")
    await expect(page.locator(".changes").filter(has_text="bank_ms").last).to_be_visible()
    await expect(page.get_by_role("region", name="Summary")).to_contain_text("In the trail")
    await page.get_by_label("Event", exact=True).select_option("TIME_ADJUSTED")
    await expect(page.locator(".events li")).to_have_count(1)

    await page.get_by_label("About a").select_option("participant")
    await page.get_by_label("Id", exact=True).fill(first)
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator(".events li")).to_have_count(3)  # it started, was switched away from, and was adjusted


async def test_the_ledger_says_why_a_clock_shows_what_it_shows(
    windows: Windows, sessions: SessionServiceStub, deployment: Deployment
) -> None:
    session_id = await game(sessions, "30|3x20", title="Explained")
    session = await switch(sessions, session_id)
    await _drained(deployment)
    page = await windows.open(f"sessions/{session_id}")

    await page.get_by_label("Whose clock").select_option("Black")

    rows = page.locator("clock-ledger tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.nth(0)).to_contain_text("Base+1:301:30")
    left = session.participants[0].time_remaining_ms
    await expect(rows.nth(1)).to_contain_text(f"1:{left // 1000 % 60:02}.{left % 1000:03}".rstrip("0"))
    await page.get_by_text("Raw JSON").click()
    await expect(page.locator(".json")).to_contain_text(f'"sessionId": "{session_id}"')


async def test_the_playground_explains_and_plays(windows: Windows) -> None:
    page = await windows.open("playground")
    await page.get_by_label("Notation").fill("20d5")
    await page.get_by_label("Turns, in seconds").fill("8@3+6 4 12 12 20")
    await expect(page.locator("control-words")).to_contain_text("delay")
    picture = page.get_by_role("img", name=re.compile("5 turns of 2 holders, Holder 1 ran out"))
    await expect(picture).to_be_visible()
    await expect(picture.locator('[data-phase="PAUSE"]')).to_have_count(1)
    drawn = await picture.locator("rect").evaluate_all("(all) => all.map((one) => one.dataset.phase)")
    assert set(drawn) == {"DELAY", "MAIN", "PAUSE"}
    await expect(page.locator("tbody tr").last).to_contain_text("Flag")

    await page.get_by_label("Turns, in seconds").fill("8 x")
    await expect(page.get_by_role("alert")).to_contain_text("is no turn such as")
    await page.get_by_role("button", name="Hourglass 2 min").click()
    await expect(page.locator("control-words")).to_contain_text("flows to the others")


async def test_every_verb_is_asked_before_it_acts(windows: Windows, sessions: SessionServiceStub) -> None:
    session_id = await game(sessions, "600|3x10", start=False)
    page = await windows.open(f"sessions/{session_id}")

    async def perform(words: str, filled: Callable[[], Awaitable[None]] | None = None) -> session_pb2.Session:
        before = await state(sessions, session_id)
        await page.get_by_role("group", name="What can be done").get_by_role("button", name=words, exact=True).click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        assert (await state(sessions, session_id)).version == before.version
        if filled:
            await filled()
        await page.get_by_role("dialog").get_by_role("button", name=words, exact=True).click()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        after = await state(sessions, session_id)
        assert after.version == before.version + 1
        await expect(page.locator(".meta")).to_contain_text(f"version {after.version}")
        return after

    assert (
        len((await perform("Add participant", lambda: page.get_by_label("Name", exact=True).fill("Cleo"))).participants)
        == 3
    )
    assert (await perform("Start")).status == session_pb2.STATUS_RUNNING
    assert (await perform("Pause")).status == session_pb2.STATUS_PAUSED
    assert (await perform("Resume")).status == session_pb2.STATUS_RUNNING
    assert (
        await perform("Metadata and labels", lambda: page.get_by_role("textbox", name="Labels").fill("round=4"))
    ).labels == {"round": "4"}
    removed = await perform("Remove participant", lambda: _choose(page, "Who", "Cleo"))
    assert len(removed.participants) == 2
    adjusted = await perform("Adjust time", lambda: page.get_by_label("Reason").fill("late"))
    assert adjusted.participants[0].clock.bank_ms > 640_000
    assert (await perform("Cancel")).status == session_pb2.STATUS_CANCELLED
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("dialog").get_by_role("button", name="Keep as it is").click()
    assert (await state(sessions, session_id)).status == session_pb2.STATUS_CANCELLED


async def _choose(page: Page, label: str, option: str) -> None:
    await page.get_by_label(label, exact=True).select_option(option)


async def _drained(deployment: Deployment) -> None:
    await seconds_until(deployment.is_drained, 20, "everything is in the trail")


async def test_a_window_that_stays_open_keeps_the_newest_events_alone(windows: Windows) -> None:
    """Each event holds a whole session: a watch of days would fill the browser's memory."""
    page = await windows.open()

    kept = await page.evaluate(
        """async () => {
          const list = document.createElement('event-list');
          document.body.append(list);
          for (let version = 1; version <= 2_500; version++)
            list.add([{type: 'EVENT_TYPE_CYCLE_SWITCHED', epoch: '1', version: String(version)}]);
          await new Promise((resolve) => setTimeout(resolve));
          const {events} = list;
          return [events.length, events[0].version, events.at(-1).version, list.querySelector('li').textContent];
        }"""
    )

    assert kept[:3] == [2_000, "501", "2500"]
    assert "v2500" in kept[3]
