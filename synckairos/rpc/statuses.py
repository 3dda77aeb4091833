"""The one table from errors to google.rpc.Status; how long a client should wait, the error says."""

from functools import lru_cache
from typing import Final, TypeAlias

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from synckairos.application import errors as application
from synckairos.domain import errors as domain
from synckairos.domain.tenancy import bare_id

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]

DOMAIN: Final = "synckairos.dev"
INTERNAL_TEXT: Final = "internal error; the server's log has the details under the request id"
PUSHBACK_HEADER: Final = "grpc-retry-pushback-ms"
MAX_VIOLATIONS: Final = 20
MAX_VIOLATIONS_BYTES: Final = 3_000
MAX_TEXT_BYTES: Final = 256
"""Limits of a status: it travels base64- and percent-encoded in trailers, which clients limit to 8 KB."""

CODES: Final[dict[type[domain.SyncKairosError], grpc.StatusCode]] = {
    domain.InvalidField: grpc.StatusCode.INVALID_ARGUMENT,
    domain.RequestIdReused: grpc.StatusCode.INVALID_ARGUMENT,
    domain.SessionNotFound: grpc.StatusCode.NOT_FOUND,
    domain.ParticipantNotFound: grpc.StatusCode.NOT_FOUND,
    domain.GroupNotFound: grpc.StatusCode.NOT_FOUND,
    domain.SessionAlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    domain.ParticipantAlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    domain.InvalidStateTransition: grpc.StatusCode.FAILED_PRECONDITION,
    domain.ParticipantExpired: grpc.StatusCode.FAILED_PRECONDITION,
    domain.SessionExpired: grpc.StatusCode.FAILED_PRECONDITION,
    domain.VersionConflict: grpc.StatusCode.ABORTED,
    domain.TurnAdvanced: grpc.StatusCode.ABORTED,
    application.Contention: grpc.StatusCode.ABORTED,
    application.AuditBacklog: grpc.StatusCode.RESOURCE_EXHAUSTED,
    application.AuditUnavailable: grpc.StatusCode.UNAVAILABLE,
    application.SlowConsumer: grpc.StatusCode.RESOURCE_EXHAUSTED,
    application.StoreUnavailable: grpc.StatusCode.UNAVAILABLE,
    application.OutcomeUnknown: grpc.StatusCode.UNAVAILABLE,
    application.CatchingUp: grpc.StatusCode.UNAVAILABLE,
    application.Draining: grpc.StatusCode.UNAVAILABLE,
    application.Overloaded: grpc.StatusCode.UNAVAILABLE,
    application.RateLimited: grpc.StatusCode.RESOURCE_EXHAUSTED,
    application.CredentialsMissing: grpc.StatusCode.UNAUTHENTICATED,
    application.CredentialsInvalid: grpc.StatusCode.UNAUTHENTICATED,
    application.CredentialsExpired: grpc.StatusCode.UNAUTHENTICATED,
    application.ScopeMissing: grpc.StatusCode.PERMISSION_DENIED,
}


def is_expected(error: BaseException) -> bool:
    """Whether the error is an answer; any other error is a bug or a broken part."""
    return _code_of(error) is not None


def _code_of(error: BaseException) -> grpc.StatusCode | None:
    """Return the code of the error's class, or of its nearest base in the table: adapters raise subclasses."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), None)


def status_of(error: BaseException, request_id: str) -> tuple[grpc.StatusCode, status_pb2.Status]:
    """Return the code and the full status of an error; an unexpected error reveals nothing about itself."""
    code = _code_of(error)
    if not isinstance(error, domain.SyncKairosError) or code is None:
        info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"request_id": request_id})
        return grpc.StatusCode.INTERNAL, _status(grpc.StatusCode.INTERNAL, INTERNAL_TEXT, [info])
    # The tenant in front of a session's id is nothing to callers, who name it without.
    named = error.details.get("session_id", "")
    text, bare = str(error), bare_id(named)
    if bare != named:
        text = text.replace(named, bare)
    metadata = {name: _shortened(bare if value == named else value) for name, value in error.details.items()}
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)]
    if isinstance(error, domain.InvalidField | domain.RequestIdReused):
        details.append(_bad_request(error.violations))
    if isinstance(error, application.TransientError):
        details.append(_retry_info(error.retry_after_ms))
    return code, _status(code, _shortened(text), details)


def refusal_of(error: application.Overloaded) -> tuple[grpc.StatusCode, str, Metadata]:
    """Return the code, the text and the trailers of a refusal."""
    return _refusal(error.retry_after_ms, error.was_tried)


@lru_cache(maxsize=1_024)
def _refusal(retry_after_ms: int, was_tried: bool) -> tuple[grpc.StatusCode, str, Metadata]:
    error = application.Overloaded(retry_after_ms / 1_000, was_tried=was_tried)
    code, status = status_of(error, "")
    return code, status.message, (*rpc_status.to_status(status).trailing_metadata, *pushback_of(error))


def pushback_of(error: BaseException) -> tuple[tuple[str, str], ...]:
    """Return the trailer that tells gRPC's own retries to wait as long as RetryInfo says; none without RetryInfo."""
    return ((PUSHBACK_HEADER, str(error.pushback_ms)),) if isinstance(error, application.TransientError) else ()


def code_of(error: BaseException) -> grpc.StatusCode:
    """Return the code with which an error is answered."""
    return _code_of(error) or grpc.StatusCode.INTERNAL


def reason_of(error: BaseException) -> str:
    """Return the reason with which an error is answered."""
    return error.reason if isinstance(error, domain.SyncKairosError) and is_expected(error) else "INTERNAL"


def _bad_request(violations: list[domain.FieldViolation]) -> error_details_pb2.BadRequest:
    told = error_details_pb2.BadRequest()
    for path, text in violations[:MAX_VIOLATIONS]:
        told.field_violations.add(field=_shortened(path), description=_shortened(text))
        if told.ByteSize() > MAX_VIOLATIONS_BYTES:
            del told.field_violations[-1]
            break
    return told


def _retry_info(after_ms: int) -> error_details_pb2.RetryInfo:
    delay = Duration(seconds=after_ms // 1_000, nanos=after_ms % 1_000 * 1_000_000)
    return error_details_pb2.RetryInfo(retry_delay=delay)


def _status(code: grpc.StatusCode, message: str, details: list[Message]) -> status_pb2.Status:
    status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message=message)
    for detail in details:
        status.details.add().Pack(detail)
    return status


def _shortened(text: str) -> str:
    encoded = text.encode()
    if len(encoded) <= MAX_TEXT_BYTES:
        return text
    return encoded[: MAX_TEXT_BYTES - len("…".encode())].decode(errors="ignore") + "…"
