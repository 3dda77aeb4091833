"""The table of errors: complete, as in the contract, and small enough to travel."""

import inspect
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from synckairos.application import errors as application
from synckairos.domain import errors as domain
from synckairos.domain.errors import FieldViolation, InvalidField, SyncKairosError
from synckairos.domain.model import Status
from synckairos.rpc.statuses import CODES, INTERNAL_TEXT, is_expected, pushback_of, reason_of, status_of

CONTRACT: dict[str, set[str]] = {
    "INVALID_ARGUMENT": {"INVALID_FIELD", "REQUEST_ID_REUSED"},
    "NOT_FOUND": {"SESSION_NOT_FOUND", "PARTICIPANT_NOT_FOUND", "GROUP_NOT_FOUND"},
    "ALREADY_EXISTS": {"SESSION_ALREADY_EXISTS", "PARTICIPANT_ALREADY_EXISTS"},
    "FAILED_PRECONDITION": {"INVALID_STATE_TRANSITION", "PARTICIPANT_EXPIRED", "SESSION_EXPIRED"},
    "ABORTED": {"VERSION_CONFLICT", "TURN_ADVANCED", "CONTENTION"},
    "RESOURCE_EXHAUSTED": {"RATE_LIMITED", "SLOW_CONSUMER", "AUDIT_BACKLOG"},
    "UNAUTHENTICATED": {"CREDENTIALS_MISSING", "CREDENTIALS_INVALID", "CREDENTIALS_EXPIRED"},
    "PERMISSION_DENIED": {"SCOPE_MISSING"},
    "UNAVAILABLE": {
        "STORE_UNAVAILABLE",
        "AUDIT_UNAVAILABLE",
        "OUTCOME_UNKNOWN",
        "CATCHING_UP",
        "DRAINING",
        "OVERLOADED",
    },
}
"""Codes and reasons, as clients know them."""

EXAMPLES: list[SyncKairosError] = [
    InvalidField([FieldViolation("a.b", "is wrong")]),
    domain.RequestIdReused("r"),
    domain.SessionNotFound("s"),
    domain.ParticipantNotFound("p"),
    domain.GroupNotFound("g"),
    domain.SessionAlreadyExists("s"),
    domain.ParticipantAlreadyExists("p"),
    domain.InvalidStateTransition(Status.PENDING, "switch"),
    domain.ParticipantExpired("p"),
    domain.SessionExpired("s"),
    domain.VersionConflict(3, 4),
    domain.TurnAdvanced(3, 0, expected="p"),
    application.StoreUnavailable("down"),
    application.OutcomeUnknown("broke"),
    application.CatchingUp("behind"),
    application.Draining("going"),
    application.Contention("busy"),
    application.SlowConsumer("slow"),
    application.AuditUnavailable("away"),
    application.AuditBacklog("full"),
    application.CredentialsMissing(),
    application.CredentialsInvalid("why, for the log"),
    application.CredentialsExpired(),
    application.ScopeMissing("sessions:read"),
    application.Overloaded(1.25),
    application.RateLimited("calls_per_second", 100.0, "too many", 300),
]
WITH_RETRY = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")
MAX_TRAILERS = 8_192


def concrete_errors() -> Iterator[type[SyncKairosError]]:
    """Return every error class that says a reason of its own."""
    for module in (domain, application):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, SyncKairosError) and "reason" in vars(kind):
                yield kind


def details_of(error: BaseException) -> tuple[status_pb2.Status, dict[str, Any]]:
    """Return the status of an error and its details by type."""
    _, status = status_of(error, "r-1")
    kinds = {kind.DESCRIPTOR.full_name: kind for kind in vars(error_details_pb2).values() if inspect.isclass(kind)}
    details: dict[str, Any] = {}
    for packed in status.details:
        name = packed.TypeName()
        assert name not in details
        details[name.rsplit(".", 1)[1]] = message = kinds[name]()
        assert packed.Unpack(message)
    return status, details


def pauses(details: dict[str, Any]) -> list[error_details_pb2.RetryInfo]:
    """Return how long a client is asked to wait, if it is."""
    return [details["RetryInfo"]] if "RetryInfo" in details else []


@pytest.mark.parametrize(
    "error",
    [
        domain.SessionNotFound("acme/1"),
        application.Contention("session acme/1 stayed busy", session_id="acme/1", attempts=3),
        application.SessionUnreadable("session acme/1: layout 9 is none of (1, 2)", session_id="acme/1"),
    ],
)
def test_a_session_is_named_as_its_tenant_knows_it(error: SyncKairosError) -> None:
    """In the text and in what programs read; a log may say more."""
    status, details = details_of(error)

    assert "acme" not in str(status)
    assert "session 1" in status.message
    assert details["ErrorInfo"].metadata["session_id"] == "1"
    assert "acme/1" in str(error)


def test_every_error_stands_in_the_table() -> None:
    """An error without a row would be answered as a bug; there is an example of each, too."""
    errors = set(concrete_errors())

    assert errors == set(CODES)
    assert errors == {type(error) for error in EXAMPLES}


def test_a_kind_of_an_error_is_answered_as_the_error() -> None:
    """A subclass of an adapter is answered like its base."""

    class NobodyListens(application.AuditUnavailable):
        """A kind of it."""

    error = NobodyListens("the database cannot be reached")

    code, status = status_of(error, "r-1")

    assert (code, reason_of(error)) == (grpc.StatusCode.UNAVAILABLE, "AUDIT_UNAVAILABLE")
    assert status.message == "the database cannot be reached"
    assert is_expected(error)


