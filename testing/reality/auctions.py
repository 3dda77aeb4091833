"""Auctions under soft close: the rules they are played by, and when each of them ends, calculated independently."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from synckairos.domain.model import SECOND_MS, SoftClose, SoftClosePolicy
from testing.reality.records import Auction

WINDOW_MS: Final = 600_000
EXTENSION_MS: Final = 180_000
LONGEST_MS: Final = 300_000
"""How far bids move an end where there is a limit; less than two extensions."""


class Sale(NamedTuple):
    """An auction under a rule, and what must become of it: the accepted bids with the end after each, and the end."""

    auction: Auction
    total_ms: int
    close: SoftClose
    ends: tuple[int, ...]
    end: int


def sales_of(auction: Auction) -> Iterator[Sale]:
    """Yield an auction under every rule, announced to end when it did, and earlier.

    Public auctions end hard, so nobody bids late in them: only an earlier end puts bids into the time that is added.
    One such end is between the two bids that are closest, one the very instant of the last bid, which comes too late
    then, and one leaves exactly the window after the last bid.
    """
    bids = auction.bids
    _, between = min(((later - bid, (bid + later) // 2) for bid, later in pairwise(bids)), default=(0, bids[-1]))
    for total_ms in (auction.total_ms, max(SECOND_MS, between), bids[-1], bids[-1] + WINDOW_MS):
        for policy in SoftClosePolicy:
            for hard_ms in (0, total_ms + LONGEST_MS):
                close = SoftClose(WINDOW_MS, EXTENSION_MS, policy, hard_ms)
                ends = tuple(ends_of(bids, total_ms, close))
                yield Sale(auction, total_ms, close, ends, ends[-1] if ends else total_ms)


def ends_of(bids: tuple[int, ...], total_ms: int, close: SoftClose) -> Iterator[int]:
    """Yield the end of an auction after each of its bids, up to the first that comes too late."""
    end = total_ms
    for bid in bids:
        if bid >= end:
            return
        if bid >= end - close.window_ms:
            moved = end + close.extend_ms if close.policy is SoftClosePolicy.ADD else bid + close.extend_ms
            end = max(end, min(moved, close.hard_limit_ms or moved))
        yield end
