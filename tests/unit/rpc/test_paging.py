"""Filling a page: every row once, of any size, and no more rows in memory than a page takes."""

import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from synckairos.application.trail.audit import SessionKey, SessionQuery
from synckairos.rpc import paging
from synckairos.rpc.fields import Fields


class Rows:
    """Rows of given sizes, by number, and how many were asked for at once."""

    def __init__(self, sizes: list[int]) -> None:
        self._sizes = sizes
        self.asked: list[int] = []

    async def read(self, query: SessionQuery) -> list[int]:
        """Return the numbers behind one."""
        self.asked.append(query.limit)
        following = 0 if query.after is None else query.after.created_at + 1
        return list(range(len(self._sizes)))[following:][: query.limit]

    def message(self, number: int) -> BytesValue:
        """Return the message of a row."""
        return BytesValue(value=bytes(self._sizes[number]))

    async def pages(self, size: int) -> list[list[int]]:
        """Return the sizes on every page."""
        found: list[list[int]] = []
        after: SessionKey | None = None
        while True:
            query = SessionQuery(after, size)
            messages, after = await paging.fill(query, self.read, lambda number: SessionKey(number, ""), self.message)
            found.append([len(message.value) for message in messages])
            if after is None:
                return found


@pytest.mark.parametrize("count", [0, 1, 6, 7, 8, 14, 49, 50, 51, 120])
async def test_pages_are_full_and_the_last_one_knows_that_it_is(count: int) -> None:
    """Every page but the last has exactly as many rows as asked, and no empty page follows a full one."""
    sizes = list(range(1, count + 1))

    pages = await Rows(sizes).pages(7)

    assert [size for page in pages for size in page] == sizes
    assert [len(page) for page in pages] == ([7] * (count // 7) + [count % 7] * (count % 7 > 0) or [0])


async def test_a_page_of_many_light_rows_is_read_in_few_steps() -> None:
    """500 rows are one page; after the first rows it is known that the rest fits, and it comes in larger steps."""
    rows = Rows([100] * 600)

    pages = await rows.pages(500)

    assert [len(page) for page in pages] == [500, 100]
    assert rows.asked[:6] == [9, 101, 101, 101, 101, 93]


@pytest.mark.parametrize("weight", [100_000, 300_000, paging.MAX_PAGE_BYTES, 3 * paging.MAX_PAGE_BYTES])
async def test_pages_of_heavy_rows_are_cut(weight: int) -> None:
    """A page ends before 2 MB, but never without a row; few rows beyond it are read."""
    rows = Rows([weight] * 90)

    pages = await rows.pages(500)

    most = max(1, paging.MAX_PAGE_BYTES // (weight + 4))
    assert [size for page in pages for size in page] == [weight] * 90
    assert all(len(page) == most for page in pages[:-1])
    assert max(rows.asked) <= 22


async def test_a_heavy_row_behind_light_ones_waits_for_the_next_page() -> None:
    """Rows of any weight come once and in order."""
    sizes = [10] * 60 + [paging.MAX_PAGE_BYTES] + [10] * 60

    pages = await Rows(sizes).pages(500)

    assert pages == [[10] * 60, [paging.MAX_PAGE_BYTES], [10] * 60]


@pytest.mark.parametrize(("asked", "size"), [(0, 50), (1, 1), (500, 500), (501, 500), (2**31 - 1, 500)])
def test_page_sizes_are_lowered_not_refused(asked: int, size: int) -> None:
    """0 is 50; more than 500 is 500."""
    fields = Fields()

    assert paging.page_size(fields, asked) == size
    assert not fields.violations


def test_a_negative_page_size_is_refused() -> None:
    """It names the field."""
    fields = Fields()

    paging.page_size(fields, -1)

    assert [violation.path for violation in fields.violations] == ["page_size"]
