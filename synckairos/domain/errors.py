"""The errors of a call: one tree, stable reasons, facts as attributes.

The docstring says what the error means; `details` repeats every dynamic part, so that no client has to parse texts.
"""

from typing import ClassVar, NamedTuple

from synckairos.domain.model import Status


class SyncKairosError(Exception):
    """A call that did not succeed, with a stable `reason` and string `details`."""

    reason: ClassVar[str]

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.details = {name: str(value) for name, value in details.items()}


class Refusal(SyncKairosError):
    """The rules forbid the call: the same call would be refused again, and nothing it asked for has changed."""


class FieldViolation(NamedTuple):
    """One wrong field and its problem; `path` as in `participants[2].total_time_ms`."""

    path: str
    description: str


class InvalidField(Refusal):
    """Fields of the request are wrong; all of them are named."""

    reason = "INVALID_FIELD"

    def __init__(self, violations: list[FieldViolation], **details: object) -> None:
        super().__init__("; ".join(f"{path}: {description}" for path, description in violations), **details)
        self.violations = violations


class RequestIdReused(Refusal):
    """The request_id was already used for another request."""

    reason = "REQUEST_ID_REUSED"

    def __init__(self, request_id: str) -> None:
        super().__init__(f"request_id {request_id} was already used with other content", request_id=request_id)
        self.violations = [FieldViolation("request_id", "was already used with other content")]


class SessionNotFound(Refusal):
    """There is no such session."""

    reason = "SESSION_NOT_FOUND"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"session {session_id} does not exist", session_id=session_id)


class ParticipantNotFound(Refusal):
    """The session has no such participant."""

    reason = "PARTICIPANT_NOT_FOUND"

    def __init__(self, participant_id: str) -> None:
        super().__init__(f"participant {participant_id} is not in the session", participant_id=participant_id)


class GroupNotFound(Refusal):
    """The session has no such group."""

    reason = "GROUP_NOT_FOUND"

    def __init__(self, group_id: str) -> None:
        super().__init__(f"group {group_id} is not in the session", group_id=group_id)


class SessionAlreadyExists(Refusal):
    """The id is taken, possibly by a session deleted less than 24 hours ago."""

    reason = "SESSION_ALREADY_EXISTS"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"session {session_id} exists already", session_id=session_id)


class ParticipantAlreadyExists(Refusal):
    """The session already has that participant."""

    reason = "PARTICIPANT_ALREADY_EXISTS"

    def __init__(self, participant_id: str) -> None:
        super().__init__(f"participant {participant_id} is already in the session", participant_id=participant_id)


class InvalidStateTransition(Refusal):
    """The session's state does not allow the verb."""

    reason = "INVALID_STATE_TRANSITION"

    def __init__(self, status: Status, verb: str, because: str = "") -> None:
        message = because or f"a {status.name} session cannot be asked to {verb}"
        super().__init__(message, **{"from": status.name, "verb": verb})


class ParticipantExpired(Refusal):
    """The clock holder concerned has run out of time."""

    reason = "PARTICIPANT_EXPIRED"

    def __init__(self, participant_id: str | None, group_id: str | None = None) -> None:
        about = {"participant_id": participant_id or "", "group_id": group_id or ""}
        if participant_id is None:
            super().__init__(f"group {group_id} is out: it has no time, or no members, left", **about)
        else:
            super().__init__(f"participant {participant_id} has run out of time", **about)


class SessionExpired(Refusal):
    """The session has run out of time."""

    reason = "SESSION_EXPIRED"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"session {session_id} has run out of time", session_id=session_id)


class VersionConflict(Refusal):
    """The session is not at the version the caller expected."""

    reason = "VERSION_CONFLICT"

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(
            f"expected version {expected}, but the session is at version {actual}", expected=expected, actual=actual
        )


class TurnAdvanced(Refusal):
    """The running turn is not the one the caller meant to end."""

    reason = "TURN_ADVANCED"

    def __init__(
        self, cycle: int, expected_cycle: int, *, expected: str = "", expired: str = "", active: str = ""
    ) -> None:
        super().__init__(
            f"the turn has moved on to cycle {cycle}; active participant: {active or 'none'}",
            expected_active_participant_id=expected,
            expired_participant_id=expired,
            active_participant_id=active,
            expected_cycle_number=expected_cycle,
            cycle_number=cycle,
        )
