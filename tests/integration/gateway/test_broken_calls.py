"""A bug behind the gateway is the log's to know, not the caller's."""

import json
import struct
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from synckairos.composition.listeners.http_port import SERVICES
from synckairos.gateway.application import Application
from synckairos.gateway.backend import Request, Told
from synckairos.gateway.calls import Calls
from synckairos.gateway.failures import CallFailed
from synckairos.gateway.files import Files
from synckairos.gateway.guard import Guard
from testing.harness.http_calls import answered, exchange
from testing.harness.http_ports import served

INTERNALS = "password at 0x7fa9984e2020"
SESSIONS = "/synckairos.v1.SessionService"
WATCH = b"{}"


class BrokenStream:
    """Fails as nothing that is known."""

    def __init__(self, *about: object) -> None:
        self._about = about

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """Yield nothing."""
        if self._about:
            raise RuntimeError(INTERNALS, self._about)
        yield b""

    def end(self, why: CallFailed) -> None:
        """Has ended."""


class Broken:
    """A backend with a bug."""

    async def unary(self, request: Request, told: Told) -> bytes:
        """Fail."""
        raise RuntimeError(INTERNALS, request, told)

    def stream(self, request: Request, told: Told) -> BrokenStream:
        """Begin what fails."""
        return BrokenStream(request, told)

    async def is_serving(self) -> bool:
        """Whether it says so."""
        return True


@pytest.fixture
def application() -> Application:
    """The gateway before it."""
    backend = Broken()
    return Application(backend, Calls(backend, SERVICES), Guard(1, hosts=("127.0.0.1",)), Files())


async def test_a_call_that_meets_a_bug_tells_nothing_of_it(
    application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served(application) as address:
        answer = await answered(address, f"{SESSIONS}/GetSession", b"{}", content_type="application/json")

    _is_told_nothing(answer.json())
    assert answer.status == 500
    assert INTERNALS in capsys.readouterr().out


async def test_a_stream_that_meets_a_bug_tells_nothing_of_it(application: Application) -> None:
    body = struct.pack(">BI", 0, len(WATCH)) + WATCH
    async with (
        served(application) as address,
        exchange(address, f"{SESSIONS}/WatchSession", body, content_type="application/connect+json") as call,
    ):
        end = await call.json_frame()

    _is_told_nothing(end["end_of_stream"]["error"])


def _is_told_nothing(error: dict[str, Any]) -> None:
    assert error["code"] == "internal"
    assert INTERNALS not in json.dumps(error)
