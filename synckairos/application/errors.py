"""Why a call that the rules allow cannot be answered now."""

from synckairos.application import retry_delays
from synckairos.domain.errors import SyncKairosError


class TransientError(SyncKairosError):
    """The same call may succeed later; `retry_after_ms` says when it is worth trying."""

    retry_after_ms = retry_delays.USUAL_MS

    @property
    def pushback_ms(self) -> int:
        """What gRPC's own retries are told; -1: not to try again."""
        return self.retry_after_ms


class OfOneSession(SyncKairosError):
    """A failure that concerns one session, which its details name, and says nothing about the store."""


class StoreUnavailable(TransientError):
    """The store cannot be reached, or has lost its data; nothing was changed."""

    reason = "STORE_UNAVAILABLE"


class SessionUnreadable(OfOneSession, StoreUnavailable):
    """The store is there, but this version of the program cannot read this one session."""


class ShardUnavailable(OfOneSession, StoreUnavailable):
    """The part of a cluster that has this one session cannot be reached, or has lost its data; the others are there."""


class AuditUnavailable(TransientError):
    """The audit trail cannot be reached, or is not set up; sessions are not affected."""

    reason = "AUDIT_UNAVAILABLE"


class OutcomeUnknown(OfOneSession, TransientError):
    """The connection broke during the commit, whose outcome cannot be told: retry with the request_id."""

    reason = "OUTCOME_UNKNOWN"


class DurabilityUnmet(OutcomeUnknown):
    """The change is stored, but was not as durable as asked in time: retry with the request_id, which waits again."""


class CatchingUp(OfOneSession, TransientError):
    """The session is more than 1 000 boundaries behind; the sweep is bringing it up to date."""

    reason = "CATCHING_UP"
    retry_after_ms = retry_delays.CATCHING_UP_MS


class Draining(TransientError):
    """This server is going down; another one will answer."""

    reason = "DRAINING"


class AuditBacklog(TransientError):
    """The store's memory is nearly full of changes that have not reached the audit trail; nothing was changed."""

    reason = "AUDIT_BACKLOG"
    retry_after_ms = retry_delays.BACKLOG_MS


class Overloaded(TransientError):
    """This server has more to do than it can; nothing was changed."""

    reason = "OVERLOADED"

    def __init__(self, pause_s: float, *, was_tried: bool = False) -> None:
        """`was_tried`: gRPC has retried the call by itself before, and shall not once more."""
        super().__init__("the server has more to do than it can: try again later")
        # In steps: the answers are kept.
        self.retry_after_ms = round(pause_s * 20) * 50
        self.was_tried = was_tried

    @property
    def pushback_ms(self) -> int:
        """What gRPC's own retries are told; -1: not to try again."""
        return -1 if self.was_tried else self.retry_after_ms


class RateLimited(TransientError):
    """The caller's tenant, or the session, has had what it may have; nothing was changed."""

    reason = "RATE_LIMITED"

    def __init__(self, name: str, limit: float, text: str, retry_after_ms: int) -> None:
        """`name` is that of the limit."""
        super().__init__(text, limit=f"{limit:g}", name=name)
        self.retry_after_ms = retry_after_ms


class Contention(OfOneSession):
    """Other writers kept changing the session until the call's time was up; nothing was changed."""

    reason = "CONTENTION"


class SlowConsumer(TransientError):
    """The reader took nothing from its stream for too long."""

    reason = "SLOW_CONSUMER"
    retry_after_ms = retry_delays.SLOW_CONSUMER_MS


class Unauthenticated(SyncKairosError):
    """It is not known who calls; the caller never learns more than the reason, `problem` is for the log."""

    text = ""

    def __init__(self, problem: str = "", credential_id: str = "") -> None:
        super().__init__(self.text)
        self.problem = problem
        self.credential_id = credential_id


class CredentialsMissing(Unauthenticated):
    """The call brings no credentials."""

    reason = "CREDENTIALS_MISSING"
    text = "credentials are required: `authorization: Bearer` with a token, or an API key"


class CredentialsInvalid(Unauthenticated):
    """The call's credentials do not count here."""

    reason = "CREDENTIALS_INVALID"
    text = "the credentials are not valid"


class CredentialsExpired(Unauthenticated):
    """The call's credentials have counted, and do no longer: it takes fresh ones."""

    reason = "CREDENTIALS_EXPIRED"
    text = "the credentials have expired"


class ScopeMissing(SyncKairosError):
    """The caller's credentials do not allow the call."""

    reason = "SCOPE_MISSING"

    def __init__(self, scope: str, credential_id: str = "") -> None:
        super().__init__(f"the credentials lack the scope {scope}", scope=scope)
        self.credential_id = credential_id


class CommitBroken(Exception):
    """The store applied a transaction only in part: an alarm, never an answer."""


class SessionTooLarge(Exception):
    """The change would make the encoded session larger than its limit."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"the session would take {size} bytes, at most {limit} are allowed")


class AuditRefused(Exception):
    """The audit trail will never take this data: it is bad data, not a bad moment."""
