"""From what a server says to the error that is raised: the one table of reasons."""

from collections.abc import Iterator
from typing import Any, Final

import grpc
from google.rpc import error_details_pb2, status_pb2

from synckairos.client.errors import DeadlineExceeded, FieldViolation, SyncKairosError, Unreachable

DOMAIN: Final = "synckairos.dev"
STATUS_TRAILER: Final = "grpc-status-details-bin"
CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


def _all_kinds(kind: type[SyncKairosError]) -> Iterator[type[SyncKairosError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _all_kinds(below)


BY_REASON: Final = {kind.known_reason: kind for kind in _all_kinds(SyncKairosError) if kind.known_reason}
"""The class of every reason."""

WITHOUT_REASON: Final[dict[grpc.StatusCode, type[SyncKairosError]]] = {
    grpc.StatusCode.UNAVAILABLE: Unreachable,
    grpc.StatusCode.CANCELLED: Unreachable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}
"""The classes of errors that come from gRPC itself."""

PASSING: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
BROKEN: Final = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
"""What gRPC makes of a connection that broke in the middle of a frame; a server's own INTERNAL has a reason."""


def is_passing(error: SyncKairosError) -> bool:
    """Whether another server, or the same one in a moment, would not say it again."""
    return error.code in PASSING or (error.code in BROKEN and not error.reason) or error.retry_after_s is not None


def error_of(error: grpc.RpcError) -> SyncKairosError:
    """Return what a failed call says, `grpc`'s or `grpc.aio`'s."""
    call: Any = error  # the errors of both are calls as well, which their common base does not say
    trailers = call.trailing_metadata() or ()
    details = next((value for name, value in trailers if name == STATUS_TRAILER), b"")
    status = status_pb2.Status.FromString(details if isinstance(details, bytes) else b"")
    return _error(call.code(), call.details() or "", status)


def error_of_status(status: status_pb2.Status) -> SyncKairosError:
    """Return what the answer to a command says that was refused."""
    return _error(CODES.get(status.code, grpc.StatusCode.UNKNOWN), status.message, status)


def _error(code: grpc.StatusCode, message: str, status: status_pb2.Status) -> SyncKairosError:
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    retry_after_s: float | None = None
    for detail in status.details:
        if detail.Unpack(retry):
            retry_after_s = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
        elif not detail.Unpack(info):
            detail.Unpack(bad)
    reason = info.reason if info.domain == DOMAIN else ""
    fields = [FieldViolation(violation.field, violation.description) for violation in bad.field_violations]
    kind = BY_REASON.get(reason, SyncKairosError) if reason else WITHOUT_REASON.get(code, SyncKairosError)
    return kind(code, message, reason, dict(info.metadata), fields, retry_after_s)
