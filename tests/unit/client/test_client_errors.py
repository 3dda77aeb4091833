"""Errors by their reasons: every one of the server has a class, and what it says comes from details, not from texts."""

import copy
import pickle
from typing import Any, NamedTuple

import grpc
import pytest
from google.rpc import status_pb2

from synckairos.application import errors as application
from synckairos.client import errors
from synckairos.client.errors import FieldViolation, SyncKairosError
from synckairos.client.statuses import BY_REASON, error_of, error_of_status, is_passing
from synckairos.domain import errors as domain
from synckairos.domain.model import Status
from synckairos.rpc.statuses import CODES, status_of

SENT = {kind.reason for kind in CODES} | {"INTERNAL"}
"""What the server answers with."""


class Ended(NamedTuple):
    """A call that failed, as grpc and grpc.aio show it."""

    status: grpc.StatusCode
    text: str = ""
    trailers: tuple[tuple[str, Any], ...] | None = ()

    def code(self) -> grpc.StatusCode:
        return self.status

    def details(self) -> str:
        return self.text

    def trailing_metadata(self) -> tuple[tuple[str, Any], ...] | None:
        return self.trailers


def received(error: BaseException) -> SyncKairosError:
    """Return what a client makes of an error of the server; its text is another one than the server's."""
    _, status = status_of(error, "r")
    status.message = "another text altogether"
    return error_of_status(status)


def test_every_reason_has_a_class() -> None:
    """None more, none less; the class is named after the reason, as the server's own is."""
    assert set(BY_REASON) == SENT
    for kind in CODES:
        assert BY_REASON[kind.reason].__name__ == kind.__name__
        assert issubclass(BY_REASON[kind.reason], SyncKairosError)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (domain.VersionConflict(3, 7), {"expected": 3, "actual": 7}),
        (
            domain.TurnAdvanced(4, 3, expected="a", expired="a", active="b"),
            {"active": "b", "expected_active": "a", "expired": "a", "cycle_number": 4, "expected_cycle_number": 3},
        ),
        (domain.InvalidStateTransition(Status.PAUSED, "switch"), {"status": "PAUSED", "verb": "switch"}),
        (domain.ParticipantExpired("p"), {"participant_id": "p", "group_id": ""}),
        (domain.ParticipantExpired(None, "g"), {"participant_id": "", "group_id": "g"}),
        (domain.SessionNotFound("s"), {"session_id": "s"}),
        (domain.ParticipantNotFound("p"), {"participant_id": "p"}),
        (domain.ParticipantAlreadyExists("p"), {"participant_id": "p"}),
        (domain.GroupNotFound("g"), {"group_id": "g"}),
        (application.Contention("busy", session_id="s"), {"session_id": "s", "retry_after_s": None}),
        (application.CatchingUp("behind", session_id="s"), {"session_id": "s", "retry_after_s": 1.0}),
        (application.StoreUnavailable("down"), {"retry_after_s": 0.5, "code": grpc.StatusCode.UNAVAILABLE}),
        (application.ScopeMissing("sessions:read"), {"scope": "sessions:read"}),
        (KeyError("a bug"), {"reason": "INTERNAL", "request_id": "r"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_was_said_is_an_attribute(error: Exception, shown: dict[str, object]) -> None:
    """Whatever the text says."""
    found = received(error)

    assert {name: getattr(found, name) for name in shown} == shown
    assert found.message == "another text altogether"


def test_wrong_fields_are_named() -> None:
    """All of them, in order, with what is wrong."""
    found = received(
        domain.InvalidField([domain.FieldViolation("a[0].b", "is wrong"), domain.FieldViolation("c", "too")])
    )

    assert isinstance(found, errors.InvalidField)
    assert found.fields == (FieldViolation("a[0].b", "is wrong"), FieldViolation("c", "too"))


def test_an_unknown_reason_is_an_error_all_the_same() -> None:
    """A newer server may have more of them; so may another service that shares the details' format."""
    _, status = status_of(domain.SessionNotFound("s"), "r")
    of_the_future = status_pb2.Status.FromString(
        status.SerializeToString().replace(b"SESSION_NOT_FOUND", b"SESSION_ON_STRIKE")
    )
    of_others = status_pb2.Status.FromString(status.SerializeToString().replace(b"synckairos.dev", b"elsewhere.test"))

    future, other = error_of_status(of_the_future), error_of_status(of_others)

    assert type(future) is SyncKairosError
    assert (future.reason, future.metadata) == ("SESSION_ON_STRIKE", {"session_id": "s"})
    assert type(other) is SyncKairosError
    assert other.reason == ""


@pytest.mark.parametrize(
    ("code", "kind", "passing"),
    [
        (grpc.StatusCode.UNAVAILABLE, errors.Unreachable, True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.DeadlineExceeded, False),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, SyncKairosError, False),
        (grpc.StatusCode.INTERNAL, SyncKairosError, True),
    ],
)
@pytest.mark.parametrize("trailers", [None, ()])
def test_errors_of_grpc_itself(code: grpc.StatusCode, kind: type, passing: bool, trailers: tuple[()] | None) -> None:
    """They have no details; a broken connection may look like an internal error."""
    failed: Any = Ended(code, "text", trailers)

    found = error_of(failed)

    assert type(found) is kind
    assert (found.code, found.reason, found.message) == (code, "", "text")
    assert is_passing(found) is passing


def test_a_bug_of_the_server_does_not_pass() -> None:
    """It would be met again on every server."""
    assert not is_passing(received(KeyError("a bug")))
    assert not is_passing(received(domain.SessionNotFound("s")))
    assert is_passing(received(application.Draining("going")))
    assert is_passing(received(application.SlowConsumer("slow")))


def test_an_error_survives_a_pickle() -> None:
    """Pools of processes hand errors on; so does a copy."""
    error = received(domain.VersionConflict(3, 7))

    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert isinstance(again, errors.VersionConflict)
        assert (again.actual, str(again)) == (7, "ABORTED / VERSION_CONFLICT: another text altogether")
