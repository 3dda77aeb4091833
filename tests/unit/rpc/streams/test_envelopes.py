"""Frames as the messages of a stream: the envelope of each payload, encoded once."""

from typing import Any

import pytest

from synckairos.application.streams import frames
from synckairos.application.streams.frames import EndReason, Frame, FrameKind, GapReason
from synckairos.domain.commands import Start
from synckairos.domain.model import Head
from synckairos.rpc import tokens
from synckairos.rpc.mapping import event_message, session_message, tick_message
from synckairos.rpc.streams.envelopes import encoded, envelope
from synckairos.rpc.timestamps import timestamp
from synckairos.v1 import event_pb2
from synckairos.v1.session_service_pb2 import WatchSessionResponse, WatchSessionsResponse
from testing.harness.playing.plays import ANN, BORN, BUDGET, KINDS, RED, SID, Play

PLAY = Play(KINDS["group"])
RUNNING = PLAY.do(250, Start())
AT = BORN + 1_000
LATER = BORN + 250 + BUDGET - 5_000

FRAMES: dict[str, tuple[Frame, Any]] = {
    "snapshot": (frames.snapshot(RUNNING, AT), session_message(RUNNING, AT)),
    "event": (frames.of_event(PLAY.events[-1]), event_message(PLAY.events[-1])),
    "tick": (Frame(FrameKind.TICK, SID, RUNNING, AT), tick_message(RUNNING, AT)),
    "warning": (
        Frame(FrameKind.WARNING, SID, RUNNING, LATER, value=5_000),
        event_pb2.Warning(threshold_ms=5_000, remaining_ms=5_000, participant_id=ANN, group_id=RED, cycle_number=1),
    ),
    "progress": (Frame(FrameKind.PROGRESS, SID, RUNNING, AT), event_pb2.Progress(version=2)),
    "gap": (
        frames.gap(RUNNING, AT, GapReason.WINDOW_PASSED, 17),
        event_pb2.Gap(reason=event_pb2.GAP_REASON_WINDOW_PASSED, min_version=17),
    ),
    "end": (
        frames.end(SID, RUNNING, AT, EndReason.DRAINING, 300),
        event_pb2.End(reason=event_pb2.END_REASON_DRAINING, retry_after_ms=300),
    ),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_every_message_says_where_the_stream_stands(kind: str) -> None:
    """Session, epoch, version and instant surround each payload; an event's instant is its own."""
    frame, payload = FRAMES[kind]

    message = envelope(frame)

    assert message.WhichOneof("payload") == kind
    assert getattr(message, kind) == payload
    assert (message.session_id, message.epoch, message.version) == (SID, RUNNING.epoch, 2)
    instant = {"event": RUNNING.updated_at, "warning": LATER}.get(kind, AT)
    assert message.server_time == timestamp(instant)


@pytest.mark.parametrize("kind", [kind for kind in FRAMES if kind != "gap"])
def test_every_message_can_be_resumed_from(kind: str) -> None:
    """Each token stands for the version the stream has reached with this message."""
    frame, _ = FRAMES[kind]

    token = envelope(frame).resume_token

    assert tokens.read_resume(SID, token) == Head(RUNNING.epoch, 2, RUNNING.change_id)


def test_a_gap_cannot_be_resumed_from() -> None:
    """A reader that leaves between a gap and its snapshot has not seen the state to resume from."""
    frame, _ = FRAMES["gap"]

    assert not envelope(frame).resume_token


def test_an_unknown_session_has_an_end_and_nothing_else() -> None:
    """There is no epoch, version or token of a session that does not exist."""
    message = envelope(frames.end(SID, None, AT, EndReason.NOT_FOUND))

    assert message == WatchSessionResponse(
        session_id=SID, server_time=timestamp(AT), end=event_pb2.End(reason=event_pb2.END_REASON_NOT_FOUND)
    )


@pytest.mark.parametrize("kind", FRAMES)
def test_both_streams_read_the_same_bytes(kind: str) -> None:
    """WatchSessions is written the bytes made for WatchSession: field for field they must mean the same."""
    raw = encoded(FRAMES[kind][0])

    one, many = WatchSessionResponse.FromString(raw), WatchSessionsResponse.FromString(raw)

    assert {field.name: value for field, value in many.ListFields()} == {
        field.name: value for field, value in one.ListFields()
    }
    assert many.SerializeToString() == one.SerializeToString()


def test_a_frame_is_encoded_once() -> None:
    """A thousand subscribers are written the same bytes object."""
    frame = frames.snapshot(RUNNING, AT)

    assert encoded(frame) is encoded(frame)


@pytest.mark.parametrize("at", [BORN - 5_000, BORN, BORN + 250], ids=["before", "at creation", "at its version"])
def test_a_snapshot_is_never_older_than_its_version(at: int) -> None:
    """An estimate of the clock that lags does not show a session before it came to be."""
    assert envelope(frames.snapshot(RUNNING, at)).server_time == timestamp(BORN + 250)