def test_the_table_is_the_contracts() -> None:
    """Each reason belongs to one class and has the code the contract gives it."""
    reasons = [kind.reason for kind in CODES]

    assert len(reasons) == len(set(reasons))
    for kind, code in CODES.items():
        assert kind.reason in CONTRACT[code.name], kind


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: error.reason)
def test_every_answer_says_why(error: SyncKairosError) -> None:
    """Every error has ErrorInfo, one worth a retry has RetryInfo, one about a wrong request has BadRequest."""
    code, _ = status_of(error, "r-1")
    status, details = details_of(error)

    info = details["ErrorInfo"]
    assert (info.reason, info.domain) == (error.reason, "synckairos.dev")
    assert dict(info.metadata) == error.details
    assert status.code == code.value[0]
    assert (code.name, error.reason) == (CODES[type(error)].name, reason_of(error))
    assert ("RetryInfo" in details) == (code.name in WITH_RETRY)
    if "RetryInfo" in details:
        assert details["RetryInfo"].retry_delay.ToMilliseconds() > 0
    told = [("grpc-retry-pushback-ms", str(one.retry_delay.ToMilliseconds())) for one in pauses(details)]
    assert list(pushback_of(error)) == told
    assert ("BadRequest" in details) == (code is grpc.StatusCode.INVALID_ARGUMENT)


def test_violations_keep_their_paths_and_order() -> None:
    """Every violation has its path and its description."""
    _, details = details_of(InvalidField([FieldViolation("a[0].b", "is wrong"), FieldViolation("c", "is missing")]))

    told = [(violation.field, violation.description) for violation in details["BadRequest"].field_violations]
    assert told == [("a[0].b", "is wrong"), ("c", "is missing")]


@pytest.mark.parametrize(
    ("error", "metadata"),
    [
        pytest.param(domain.InvalidStateTransition(Status.PENDING, "switch"), {"from": "PENDING", "verb": "switch"}),
        pytest.param(domain.VersionConflict(3, 4), {"expected": "3", "actual": "4"}),
        pytest.param(domain.ParticipantExpired("p"), {"participant_id": "p", "group_id": ""}),
        pytest.param(
            domain.TurnAdvanced(3, 2, expired="a", active="b"),
            {
                "expired_participant_id": "a",
                "active_participant_id": "b",
                "expected_active_participant_id": "",
                "cycle_number": "3",
                "expected_cycle_number": "2",
            },
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_dynamic_text_is_repeated_as_facts(error: SyncKairosError, metadata: dict[str, str]) -> None:
    """No client has to parse a message: from and verb, expected and actual, the expired and the active participant."""
    _, details = details_of(error)

    assert dict(details["ErrorInfo"].metadata) == metadata


class Surprising(SyncKairosError):
    """Not in the table."""

    reason = "SURPRISING"


@pytest.mark.parametrize(
    "error",
    [RuntimeError("secret"), application.CommitBroken("secret"), Surprising("secret"), KeyError("secret")],
    ids=lambda error: type(error).__name__,
)
def test_anything_else_is_internal(error: Exception) -> None:
    """An error outside the table is a bug: one fixed text, the request id, nothing of its own."""
    code, status = status_of(error, "r-1")

    assert code is grpc.StatusCode.INTERNAL
    assert (is_expected(error), reason_of(error)) == (False, "INTERNAL")
    assert status.message == INTERNAL_TEXT
    assert b"secret" not in status.SerializeToString()


WIDE = "\N{GRINNING FACE}"


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(
            InvalidField([FieldViolation(f"participants[{n}].total_time_ms", "is required") for n in range(1_001)]),
            id="1001 violations",
        ),
        pytest.param(InvalidField([FieldViolation("x" * 500, "y" * 500)] * 1_001), id="long ones"),
        pytest.param(InvalidField([FieldViolation(WIDE * 500, WIDE * 500)] * 1_001), id="of four bytes a character"),
        pytest.param(application.StoreUnavailable(WIDE * 9_000, a=WIDE * 9_000, b=WIDE * 9_000), id="long details"),
    ],
)
def test_trailers_are_small_enough_for_clients(error: SyncKairosError) -> None:
    """Clients give up on more than 8 KB of trailers: details travel in base64, the message percent-encoded."""
    _, status = status_of(error, "r" * 64)

    encoded = len(status.SerializeToString()) * 4 // 3 + len(quote(status.message))
    assert encoded + 64 + 6 * 50 < MAX_TRAILERS
    _, details = details_of(error)
    assert details["ErrorInfo"].reason == error.reason
    if isinstance(error, InvalidField):
        assert details["BadRequest"].field_violations


@pytest.mark.parametrize("size", [253, 254, 255, 256, 257, 258, 259, 260])
def test_a_long_text_is_cut_between_characters(size: int) -> None:
    """A shortened text ends in an ellipsis and is still valid."""
    text = "x" * (size - 4) + WIDE

    _, status = status_of(application.StoreUnavailable(text), "")

    assert len(status.message.encode()) <= 256
    assert status.message == (text if size <= 256 else status.message[:-1] + "…")
    assert text.startswith(status.message.removesuffix("…"))
