"""For the tests of those who build upon SyncKairos: sessions whose time a test moves, and a server to play them on.

    async def test_a_flag_falls(synckairos_stack):
        async with await synckairos_stack.connect() as client:
            created = await client.create_session(MODE_GLOBAL, total_time_ms=600_000, manual_clock=True)
            clock = ManualClock(client, created.session.session_id)
            await client.start_session(clock.session_id)
            session = await clock.advance(minutes=10)
            assert session.status == STATUS_EXPIRED

The fixture `synckairos_stack` needs nothing but pytest and `synckairos[embedded]`; `synckairos.client.sync` and
`SyncManualClock` do the same in tests without asyncio.
"""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Final, Protocol

from synckairos.client.embedded_stack import EmbeddedStack, StackUnavailable
from synckairos.v1 import session_pb2
from synckairos.v1.session_service_pb2 import AdvanceClockResponse

__all__ = ["EmbeddedStack", "ManualClock", "StackUnavailable", "SyncManualClock"]

MILLISECOND: Final = timedelta(milliseconds=1)


class AdvancesClocks(Protocol):
    """What a ManualClock needs of a client."""

    def advance_clock(self, session_id: str, by_ms: int) -> Awaitable[AdvanceClockResponse]:
        """Advance the manual clock of a session."""


class SyncAdvancesClocks(Protocol):
    """What a SyncManualClock needs of a client."""

    def advance_clock(self, session_id: str, by_ms: int) -> AdvanceClockResponse:
        """Advance the manual clock of a session."""


class ManualClock:
    """The clock of a session that was created with `manual_clock`; nothing but `advance` moves it."""

    def __init__(self, client: AdvancesClocks, session_id: str) -> None:
        self._client = client
        self.session_id: Final = session_id

    async def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0, ms: float = 0
    ) -> session_pb2.Session:
        """Let time pass, at least 1 ms and at most 28 days, and return the session as it looks then.

        What falls due on the way happens at its own instant, as if the time had passed. Raises what the client raises,
        such as InvalidField with more than 100 such instants on the way.
        """
        by = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, milliseconds=ms)
        return (await self._client.advance_clock(self.session_id, by // MILLISECOND)).session


class SyncManualClock:
    """The twin of ManualClock for tests without asyncio."""

    def __init__(self, client: SyncAdvancesClocks, session_id: str) -> None:
        self._client = client
        self.session_id: Final = session_id

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0, ms: float = 0
    ) -> session_pb2.Session:
        """Let time pass, at least 1 ms and at most 28 days, and return the session as it looks then; as ManualClock."""
        by = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, milliseconds=ms)
        return self._client.advance_clock(self.session_id, by // MILLISECOND).session
