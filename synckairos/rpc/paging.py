"""Pages: the number of entries a reply holds, and their size."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from synckairos.application.trail.audit import EventQuery, ParticipantQuery, SessionQuery
from synckairos.rpc.fields import Fields

MAX_PAGE: Final = 500
DEFAULT_PAGE: Final = 50
MAX_PAGE_BYTES: Final = 2 << 20
"""The most bytes of messages on a page: half of what clients accept in one message by default."""

FIRST_READ: Final = 8
"""Rows read before their size is known; a page of the largest sessions holds as many."""
MAX_READ: Final = 100
"""The most rows read at once: decoding and encoding them blocks the event loop."""

QueryT = TypeVar("QueryT", EventQuery, ParticipantQuery, SessionQuery)
MessageT = TypeVar("MessageT", bound=Message)
RowT = TypeVar("RowT")
KeyT = TypeVar("KeyT")


def page_size(fields: Fields, asked: int) -> int:
    """Return the size of a page: the default for 0, and never more than the maximum."""
    return min(fields.between("page_size", asked, 0, 2**31 - 1) or DEFAULT_PAGE, MAX_PAGE)


def fitting(messages: Iterable[MessageT], used: int = 0) -> list[MessageT]:
    """Return the messages that still fit on a page of `used` bytes; an empty page takes at least one."""
    taken: list[MessageT] = []
    for message in messages:
        size = message.ByteSize()
        if used and used + size > MAX_PAGE_BYTES:
            break
        used += size
        taken.append(message)
    return taken


async def fill(
    query: QueryT,
    read: Callable[[QueryT], Awaitable[list[RowT]]],
    key_of: Callable[[RowT], KeyT],
    message_of: Callable[[RowT], MessageT],
) -> tuple[list[MessageT], KeyT | None]:
    """Return the messages of the page a query asks for, and the key of its last row; None if it is the last page.

    `read` is asked for the rows likely to fit, not for all of the page at once: rows may take 256 KB each.
    """
    messages: list[MessageT] = []
    used = 0
    after: Any = query.after
    while True:
        wanted = min(query.limit - len(messages), _likely_to_fit(len(messages), used))
        # One row more than wanted shows whether another page follows.
        rows = await read(query._replace(after=after, limit=wanted + 1))
        taken = fitting((message_of(row) for row in rows[:wanted]), used)
        messages += taken
        used += sum(message.ByteSize() for message in taken)
        if len(taken) == len(rows):
            return messages, None
        after = key_of(rows[len(taken) - 1]) if taken else after
        if len(taken) < wanted or len(messages) == query.limit:
            return messages, after


def _likely_to_fit(count: int, used: int) -> int:
    """Return how many more messages of the same average size fit on a page of `count` messages and `used` bytes."""
    return FIRST_READ if not count else min(MAX_READ, max(1, (MAX_PAGE_BYTES - used) * count // max(used, 1)))
