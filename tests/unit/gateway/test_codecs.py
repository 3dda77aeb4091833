"""What a caller's bytes can make the gateway do before any handler sees them."""

import gzip
import json
import zlib

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError

from synckairos.gateway.codecs import MAX_VALUES, JsonCodec, SmallGzip
from synckairos.rpc.server import MAX_RECEIVE_BYTES
from synckairos.v1 import session_service_pb2

CREATE = session_service_pb2.CreateSessionRequest


def refused(text: bytes) -> ConnectError:
    """Return the error of a JSON text that is refused."""
    with pytest.raises(ConnectError) as caught:
        JsonCodec().decode(text, CREATE)
    return caught.value


@pytest.mark.parametrize("field", ["metadata", "labels", "participants", "warningThresholdsMs"])
def test_a_text_that_utf_8_cannot_hold_is_refused_with_its_details(field: str) -> None:
    """Half a surrogate pair: what is wrong is quoted, and the quotation must be a text again."""
    error = refused(b'{"%s": "\\ud800"}' % field.encode())

    assert error.code is Code.INVALID_ARGUMENT
    assert error.message.startswith("request: cannot be read")
    assert [detail.type_name for detail in error.details] == ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]


@pytest.mark.parametrize(
    ("before", "value", "after"), [(b'{"participants":[', b"{}", b"]}"), (b'{"metadata":{"a":[', b"1", b"]}}")]
)
def test_more_values_than_any_session_has_are_not_read(before: bytes, value: bytes, after: bytes) -> None:
    """A kilobyte of gzip would hold up every call and stream of the process for seconds."""
    error = refused(before + b",".join([value] * MAX_VALUES) + after)

    assert error.code is Code.INVALID_ARGUMENT
    assert str(MAX_VALUES) in error.message


def test_the_largest_session_is_read() -> None:
    """A thousand participants with what people call them."""
    people = [{"participantId": str(place), "metadata": {"name": "a, b", "rating": place}} for place in range(1_000)]

    message = CREATE.FromString(JsonCodec().decode(json.dumps({"participants": people}).encode(), CREATE).encoded)

    assert len(message.participants) == len(people)


def test_gzip_of_one_member_is_unpacked_up_to_the_limit() -> None:
    """A byte more is too much."""
    packed = SmallGzip().compress(b"x" * 1_000)

    assert SmallGzip().decompress(packed, 1_000) == b"x" * 1_000
    with pytest.raises(ConnectError) as caught:
        SmallGzip().decompress(packed, 999)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


def test_gzip_of_many_members_is_refused() -> None:
    """Empty ones cost time by the square of their number, and unpack to nothing that has a limit."""
    members = gzip.compress(b"") * (MAX_RECEIVE_BYTES // 20)

    with pytest.raises(zlib.error):
        SmallGzip().decompress(members, MAX_RECEIVE_BYTES)


def test_gzip_that_breaks_off_is_refused() -> None:
    """However much of it could be read."""
    with pytest.raises(EOFError):
        SmallGzip().decompress(SmallGzip().compress(b"x" * 1_000)[:-1], 1_000)
