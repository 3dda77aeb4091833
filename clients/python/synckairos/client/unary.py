"""The methods of a client that are calls: each takes what the function takes that makes its request."""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from google.protobuf.message import Message

from synckairos.client.connection import Connection

Taken = ParamSpec("Taken")
Reply = TypeVar("Reply", bound=Message)


class Caller(Protocol):
    """Whatever makes calls."""

    connection: Connection


class Unary(Generic[Taken, Reply]):
    """A call with one answer, declared as an attribute of a client's class."""

    def __init__(self, request: Callable[Taken, Message], reply: type[Reply]) -> None:
        self.request = request
        self.reply = reply
        self.__doc__ = request.__doc__
        self._signature = inspect.signature(request).replace(return_annotation=reply)

    @overload
    def __get__(self, caller: None, owner: type) -> Self: ...

    @overload
    def __get__(self, caller: Caller, owner: type) -> Callable[Taken, Coroutine[Any, Any, Reply]]: ...

    def __get__(self, caller: Caller | None, owner: type) -> Self | Callable[Taken, Coroutine[Any, Any, Reply]]:
        """Return the call as a coroutine function of this client."""
        if caller is None:
            return self

        @functools.wraps(self.request)
        def made(*args: Taken.args, **kwargs: Taken.kwargs) -> Coroutine[Any, Any, Reply]:
            return caller.connection.unary(self.request(*args, **kwargs), self.reply)

        made.__signature__ = self._signature  # type: ignore[attr-defined] # inspect reads it of any function
        return made
