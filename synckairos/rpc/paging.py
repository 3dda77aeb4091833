"""Pages: how many entries a reply holds, and how much of them."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from google.protobuf.message import Message

from synckairos.rpc.fields import Fields

MAX_PAGE: Final = 500
DEFAULT_PAGE: Final = 50
MAX_PAGE_BYTES: Final = 2 << 20
"""Of messages on a page: half of what clients take in one message by default."""

FIRST_READ: Final = 8
"""Rows read before it is known how large they are; of the largest sessions, a page."""
MAX_READ: Final = 100
"""Rows read at once: while they are decoded and encoded, nobody else gets on."""

MessageT = TypeVar("MessageT", bound=Message)
RowT = TypeVar("RowT")
KeyT = TypeVar("KeyT")


def page_size(fields: Fields, asked: int) -> int:
    """Return how many entries a page may have: the default for 0, and never more than the maximum."""
    return min(fields.between("page_size", asked, 0, 2**31 - 1) or DEFAULT_PAGE, MAX_PAGE)


def fitting(messages: Iterable[MessageT], used: int = 0) -> list[MessageT]:
    """Return as many messages as a page that has `used` bytes still takes; an empty page takes at least one."""
    taken: list[MessageT] = []
    for message in messages:
        size = message.ByteSize()
        if used and used + size > MAX_PAGE_BYTES:
            break
        used += size
        taken.append(message)
    return taken


async def fill(
    size: int,
    after: KeyT,
    read: Callable[[KeyT, int], Awaitable[list[RowT]]],
    key_of: Callable[[RowT], KeyT],
    message_of: Callable[[RowT], MessageT],
) -> tuple[list[MessageT], KeyT | None]:
    """Return the messages of a page behind `after`, and the key of its last row; None if nothing comes behind it.

    `read(after, count)` is asked for what is likely to fit, not for `size` rows at once: they may be 256 KB each.
    """
    messages: list[MessageT] = []
    used = 0
    while True:
        wanted = min(size - len(messages), _likely_to_fit(len(messages), used))
        # One row more than is wanted says whether anything comes behind the page.
        rows = await read(after, wanted + 1)
        taken = fitting((message_of(row) for row in rows[:wanted]), used)
        messages += taken
        used += sum(message.ByteSize() for message in taken)
        if len(taken) == len(rows):
            return messages, None
        after = key_of(rows[len(taken) - 1]) if taken else after
        if len(taken) < wanted or len(messages) == size:
            return messages, after


def _likely_to_fit(count: int, used: int) -> int:
    """Return how many more messages a page of `count` messages and `used` bytes takes if they stay as long."""
    return FIRST_READ if not count else min(MAX_READ, max(1, (MAX_PAGE_BYTES - used) * count // max(used, 1)))
