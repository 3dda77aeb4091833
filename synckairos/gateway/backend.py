"""What the gateway asks of whatever answers its calls."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol

from synckairos.gateway.failures import CallFailed
from synckairos.gateway.metadata import Metadata


@dataclass(slots=True)
class Request:
    """A call as it came; `timeout_s` is what is left of its deadline, None without one, `peer` as gRPC names it.

    `certificate` (PEM) is what its connection has shown, empty for nothing.
    """

    path: str
    message: bytes
    metadata: Metadata
    timeout_s: float | None
    peer: str
    certificate: bytes = b""


@dataclass(slots=True)
class Told:
    """The metadata that a backend sends beside its messages; complete once the call has ended without an error."""

    headers: Metadata = field(default=())
    trailers: Metadata = field(default=())


class Stream(Protocol):
    """A server stream under way."""

    def messages(self) -> AsyncGenerator[bytes, None]:
        """Yield each message; raises CallFailed. To be closed by its reader; that cancels the call."""

    def end(self, why: CallFailed) -> None:
        """Let `messages` raise this error now."""


class Backend(Protocol):
    """Answers calls by their full names (`/package.Service/Method`), bytes in, bytes out."""

    async def unary(self, request: Request, told: Told) -> bytes:
        """Return the reply; raises CallFailed. Cancelling cancels the call."""

    def stream(self, request: Request, told: Told) -> Stream:
        """Begin a server stream."""

    async def is_serving(self) -> bool:
        """Whether calls can be answered now."""
