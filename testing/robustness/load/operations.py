"""The operations of callers, each with all of its attempts."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from synckairos.domain.commands import (
    Cancel,
    Command,
    Create,
    Delete,
    Pause,
    Resume,
    Start,
)
from synckairos.rpc import requests
from synckairos.rpc.fields import Fields
from synckairos.v1 import session_service_pb2 as pb
from testing.robustness.history import Call, History

_PLAIN: Final[dict[str, Command]] = {
    "StartSession": Start(),
    "PauseSession": Pause(),
    "ResumeSession": Resume(),
    "CancelSession": Cancel(),
    "DeleteSession": Delete(),
}
_READ: Final[dict[str, Any]] = {
    "SwitchCycle": requests.switch,
    "CompleteSession": requests.complete,
    "AddParticipant": requests.add_participant,
    "RemoveParticipant": requests.remove_participant,
    "AdjustTime": requests.adjust_time,
    "UpdateSession": requests.update,
}


class Operation(NamedTuple):
    """A change that was asked for, once or several times with one request id."""

    request_id: str
    session_id: str
    method: str
    attempts: Sequence[Call]

    @property
    def answered(self) -> list[Call]:
        """The attempts that were answered OK."""
        return [call for call in self.attempts if call.outcome == "ok"]

    @property
    def invoked(self) -> float:
        """Before this, nothing can have happened."""
        return min(call.invoked for call in self.attempts)

    @property
    def returned(self) -> float:
        """After this, nothing more can have happened; infinite if it was never answered OK."""
        return min((call.returned for call in self.answered), default=float("inf"))

    @property
    def is_refused(self) -> bool:
        """Whether every attempt ended with an error that says that nothing was changed."""
        return all(call.outcome == "refused" for call in self.attempts)

    @property
    def request(self) -> Any:
        """The request, as it was sent."""
        kind = getattr(pb, f"{self.method}Request")
        return kind.FromString(self.attempts[0].request)

    @property
    def command(self) -> Command | Create:
        """The request, in terms of the domain."""
        if self.method in _PLAIN:
            return _PLAIN[self.method]
        if self.method == "CreateSession":
            return requests.create(Fields(), self.request)[1]
        command: Command = _READ[self.method](Fields(), self.request)
        return command


def operations(history: History) -> dict[str, Operation]:
    """Return the mutations by request id."""
    attempts: dict[str, list[Call]] = defaultdict(list)
    for call in history.calls:
        if call.method != "GetSession":
            attempts[call.operation].append(call)
    return {
        request_id: Operation(request_id, calls[0].session_id, calls[0].method, calls)
        for request_id, calls in attempts.items()
    }
