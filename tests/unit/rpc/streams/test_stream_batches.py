"""Encoded messages put together by hand are what Protobuf would write."""

from typing import Any

import pytest

from synckairos.rpc.streams import writing
from synckairos.rpc.streams.writing import in_batches, repeated
from synckairos.v1 import session_service_pb2 as pb

FRAMES = pb.WatchSessionsResponse.FRAMES_FIELD_NUMBER
OUTCOMES = pb.ExecuteCommandsResponse.OUTCOMES_FIELD_NUMBER


def text_of(size: int) -> str:
    """Return an id of this many bytes."""
    return "x" * size


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 16_380, 16_381, 16_382, 2_097_150])
def test_lengths_of_every_number_of_bytes_are_read_back(size: int) -> None:
    """Around each power of 128 a length takes one byte more."""
    outcomes = [pb.CommandOutcome(command_id=text_of(each)) for each in (size, 1, size)]

    encoded = repeated(OUTCOMES, [one.SerializeToString() for one in outcomes])

    assert encoded == pb.ExecuteCommandsResponse(outcomes=outcomes).SerializeToString()


@pytest.mark.parametrize("kind", [pb.ExecuteCommandsRequest.COMMANDS_FIELD_NUMBER, 2_000])
def test_high_numbers_of_fields_are_read_back(kind: int) -> None:
    """From 16 on a field's tag takes more than one byte."""
    command = pb.Command(command_id="c").SerializeToString()

    encoded = repeated(kind, [command])

    message: Any = pb.ExecuteCommandsRequest.FromString(encoded)
    if kind == pb.ExecuteCommandsRequest.COMMANDS_FIELD_NUMBER:
        assert message == pb.ExecuteCommandsRequest(commands=[pb.Command(command_id="c")])
    else:
        assert message.SerializeToString() == encoded  # an unknown field, kept as it came


def test_messages_share_a_batch_up_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, as many as fit; a message that is left alone stays itself, and so does one that is too large."""
    sizes = [40, 40, 40, 300, 10, 10]
    frames = [pb.WatchSessionsResponse(session_id=text_of(size)) for size in sizes]
    monkeypatch.setattr(writing, "MAX_BATCH_BYTES", 100)

    messages = in_batches(FRAMES, [frame.SerializeToString() for frame in frames])

    read = [pb.WatchSessionsResponse.FromString(message) for message in messages]
    assert [[len(each.session_id) for each in message.frames] for message in read] == [[40, 40], [], [], [10, 10]]
    assert [message for message in read if not message.frames] == [frames[2], frames[3]]
    assert list(in_batches(FRAMES, [])) == []
