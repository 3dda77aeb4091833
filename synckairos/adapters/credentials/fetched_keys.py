"""Keys that are fetched over HTTP, again and again; while they cannot be had, the last ones go on.

A provider that answers with a set in which there is none has taken all of them back.
"""

import asyncio
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException, HTTPMessage
from typing import IO, Final
from urllib.parse import urlsplit

import structlog

from synckairos.adapters.credentials.key_sets import MAX_BYTES, KeySet, read_key_set

REFRESH_S: Final = 45.0
"""With the time limit less than a minute: what is revoked there is refused here by then."""
TIMEOUT_S: Final = 5.0
APART_S: Final = 10.0
"""Between two fetches that unknown keys ask for."""
NAME: Final = "jwks"

_log = structlog.get_logger(__name__)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow none: keys come from where the operator has said, or not at all."""


def shown_url(url: str) -> str:
    """Return a URL as it may be shown: what stands before the host, and after the path, may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _fetch(url: str) -> bytes:
    """Return what lies at a URL; raises OSError, ValueError."""
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(url, timeout=TIMEOUT_S) as response:
            content: bytes = response.read(MAX_BYTES + 1)
    except HTTPException as error:
        raise ValueError(f"the answer is no HTTP: {type(error).__name__}") from error
    return content


class FetchedKeys:
    """The keys at a URL; none until they could be fetched once."""

    def __init__(self, url: str, tell: Callable[[str, str], None], on_change: Callable[[], None]) -> None:
        """`tell` counts an outcome (`changed` or `broken`) under a name."""
        self._url = url
        self._shown_url = shown_url(url)
        self._tell = tell
        self._on_change = on_change
        self._content = b""
        self._problem = ""
        self._fetched_at = -APART_S
        self._asked = asyncio.Event()
        self._fetching: asyncio.Task[None] | None = None
        self.keys: KeySet = ()

    async def look(self) -> None:
        """Fetch for the sake of an unknown key, unless that was done a moment ago; wait for a fetch under way."""
        if self._fetching is None and time.monotonic() - self._fetched_at < APART_S:
            return
        await self.refresh()

    async def refresh(self) -> None:
        """Fetch; callers that come meanwhile wait for the same fetch."""
        if self._fetching is None:
            self._fetching = asyncio.get_running_loop().create_task(self._refresh())
            self._fetching.add_done_callback(self._over)
        # One who goes away must not end what others wait for.
        await asyncio.shield(self._fetching)

    def ask(self) -> None:
        """Let `run` fetch now."""
        self._asked.set()

    async def run(self) -> None:
        """Fetch for ever: every REFRESH_S, and when asked."""
        while True:
            await self.refresh()
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_S if self.keys else APART_S):
                    await self._asked.wait()
            self._asked.clear()

    def _over(self, _task: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _refresh(self) -> None:
        self._fetched_at = time.monotonic()
        try:
            content = await asyncio.to_thread(_fetch, self._url)
            keys = read_key_set(content, may_share_secrets=False, may_be_empty=True)
        except (OSError, ValueError) as error:
            self._tell(NAME, "broken")
            if str(error) != self._problem:
                self._problem = str(error)
                _log.error("keys_not_fetched", url=self._shown_url, problem=self._problem, effect="the last ones go on")
            return
        self._problem = ""
        if not keys:
            # At each answer, so that the alert goes on.
            self._tell(NAME, "broken")
        if content != self._content:
            self._take(content, keys)

    def _take(self, content: bytes, keys: KeySet) -> None:
        self._content, self.keys = content, keys
        if keys:
            self._tell(NAME, "changed")
            _log.info("keys_fetched", url=self._shown_url, kids=[key.kid for key in keys])
        else:
            problem = "the provider answers with a set that has no usable key"
            _log.error("keys_revoked", url=self._shown_url, problem=problem, effect="no token counts")
        self._on_change()
