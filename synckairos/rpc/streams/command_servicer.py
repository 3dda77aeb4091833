"""SessionService's stream of commands."""

from synckairos.application.errors import Draining
from synckairos.application.ports import NewId
from synckairos.rpc.admission.turnstile import Turnstile
from synckairos.rpc.interceptor import CallJournal, Context
from synckairos.rpc.request_ids import request_id_of
from synckairos.rpc.session_commands import SessionCommands
from synckairos.rpc.streams.command_stream import CommandStream


class CommandServicer:
    """ExecuteCommands; the interceptor answers the errors that end a stream, the stream those of its commands."""

    def __init__(
        self,
        commands: SessionCommands,
        journal: CallJournal,
        new_id: NewId,
        stall_s: float,
        turnstile: Turnstile | None = None,
    ) -> None:
        self._commands = commands
        self._journal = journal
        self._new_id = new_id
        self._stall_s = stall_s
        self._turnstile = turnstile
        self._streams: set[CommandStream] = set()
        self._is_draining = False

    async def ExecuteCommands(self, _requests: object, context: Context) -> None:  # noqa: N802 - the contract's name
        """Answer commands until the client has sent its last one or this server drains."""
        if self._is_draining:
            raise Draining("this server is shutting down")
        request_id = request_id_of(context, self._new_id)
        stream = CommandStream(self._commands, self._journal, context, request_id, self._stall_s, self._turnstile)
        self._streams.add(stream)
        try:
            await stream.run()
        finally:
            self._streams.discard(stream)

    def drain(self) -> None:
        """Refuse new streams from now on, and drain the open ones."""
        self._is_draining = True
        for stream in self._streams:
            stream.drain()
