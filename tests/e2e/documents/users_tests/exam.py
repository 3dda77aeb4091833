"""An exam with a break, in a test without asyncio."""

from synckairos.client.testing import EmbeddedStack, SyncManualClock
from synckairos.v1 import session_pb2


def test_a_break_moves_the_end(synckairos_stack: EmbeddedStack) -> None:
    """Ninety minutes, and twenty between that do not count."""
    with synckairos_stack.connect_sync() as client:
        created = client.create_session(session_pb2.MODE_GLOBAL, total_time_ms=90 * 60_000, manual_clock=True)
        clock = SyncManualClock(client, created.session.session_id)
        client.start_session(clock.session_id)

        clock.advance(minutes=45)
        client.pause_session(clock.session_id)
        clock.advance(minutes=20)
        client.resume_session(clock.session_id)

        assert clock.advance(minutes=44).remaining_ms == 60_000
        assert clock.advance(minutes=1).status == session_pb2.STATUS_EXPIRED
