"""When memory is given back: once a crowd has gone, and not again for what is in use."""

from typing import Final

from synckairos.composition.memory_trim import MemoryTrim, resident_bytes, system_trim

MB: Final = 1 << 20


async def trims_at(*megabytes: int, after_trim: int) -> list[int]:
    """Return at which looks memory is given back, where each look finds so much."""
    found = iter(megabytes)
    trimmed: list[int] = []
    look = 0

    def resident() -> int:
        return (after_trim if trimmed and trimmed[-1] == look else next(found)) * MB

    leftovers = MemoryTrim(lambda _: trimmed.append(look), resident)
    for look in range(1, len(megabytes)):  # noqa: B007 - `resident` and the trim look at it
        await leftovers.look()
    return trimmed


async def test_a_crowd_that_has_gone_leaves_nothing() -> None:
    """Not while it comes; and once, not again and again."""
    assert await trims_at(100, 300, 600, 590, 120, 121, after_trim=120) == [3]


async def test_what_is_in_use_stays() -> None:
    """What cannot be given back is tried once."""
    assert await trims_at(100, 300, 300, 300, 300, after_trim=300) == [2]


async def test_a_little_is_left_alone() -> None:
    """It will be used again."""
    assert await trims_at(100, 150, 150, 140, after_trim=0) == []


def test_this_system_gives_memory_back() -> None:
    """What is freed in small pieces, between others that stay, is kept until it is asked for."""
    trim = system_trim()
    assert trim is not None
    pieces = [bytes(2_000) for _ in range(200_000)]
    kept = pieces[::50]
    pieces.clear()
    before = resident_bytes()

    trim(0)

    assert len(kept) == 4_000
    assert resident_bytes() < before
