"""A ten-minute game, played in milliseconds: the session's clock is the test's own."""

from uuid import uuid4

import pytest

from synckairos.client.testing import EmbeddedStack, ManualClock
from synckairos.v1 import session_pb2

WHITE, BLACK = str(uuid4()), str(uuid4())


@pytest.mark.asyncio
async def test_white_loses_on_time(synckairos_stack: EmbeddedStack) -> None:
    """Ten minutes for each, five seconds more a move; White thinks too long about the second one."""
    async with await synckairos_stack.connect() as client:
        created = await client.create_session(
            session_pb2.MODE_PER_PARTICIPANT,
            participants=[session_pb2.ParticipantSpec(participant_id=player) for player in (WHITE, BLACK)],
            time_control_text="600+5",
            manual_clock=True,
        )
        clock = ManualClock(client, created.session.session_id)
        await client.start_session(clock.session_id)

        await clock.advance(minutes=3)
        played = (await client.switch_cycle(clock.session_id)).session
        assert played.participants[0].time_remaining_ms == 7 * 60_000 + 5_000

        await clock.advance(seconds=30)
        await client.switch_cycle(clock.session_id)
        await clock.advance(minutes=7, seconds=4, ms=999)
        assert (await client.get_session(clock.session_id)).session.status == session_pb2.STATUS_RUNNING

        ended = await clock.advance(ms=1)

        assert ended.status == session_pb2.STATUS_EXPIRED
        assert ended.winner_participant_id == BLACK
