"""The calls whose instructions are counted, each made a number of times by one caller."""

from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import grpc

from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import new_id, two_players

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IN_A_MESSAGE: Final = 32
WATCHERS: Final = 32
BANK_MS: Final = 604_800_000


class Kinds:
    """Makes calls over one channel; leaving the context ends its streams."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub: Any = SessionServiceStub(channel)
        self._sessions = [self._session() for _ in range(IN_A_MESSAGE)]
        self._messages: SimpleQueue[pb.ExecuteCommandsRequest | None] = SimpleQueue()
        self._answers: Iterator[pb.ExecuteCommandsResponse] = self._stub.ExecuteCommands(iter(self._messages.get, None))
        self._watched = self._session()
        request = pb.WatchSessionRequest(session_id=self._watched)
        self._watches: list[Any] = [self._stub.WatchSession(request) for _ in range(WATCHERS)]
        for watch in self._watches:
            next(watch)  # the snapshot: it has joined
        self.of: dict[str, Callable[[], int]] = {
            "get": lambda: self._get(200),
            "switch": lambda: self._switch(self._sessions[0], 150),
            "command": lambda: self._command(8),
            "frame": lambda: self._tell(12),
        }
        """What makes calls of each kind, and returns how many those were, or their commands, or their frames."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._messages.put(None)
        for watch in self._watches:
            watch.cancel()

    def warm_up(self, *, few: bool = False) -> None:
        """Make calls of all kinds that are not counted."""
        self._get(3 if few else 200)
        self._switch(self._sessions[0], 3 if few else 200)
        self._command(2 if few else 16)
        self._tell(1 if few else 10)

    def _tell(self, switches: int) -> int:
        """Switch the session that is watched, and wait each time until all watchers are told."""
        for _ in range(switches):
            self._switch(self._watched, 1)
            for watch in self._watches:
                next(watch)
        return switches * WATCHERS

    def _session(self) -> str:
        session_id = new_id()
        self._stub.CreateSession(two_players(session_id, bank_ms=BANK_MS))
        self._stub.StartSession(pb.StartSessionRequest(session_id=session_id))
        return session_id

    def _get(self, times: int) -> int:
        for _ in range(times):
            self._stub.GetSession(pb.GetSessionRequest(session_id=self._sessions[0]))
        return times

    def _switch(self, session_id: str, times: int) -> int:
        for _ in range(times):
            self._stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id))
        return times

    def _command(self, messages: int) -> int:
        commands = [
            pb.Command(command_id=str(place), switch_cycle=pb.SwitchCycleRequest(session_id=session_id))
            for place, session_id in enumerate(self._sessions)
        ]
        for _ in range(messages):
            self._messages.put(pb.ExecuteCommandsRequest(commands=commands))
            answered = 0
            while answered < len(commands):
                answered += len(next(self._answers).outcomes)
        return messages * len(commands)
