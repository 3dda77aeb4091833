"""Errors as browsers see them."""

import grpc
from connectrpc.code import Code
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from protobuf import message_to_json_value

from synckairos.gateway.failures import STATUS_DETAILS, CallFailed


def failure_with(*details: AnyMessage) -> CallFailed:
    """Return an error with these details."""
    status = status_pb2.Status(code=5, message="gone", details=details)
    return CallFailed(grpc.StatusCode.NOT_FOUND, "gone", ((STATUS_DETAILS, status.SerializeToString()),))


def test_known_details_are_shown_and_others_pass_unseen() -> None:
    """A type that this process does not know, and bytes that are not of their type, still reach the caller."""
    known = AnyMessage()
    known.Pack(error_details_pb2.ErrorInfo(reason="X", metadata={"session_id": "1"}))
    unknown = AnyMessage(type_url="type.googleapis.com/some.Other", value=b"\x08\x01")
    broken = AnyMessage(type_url=known.type_url, value=b"\xff")

    error = failure_with(known, unknown, broken).as_connect_error()

    first, second, third = error.details
    shown = first.value()
    assert (error.code, error.message) == (Code.NOT_FOUND, "gone")
    assert shown is not None
    assert message_to_json_value(shown) == {"reason": "X", "metadata": {"session_id": "1"}}
    assert (second.type_name, second.message_bytes, second.value()) == ("some.Other", b"\x08\x01", None)
    assert (third.message_bytes, third.value()) == (b"\xff", None)


def test_a_status_that_cannot_be_read_costs_only_the_details() -> None:
    """The code and the text are known without it."""
    failure = CallFailed(grpc.StatusCode.CANCELLED, "why", ((STATUS_DETAILS, b"\xff\xff"),))

    error = failure.as_connect_error()

    assert (error.code, error.message, list(error.details)) == (Code.CANCELED, "why", [])
