"""What follows a call through the processes of a deployment; where nothing does, there is no such object."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

Attributes: TypeAlias = Mapping[str, int | str]


class Tracing(Protocol):
    """Makes spans. A `traceparent` names one as W3C Trace Context writes it; empty stands for none."""

    def call(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> AbstractContextManager[None] | None:
        """Return the span of a call by its full name, below the caller's or the one of now; None if it has none."""

    def ended(self, code: str, reason: str) -> None:
        """Note how the call of now has ended."""

    def current(self) -> str:
        """Return the traceparent of the call of now; empty unless it is recorded."""

    def shared(self, name: str, of: Sequence[str], attributes: Attributes) -> AbstractContextManager[None]:
        """Return the span of work done for several others: below the first, and linked to the rest.

        Without any, there is none, and the task of now is outside of all spans from then on.
        """

    def leave(self) -> None:
        """Let the task of now be outside of all spans."""

    def waited(self, name: str, since: Sequence[tuple[str, int]]) -> list[str]:
        """Make a span below each traceparent from an instant (ms since 1970) until now; return theirs."""
