"""SessionService's stream of commands."""

import asyncio
import time
from math import inf
from typing import Final

from synckairos.application.errors import Draining
from synckairos.application.ports import NewId
from synckairos.rpc.admission.turnstile import Turnstile
from synckairos.rpc.interceptor import CallJournal, Context
from synckairos.rpc.request_ids import request_id_of
from synckairos.rpc.session_commands import SessionCommands
from synckairos.rpc.streams.command_stream import CommandStream

LINGER_S: Final = 0.2
"""How long a client has, from the end of its stream, to read why it ended.

A connection that is closed while the client still sends is reset, and what the client has not read by then is lost.
"""


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
        self._none_left = asyncio.Event()
        self._ended_at = -inf
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
            self._ended_at = time.monotonic()
            if not self._streams:
                self._none_left.set()

    def drain(self) -> None:
        """Refuse new streams from now on, and drain the open ones."""
        self._is_draining = True
        for stream in self._streams:
            stream.drain()

    async def ended(self) -> None:
        """Return when every stream has ended and its client had time to read why; for a server that drains."""
        while self._streams:
            self._none_left.clear()
            await self._none_left.wait()
        await asyncio.sleep(self._ended_at + LINGER_S - time.monotonic())
