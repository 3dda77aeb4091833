"""A Chromium of the tests' own, and the console's pages in it."""

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, BrowserContext, Page, Request, async_playwright

START_S: Final = 30.0
REBOUND_HOST: Final = "rebound.test"
"""A foreign name that leads to this machine."""
FLAGS: Final = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--force-color-profile=srgb",
    f"--host-resolver-rules=MAP {REBOUND_HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--hide-scrollbars", "--remote-debugging-port=0", "--window-size=1280,900",
)  # fmt: skip
VIEWPORT: Final = {"width": 1280, "height": 860}
PHONE: Final = {"width": 390, "height": 844}
FROM_SERVER_MS: Final = 30.0
"""How far a page's clock may be from its server's."""


@asynccontextmanager
async def started_chromium(directory: Path) -> AsyncIterator[Browser]:
    """Start Chromium and give a connection that changes no default: tabs behind others are hidden, as a user's are."""
    with _process(directory) as process:
        async with async_playwright() as playwright:
            debugger = await _debugger_of(process, directory / "profile" / "DevToolsActivePort")
            browser = await playwright.chromium.connect_over_cdp(debugger, no_defaults=True)
            yield browser
            await browser.close()


@contextmanager
def _process(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [find_chromium(), *FLAGS, f"--user-data-dir={directory / 'profile'}", "about:blank"]
    with (directory / "chromium.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(10)


def find_chromium() -> str:
    """Return the browser to test in: SYNCKAIROS_CHROMIUM, or one on the path; fails without any."""
    names = [os.environ.get("SYNCKAIROS_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    assert found, "no Chromium was found: apt install chromium, or name one in SYNCKAIROS_CHROMIUM"
    return found


async def _debugger_of(process: subprocess.Popen[bytes], written: Path) -> str:
    """Wait until it says where its debugger listens."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        assert process.poll() is None, "Chromium has ended"
        if len(lines := _lines(written)) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        await asyncio.sleep(0.02)  # the wait on a condition with a deadline, from outside the process
    raise AssertionError(f"Chromium did not start within {START_S} s")


def _lines(file: Path) -> list[str]:
    return file.read_text().split() if file.is_file() else []


@dataclass
class Windows:
    """Windows with the console of one server, and what went wrong or out of them."""

    browser: Browser
    url: str
    contexts: list[BrowserContext] = field(default_factory=list)
    foreign_requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    async def open(
        self, path: str = "", *, viewport: dict[str, int] | None = None, theme: str = "light", cpu: float = 1
    ) -> Page:
        """Open a window of its own at a place of the console, such as `sessions`; `cpu` is how much slower it runs."""
        size: Any = viewport or VIEWPORT
        scheme: Any = theme
        context = await self.browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
        self.contexts.append(context)
        page = await context.new_page()
        if cpu != 1:
            await (await context.new_cdp_session(page)).send("Emulation.setCPUThrottlingRate", {"rate": cpu})
        return await self.show(page, path)

    async def show(self, page: Page, path: str = "") -> Page:
        """Show a place of the console in a page, and listen to all it does."""
        page.on("request", self._judge_request)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self._judge_message(message.text))
        await page.goto(f"{self.url}/#/{path}")
        await page.wait_for_selector("h1")
        return page

    def _judge_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "data:")):
            self.foreign_requests.append(request.url)

    def _judge_message(self, text: str) -> None:
        if "Content Security Policy" in text or "Uncaught" in text:
            self.problems.append(text)

    async def close(self) -> None:
        """Close all windows; fails if a page had an error, or asked another origin for anything."""
        for context in self.contexts:
            await context.close()
        assert self.problems == []
        assert self.foreign_requests == []


async def synchronised(page: Page) -> Page:
    """Wait until a page says that it knows its server's clock as well as it has to; it takes a sample every 10 s."""
    said = "document.querySelector('footer').textContent.split('\\u00b1')[1]"
    await until(page, f"parseFloat({said}) < {FROM_SERVER_MS - 1}", seconds=40)
    return page


async def until(page: Page, expression: str, seconds: float = 20) -> None:
    """Wait until an expression holds in a page. Not by wait_for_function, whose eval() the console's policy forbids."""
    deadline = time.monotonic() + seconds
    while not await page.evaluate(expression):
        assert time.monotonic() < deadline, f"not within {seconds} s: {expression}"
        await asyncio.sleep(0.02)  # the wait on a condition with a deadline, from outside the process


async def clocks_at(page: Page, instants_ms: list[float]) -> list[dict[str, Any]]:
    """Return what a session's page computes for instants of this machine's clock, in ms since 1970."""
    source = (
        f"JSON.stringify({json.dumps(instants_ms)}.map((at) => document.querySelector('session-clocks').readAt(at)))"
    )
    # As text: a figure without end (Infinity) becomes null.
    readings: list[dict[str, Any]] = json.loads(await page.evaluate(source))
    return readings
