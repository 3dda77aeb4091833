"""What each call takes: one table beside the services. A server with a call that is not in it does not start."""

from collections.abc import Iterable, Mapping
from typing import Final

from google.protobuf.descriptor import ServiceDescriptor

from synckairos.application.identity import Scope

_SESSIONS: Final = "/synckairos.v1.SessionService/"
_AUDIT: Final = "/synckairos.v1.AuditService/"
_CONTROLS: Final = "/synckairos.v1.TimeControlService/"

SCOPES: Final[Mapping[str, Scope | None]] = {
    f"{_SESSIONS}CreateSession": Scope.SESSIONS_WRITE,
    f"{_SESSIONS}GetSession": Scope.SESSIONS_READ,
    f"{_SESSIONS}BatchGetSessions": Scope.SESSIONS_READ,
    f"{_SESSIONS}ListSessions": Scope.SESSIONS_READ,
    f"{_SESSIONS}StartSession": Scope.SESSIONS_WRITE,
    f"{_SESSIONS}SwitchCycle": Scope.SESSIONS_WRITE,
    f"{_SESSIONS}PauseSession": Scope.SESSIONS_WRITE,
    f"{_SESSIONS}ResumeSession": Scope.SESSIONS_WRITE,
    f"{_SESSIONS}CompleteSession": Scope.SESSIONS_WRITE,
    f"{_SESSIONS}CancelSession": Scope.SESSIONS_WRITE,
    f"{_SESSIONS}AddParticipant": Scope.SESSIONS_WRITE,
    f"{_SESSIONS}RemoveParticipant": Scope.SESSIONS_WRITE,
    f"{_SESSIONS}AdjustTime": Scope.SESSIONS_ADMIN,
    f"{_SESSIONS}AdvanceClock": Scope.SESSIONS_WRITE,
    f"{_SESSIONS}UpdateSession": Scope.SESSIONS_WRITE,
    f"{_SESSIONS}DeleteSession": Scope.SESSIONS_ADMIN,
    f"{_SESSIONS}WatchSession": Scope.SESSIONS_READ,
    f"{_SESSIONS}WatchSessions": Scope.SESSIONS_READ,
    # To open the stream; each of its commands takes what its own call does.
    f"{_SESSIONS}ExecuteCommands": Scope.SESSIONS_WRITE,
    f"{_AUDIT}ListSessionEvents": Scope.AUDIT_READ,
    f"{_AUDIT}ListParticipantEvents": Scope.AUDIT_READ,
    f"{_AUDIT}GetSessionAudit": Scope.AUDIT_READ,
    f"{_AUDIT}ListAuditedSessions": Scope.AUDIT_READ,
    f"{_AUDIT}RecoverSession": Scope.SESSIONS_ADMIN,
    f"{_AUDIT}ExplainClock": Scope.AUDIT_READ,
    f"{_AUDIT}GetPipelineStatus": Scope.OPERATIONS,
    "/synckairos.v1.TimeService/SyncTime": None,
    f"{_CONTROLS}ParseTimeControl": None,
    f"{_CONTROLS}SimulateTimeControl": None,
}
"""The scope of each call by its full name; None: any caller whose credentials count."""

OPEN: Final = "/grpc.health."
"""What everybody may call: probes bring no credentials."""
REFLECTION: Final = "/grpc.reflection."


class ScopeUndecidedError(Exception):
    """A service has calls of which nobody has said what they take."""


def require_scopes(services: Iterable[ServiceDescriptor]) -> None:
    """Raise ScopeUndecidedError unless the table has every call of these services."""
    paths = [f"/{service.full_name}/{method.name}" for service in services for method in service.methods]
    lacking = [path for path in paths if path not in SCOPES]
    if lacking:
        raise ScopeUndecidedError(f"SCOPES says nothing about {', '.join(lacking)}")


def scope_of(method: str) -> Scope | None:
    """Return the scope that a call takes, by its full name; None: any caller whose credentials count."""
    return None if method.startswith(REFLECTION) else SCOPES[method]
