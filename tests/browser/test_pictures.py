"""The pictures of the documentation, taken from a deployment that is used.

Written to SYNCKAIROS_PICTURES (docs/pictures for `make console-pictures`), else to a folder of the test's own.
"""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from playwright.async_api import Page, expect

from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.processes.deployment import Deployment, seconds_until
from tests.browser.chromium import PHONE, VIEWPORT, Windows, synchronised
from tests.browser.games import CALLER, game, switch
from tests.browser.test_presentation import visit

WANTED: Final = os.environ.get("SYNCKAIROS_PICTURES", "")
LARGEST_BYTES: Final = 120_000
DARKEST_LIGHT, LIGHTEST_DARK = 180, 80


class Shown(NamedTuple):
    """What the pictures show."""

    go: str
    blitz: str


@pytest.fixture
async def shown(sessions: SessionServiceStub, deployment: Deployment) -> Shown:
    """A game of Go in its last period, and others."""
    go = await game(
        sessions,
        "8|3x4",
        "Shuusaku",
        "Gennan Inseki",
        title="The ear-reddening game",
        labels={"event": "castle", "board": "1"},
    )
    blitz = await game(sessions, "180+2", "Vera", "Sonja", title="Blitz, round 4", labels={"event": "blitz"})
    poker = await game(sessions, "60t15", "Ann", "Ben", "Cleo", title="Poker, table 9")
    exam = pb.CreateSessionRequest(mode=session_pb2.MODE_GLOBAL, total_time_ms=5_400_000, labels={"room": "B12"})
    exam.metadata["title"] = "Mathematics, paper 2"
    started = await sessions.CreateSession(exam)
    await sessions.StartSession(pb.StartSessionRequest(session_id=started.session.session_id))
    lunch = await game(sessions, "1800|5x30", title="Adjourned for lunch")
    await sessions.PauseSession(pb.PauseSessionRequest(session_id=lunch, reason="lunch"))
    await game(sessions, "*120", title="Hourglass", start=False)
    for wait in (2.2, 1.4, 2.1, 2.9, 3.0, 1.5, 1.2):
        await asyncio.sleep(wait)  # the length of a turn
        for one in (go, blitz, poker):
            await switch(sessions, one)
    await sessions.PauseSession(pb.PauseSessionRequest(session_id=go, reason="tea"), metadata=CALLER)
    await sessions.ResumeSession(pb.ResumeSessionRequest(session_id=go), metadata=CALLER)
    await sessions.AdjustTime(
        pb.AdjustTimeRequest(
            session_id=blitz, participant_id=await _active(sessions, blitz), delta_ms=15_000, reason="disturbed"
        ),
        metadata=[("x-actor", "umpire")],
    )
    await seconds_until(deployment.is_drained, 20, "everything is in the trail")
    return Shown(go, blitz)


async def test_pictures_are_taken_of_pages_that_show_something(
    windows: Windows, shown: Shown, sessions: SessionServiceStub, tmp_path: Path
) -> None:
    folder = Path(WANTED or tmp_path)
    page = await synchronised(await windows.open())
    await visit(page, f"sessions/{shown.go}")
    await expect(page.locator(".strip")).to_be_visible()
    await expect(page.locator("clock-ledger tbody tr").first).to_be_visible()
    await _take(page, folder / "console-session.png", full=True)
    await visit(page, "")
    for _ in range(40 if WANTED else 4):
        await switch(sessions, shown.blitz)
        await asyncio.sleep(0.5)  # a line over a few seconds
    await _take(page, folder / "console-overview.png")
    await visit(page, "playground")
    await _take(page, folder / "console-playground.png")
    await visit(page, "create")
    await expect(page.locator("control-words")).to_contain_text("5 minutes")
    await _take(page, folder / "console-create.png")

    dark = await synchronised(await windows.open(f"sessions/{shown.blitz}", theme="dark"))
    await visit(dark, f"sessions/{shown.blitz}")
    await _take(dark, folder / "console-session-dark.png")
    phone = await synchronised(await windows.open(f"sessions/{shown.blitz}", theme="dark", viewport=PHONE))
    await visit(phone, f"sessions/{shown.blitz}")
    await _take(phone, folder / "console-phone.png")

    light, shade = await _brightness(page), await _brightness(dark)
    assert light > DARKEST_LIGHT
    assert shade < LIGHTEST_DARK
    assert not WANTED or await asyncio.to_thread(_too_large, folder) == []


def _too_large(folder: Path) -> list[str]:
    return [one.name for one in folder.glob("console-*.png") if one.stat().st_size > LARGEST_BYTES]


async def _active(sessions: SessionServiceStub, session_id: str) -> str:
    return (await sessions.GetSession(pb.GetSessionRequest(session_id=session_id))).session.active_participant_id


async def _brightness(page: Page) -> float:
    """Return how bright the page's paper is, 0 to 255."""
    colour: str = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    red, green, blue = (int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    return (red + green + blue) / 3


async def _take(page: Page, file: Path, *, full: bool = False) -> None:
    """Take a picture; pngquant, where there is one, makes it small."""
    await page.evaluate("document.activeElement.blur()")
    await page.screenshot(path=file, full_page=full, animations="disabled")
    assert page.viewport_size in (VIEWPORT, PHONE)
    if pngquant := shutil.which("pngquant"):
        process = await asyncio.create_subprocess_exec(
            pngquant, "--force", "--skip-if-larger", "--strip", "--ext", ".png", str(file)
        )
        assert await process.wait() in {0, 98}  # 98: it was smaller before
