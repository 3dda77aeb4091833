"""Errors on their way from a backend to a browser, details included."""

import json
from collections.abc import Sequence
from typing import Final

import grpc
import structlog
from connectrpc.code import Code
from connectrpc.errors import ConnectError, ErrorDetail
from google.protobuf import any_pb2, descriptor_pool, json_format
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from protobuf.wkt import Any as WireAny
from protobuf.wkt import Struct

from synckairos.application.errors import Draining
from synckairos.gateway.metadata import Metadata
from synckairos.rpc.statuses import status_of

STATUS_DETAILS: Final = "grpc-status-details-bin"
POOL: Final = descriptor_pool.Default()
KNOWN_DETAILS: Final = error_details_pb2.DESCRIPTOR.name
"""Loaded for the sake of `debug`: the pool then knows the types that SyncKairos' errors carry."""

_log = structlog.get_logger(__name__)


class CallFailed(Exception):
    """A call has ended with another code than OK."""

    def __init__(self, code: grpc.StatusCode, message: str, trailers: Metadata) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.trailers = trailers

    def as_connect_error(self) -> ConnectError:
        """Return the error as it leaves in any of the protocols, with its google.rpc.Status' details."""
        encoded = next((value for key, value in self.trailers if key == STATUS_DETAILS), b"")
        return ConnectError(_code_of(self.code), self.message, _details_in(encoded))


class Detail(ErrorDetail):
    """A detail of any type; Connect's JSON shows it in `debug` where its type is known here."""

    def value(self, _kind: object = None, /) -> Struct | None:  # type: ignore[override] # one answer to all its forms
        """Return the detail as JSON's structure, or None if its type is not known or its bytes are not of it."""
        try:
            POOL.FindMessageTypeByName(self.type_name)
            detail = any_pb2.Any(type_url=f"type.googleapis.com/{self.type_name}", value=self.message_bytes)
            fields = json_format.MessageToDict(detail)
        except (KeyError, TypeError, DecodeError):
            return None
        del fields["@type"]
        # A well-known type stands beneath `value`, and may be no object at all.
        shown = fields["value"] if set(fields) == {"value"} and isinstance(fields["value"], dict) else fields
        return Struct.from_json(json.dumps(shown))


def details_of(status: status_pb2.Status) -> Sequence[Detail]:
    """Return the details of a status."""
    return [Detail(WireAny(type_url=detail.type_url, value=detail.value)) for detail in status.details]


def draining() -> CallFailed:
    """Return the error of a call that finds this port about to close."""
    code, status = status_of(Draining("this server is shutting down"), "")
    return CallFailed(code, status.message, ((STATUS_DETAILS, status.SerializeToString()),))


def broken(path: str, error: Exception) -> ConnectError:
    """Return the error of a call that has met a bug: the log has what it was, the caller learns nothing of it."""
    _log.error("call_broke", method=path, exc_info=error)
    code, status = status_of(error, "")
    return ConnectError(_code_of(code), status.message, details_of(status))


def _code_of(code: grpc.StatusCode) -> Code:
    return Code.CANCELED if code is grpc.StatusCode.CANCELLED else Code[code.name]


def _details_in(encoded: str | bytes) -> Sequence[Detail]:
    if not isinstance(encoded, bytes):
        return ()
    try:
        return details_of(status_pb2.Status.FromString(encoded))
    except DecodeError:
        return ()
