"""A stream of commands: for backends that drive many sessions, at a fraction of the cost of a call."""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Generic, ParamSpec, Self, overload

from google.protobuf.message import Message

from synckairos.client.command_stream import CommandStream
from synckairos.client.requests import creation, driving, reading
from synckairos.v1 import session_service_pb2 as pb

Taken = ParamSpec("Taken")


class CommandMethod(Generic[Taken]):
    """A command, declared as an attribute of `Commands`; it takes what the call of its name takes."""

    def __init__(self, request: Callable[Taken, Message]) -> None:
        self.request = request
        self.__doc__ = request.__doc__
        self._signature = inspect.signature(request).replace(return_annotation=pb.CommandResult)

    @overload
    def __get__(self, commands: None, owner: type) -> Self: ...

    @overload
    def __get__(self, commands: "Commands", owner: type) -> Callable[Taken, Coroutine[Any, Any, pb.CommandResult]]: ...

    def __get__(
        self, commands: "Commands | None", owner: type
    ) -> Self | Callable[Taken, Coroutine[Any, Any, pb.CommandResult]]:
        """Return the command as a coroutine function."""
        if commands is None:
            return self

        @functools.wraps(self.request)
        def sent(*args: Taken.args, **kwargs: Taken.kwargs) -> Coroutine[Any, Any, pb.CommandResult]:
            return commands.send(self.request(*args, **kwargs))

        sent.__signature__ = self._signature  # type: ignore[attr-defined] # inspect reads it of any function
        return sent


class Commands(CommandStream):
    """Commands of any number of sessions over one stream, at most `window` of them unanswered.

    A session's commands are applied in the order in which they were given; different sessions do not wait for each
    other. Each is answered or refused by itself, as a call is. Where a server stops or a connection breaks, what has no
    answer is sent again over another stream, in the same order and under the same request_id: it is applied once.
    """

    create_session = CommandMethod(creation.create_session)
    get_session = CommandMethod(reading.get_session)
    start_session = CommandMethod(driving.start_session)
    switch_cycle = CommandMethod(driving.switch_cycle)
    pause_session = CommandMethod(driving.pause_session)
    resume_session = CommandMethod(driving.resume_session)
    complete_session = CommandMethod(driving.complete_session)
    cancel_session = CommandMethod(driving.cancel_session)
    add_participant = CommandMethod(driving.add_participant)
    remove_participant = CommandMethod(driving.remove_participant)
    adjust_time = CommandMethod(driving.adjust_time)
    advance_clock = CommandMethod(driving.advance_clock)
    update_session = CommandMethod(driving.update_session)
    delete_session = CommandMethod(driving.delete_session)
