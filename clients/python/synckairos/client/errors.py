"""Errors by the reasons of the contract: one class each, with what the server said as typed attributes.

Nothing is ever read from a message. A reason that this version does not know is a plain SyncKairosError.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple

import grpc


class FieldViolation(NamedTuple):
    """One wrong field of a request: `path` as in `participants[2].total_time_ms`, and what is wrong with it."""

    path: str
    description: str


class SyncKairosError(Exception):
    """A call that did not succeed.

    `code` is gRPC's, `reason` the contract's (empty for errors of gRPC itself), `metadata` what was said with it,
    `fields` the wrong fields, `retry_after_s` how long to wait before the same call is worth trying, if that was said.
    """

    known_reason: ClassVar[str] = ""

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        fields: Iterable[FieldViolation] = (),
        retry_after_s: float | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.fields = tuple(fields)
        self.retry_after_s = retry_after_s
        # All of them positional: that is how exceptions are pickled and copied.
        super().__init__(code, message, reason, self.metadata, self.fields, retry_after_s)

    def __str__(self) -> str:
        """Return code, reason and message, for people."""
        return f"{self.code.name}{f' / {self.reason}' if self.reason else ''}: {self.message}"

    def _number(self, name: str) -> int:
        return int(self.metadata.get(name) or 0)

    def _text(self, name: str) -> str:
        return self.metadata.get(name, "")


class InvalidField(SyncKairosError):
    """Fields of the request are wrong: `fields` names each."""

    known_reason = "INVALID_FIELD"


class RequestIdReused(SyncKairosError):
    """The request_id was already used for another request."""

    known_reason = "REQUEST_ID_REUSED"


class _OfSession(SyncKairosError):
    @property
    def session_id(self) -> str:
        """The session concerned."""
        return self._text("session_id")


class _OfParticipant(SyncKairosError):
    @property
    def participant_id(self) -> str:
        """The participant concerned; empty if it is a group."""
        return self._text("participant_id")


class _OfGroup(SyncKairosError):
    @property
    def group_id(self) -> str:
        """The group concerned; empty if it is a participant."""
        return self._text("group_id")


class SessionNotFound(_OfSession):
    """There is no such session."""

    known_reason = "SESSION_NOT_FOUND"


class ParticipantNotFound(_OfParticipant):
    """The session has no such participant."""

    known_reason = "PARTICIPANT_NOT_FOUND"


class GroupNotFound(_OfGroup):
    """The session has no such group."""

    known_reason = "GROUP_NOT_FOUND"


class SessionAlreadyExists(_OfSession):
    """The id is taken, possibly by a session deleted less than 24 hours ago."""

    known_reason = "SESSION_ALREADY_EXISTS"


class ParticipantAlreadyExists(_OfParticipant):
    """The session already has that participant."""

    known_reason = "PARTICIPANT_ALREADY_EXISTS"


class InvalidStateTransition(SyncKairosError):
    """The session's state does not allow the call."""

    known_reason = "INVALID_STATE_TRANSITION"

    @property
    def status(self) -> str:
        """The state that the session is in, as `PAUSED`."""
        return self._text("from")

    @property
    def verb(self) -> str:
        """What was asked of it, as `switch`."""
        return self._text("verb")


class ParticipantExpired(_OfParticipant, _OfGroup):
    """The clock holder concerned has run out of time, or is out."""

    known_reason = "PARTICIPANT_EXPIRED"


class SessionExpired(_OfSession):
    """The session has run out of time."""

    known_reason = "SESSION_EXPIRED"


class VersionConflict(SyncKairosError):
    """The session is not at the version that the caller expected: read, decide again."""

    known_reason = "VERSION_CONFLICT"

    @property
    def expected(self) -> int:
        """The version that the call asked for."""
        return self._number("expected")

    @property
    def actual(self) -> int:
        """The version that the session is at."""
        return self._number("actual")


class TurnAdvanced(SyncKairosError):
    """The running turn is not the one that the caller meant to end: read, decide again."""

    known_reason = "TURN_ADVANCED"

    @property
    def active(self) -> str:
        """The participant whose turn it is now; empty if there is none."""
        return self._text("active_participant_id")

    @property
    def expected_active(self) -> str:
        """The participant that the call asked for; empty if it asked for none."""
        return self._text("expected_active_participant_id")

    @property
    def expired(self) -> str:
        """The participant whose time ran out just before; empty if none did."""
        return self._text("expired_participant_id")

    @property
    def cycle_number(self) -> int:
        """The cycle that runs now."""
        return self._number("cycle_number")

    @property
    def expected_cycle_number(self) -> int:
        """The cycle that the call asked for; 0 if it asked for none."""
        return self._number("expected_cycle_number")


class Contention(_OfSession):
    """Others kept changing the session until the call's time was up; nothing was changed."""

    known_reason = "CONTENTION"


class Unauthenticated(SyncKairosError):
    """It is not known who calls: a better token or key is needed."""


class CredentialsMissing(Unauthenticated):
    """The server asks for a token or a key."""

    known_reason = "CREDENTIALS_MISSING"


class CredentialsInvalid(Unauthenticated):
    """The token or the key does not count there."""

    known_reason = "CREDENTIALS_INVALID"


class CredentialsExpired(Unauthenticated):
    """The token or the key has expired: a fresh one is needed."""

    known_reason = "CREDENTIALS_EXPIRED"


class ScopeMissing(SyncKairosError):
    """The token or the key does not allow the call."""

    known_reason = "SCOPE_MISSING"

    @property
    def scope(self) -> str:
        """What it lacks, as `sessions:write`."""
        return self._text("scope")


class RateLimited(SyncKairosError):
    """More was asked for than the caller may; nothing was changed."""

    known_reason = "RATE_LIMITED"

    @property
    def limit_name(self) -> str:
        """Which limit, as `calls_per_second`."""
        return self._text("name")


class SlowConsumer(SyncKairosError):
    """Nothing was taken from a stream for too long."""

    known_reason = "SLOW_CONSUMER"


class AuditBacklog(SyncKairosError):
    """Changes wait for the audit trail and the store is nearly full; nothing was changed."""

    known_reason = "AUDIT_BACKLOG"


class StoreUnavailable(SyncKairosError):
    """The store cannot be reached; nothing was changed."""

    known_reason = "STORE_UNAVAILABLE"


class OutcomeUnknown(_OfSession):
    """The change may or may not have been applied: repeat it with the same request_id."""

    known_reason = "OUTCOME_UNKNOWN"


class CatchingUp(_OfSession):
    """The session is far behind, and is being brought up to date."""

    known_reason = "CATCHING_UP"


class AuditUnavailable(SyncKairosError):
    """The audit trail cannot be read; sessions go on."""

    known_reason = "AUDIT_UNAVAILABLE"


class Draining(SyncKairosError):
    """The server is stopping; another one will answer."""

    known_reason = "DRAINING"


class Overloaded(SyncKairosError):
    """The server has more to do than it can; nothing was changed."""

    known_reason = "OVERLOADED"


class InternalError(SyncKairosError):
    """A bug of the server: its log has the details under `request_id`."""

    known_reason = "INTERNAL"

    @property
    def request_id(self) -> str:
        """What the server's log names the call."""
        return self._text("request_id")


class Unreachable(SyncKairosError):
    """No server could be reached, or the connection broke: the call may or may not have been applied."""


class DeadlineExceeded(SyncKairosError):
    """No answer came in time: the call may or may not have been applied."""
