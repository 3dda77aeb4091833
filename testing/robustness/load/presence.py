"""When a session was certainly there, by the answers of callers."""

from collections import defaultdict
from collections.abc import Mapping
from math import inf

from testing.robustness.branches import Branches
from testing.robustness.load.operations import Operation


class Presence:
    """A session is there from the answer to its creation until its deletion is asked for; its end does not matter."""

    def __init__(self, branches: Branches, operations: Mapping[str, Operation]) -> None:
        self._born: dict[str, float] = defaultdict(lambda: inf)
        self._gone: dict[str, float] = defaultdict(lambda: inf)
        for operation in operations.values():
            session_id, effective = operation.session_id, [c for c in operation.attempts if c.outcome != "refused"]
            if operation.method == "CreateSession" and not any(map(branches.may_be_lost, operation.attempts)):
                self._born[session_id] = min(self._born[session_id], operation.returned)
            if operation.method == "DeleteSession":
                asked = min((call.invoked for call in effective), default=inf)
                self._gone[session_id] = min(self._gone[session_id], asked)

    def is_certain(self, session_id: str, began: float, ended: float) -> bool:
        """Whether a session was there all the time between two instants of the recorder's clock."""
        return self._born[session_id] <= began and ended <= self._gone[session_id]
