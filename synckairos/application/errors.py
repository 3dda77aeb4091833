"""Why a call that the rules allow cannot be answered now."""

from synckairos.domain.errors import SyncKairosError


class TransientError(SyncKairosError):
    """The same call may succeed later; `retry_after_ms` says when it is worth trying."""

    retry_after_ms = 500


class OfOneSession(SyncKairosError):
    """A failure that concerns one session, which its details name, and says nothing about the store."""


class StoreUnavailable(TransientError):
    """The store cannot be reached, or has lost its data; nothing was changed."""

    reason = "STORE_UNAVAILABLE"


class SessionUnreadable(OfOneSession, StoreUnavailable):
    """The store is there, but this version of the program cannot read this one session."""


class AuditUnavailable(TransientError):
    """The audit trail cannot be reached, or is not set up; sessions are not affected."""

    reason = "AUDIT_UNAVAILABLE"


class OutcomeUnknown(OfOneSession, TransientError):
    """The connection broke during the commit, whose outcome cannot be told: retry with the request_id."""

    reason = "OUTCOME_UNKNOWN"


class CatchingUp(OfOneSession, TransientError):
    """The session is more than 1 000 boundaries behind; the sweep is bringing it up to date."""

    reason = "CATCHING_UP"
    retry_after_ms = 1_000


class Draining(TransientError):
    """This server is going down; another one will answer."""

    reason = "DRAINING"


class AuditBacklog(TransientError):
    """The store's memory is nearly full of changes that have not reached the audit trail; nothing was changed."""

    reason = "AUDIT_BACKLOG"
    retry_after_ms = 5_000


class Contention(OfOneSession):
    """Other writers kept changing the session until the call's time was up; nothing was changed."""

    reason = "CONTENTION"


class SlowConsumer(TransientError):
    """The reader took nothing from its stream for too long."""

    reason = "SLOW_CONSUMER"
    retry_after_ms = 1_000


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
