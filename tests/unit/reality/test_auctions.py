"""When an auction under soft close ends, by a calculation that shares nothing with the service."""

import pytest

from synckairos.domain.model import SoftClose, SoftClosePolicy
from testing.reality.auctions import ends_of, sales_of
from testing.reality.records import Auction

RESET, ADD = SoftClosePolicy.RESET, SoftClosePolicy.ADD


@pytest.mark.parametrize(
    ("bids", "policy", "ends"),
    [
        ((97_000,), RESET, [107_000]),
        ((97_000,), ADD, [110_000]),
        ((94_999,), RESET, [100_000]),
        ((95_000,), RESET, [105_000]),
        ((100_000,), RESET, []),
        ((99_000, 108_999, 118_000, 127_000, 130_000), RESET, [109_000, 118_999, 128_000, 130_000]),
        ((96_000, 97_000), RESET, [106_000, 106_000]),
    ],
)
def test_late_bids_move_the_end(bids: tuple[int, ...], policy: SoftClosePolicy, ends: list[int]) -> None:
    """Within 5 s of the end by 10 s, up to 130 s; at the end itself it is too late."""
    close = SoftClose(5_000, 10_000, policy, 130_000)

    assert list(ends_of(bids, 100_000, close)) == ends


def test_an_auction_is_played_by_many_rules() -> None:
    """With bids in added time, at the very end, and with exactly the window left after the last."""
    auction = Auction("hand", 0, 86_400_000, (1_000, 50_000, 80_000_000, 86_100_000, 86_399_999))

    sales = list(sales_of(auction))

    assert len(sales) == 16
    accepted = {sale.total_ms: len(sale.ends) for sale in sales if sale.close.policy is RESET}
    assert accepted == {86_400_000: 5, 25_500: 2, 86_399_999: 4, 86_999_999: 5}
    added = {sale.end - sale.total_ms for sale in sales if sale.close.policy is ADD and sale.total_ms == 86_400_000}
    assert added == {360_000, 300_000}
