"""Accounts of clocks, family by family, as an umpire reads them."""

import pytest

from synckairos.domain.commands import (
    Pause,
    Switch,
)
from synckairos.domain.controls.time_control import LagCompensation, Stage
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.canadian import Canadian
from synckairos.domain.families.delays import Bronstein, SimpleDelay
from synckairos.domain.families.family import Family
from synckairos.domain.families.fischer import Fischer
from synckairos.domain.families.hourglass import Hourglass
from synckairos.domain.families.penalty import Penalty
from synckairos.domain.families.per_turn import PerTurn
from synckairos.domain.model import OnExpire
from testing.harness.builders import (
    started,
)
from tests.unit.domain.clock_accounts.account_texts import OF_ANN, OF_BOB, account, controlled, turns_of_ann


@pytest.mark.parametrize(
    ("family", "base_ms", "spent_ms", "lines"),
    [
        pytest.param(Family(), 10_000, (3_000,), ["1 BASE +10000 = 10000", "3 SPENT -3000 = 7000"], id="absolute"),
        pytest.param(
            Fischer(2_000, 11_000),
            10_000,
            (3_000, 500),
            [
                "1 BASE +10000 = 10000",
                "3 SPENT -3000 = 7000",
                "3 GRANT +2000 = 9000",
                "5 SPENT -500 = 8500",
                "5 GRANT +2000 = 10500",
            ],
            id="fischer",
        ),
        pytest.param(
            Fischer(2_000, before_turn=True),
            10_000,
            (3_000,),
            ["1 BASE +12000 = 12000", "3 SPENT -3000 = 9000", "3 GRANT +2000 = 11000"],
            id="fischer before the turn",
        ),
        pytest.param(
            SimpleDelay(5_000),
            10_000,
            (3_000, 6_000),
            [
                "1 BASE +15000 = 15000",
                "3 SPENT -3000 = 12000",
                "3 DELAY_SPARED +3000 = 15000",
                "5 SPENT -6000 = 9000",
                "5 DELAY_SPARED +5000 = 14000",
            ],
            id="simple delay",
        ),
        pytest.param(
            Bronstein(5_000),
            10_000,
            (3_000, 7_000),
            [
                "1 BASE +10000 = 10000",
                "3 SPENT -3000 = 7000",
                "3 DELAY_SPARED +3000 = 10000",
                "5 SPENT -7000 = 3000",
                "5 DELAY_SPARED +5000 = 8000",
            ],
            id="bronstein",
        ),
        pytest.param(
            ByoYomi(5, 30_000, 1_000),
            10_000,
            (2_000, 50_000, 29_999),
            [
                "1 BASE +160000 = 160000",
                "3 SPENT -2000 = 158000",
                "3 GRANT +1000 = 159000",
                "5 SPENT -50000 = 109000, 1 burnt",
                "5 REFILLED +11000 = 120000",
                "7 SPENT -29999 = 90001",
                "7 REFILLED +29999 = 120000",
            ],
            id="byo-yomi",
        ),
        pytest.param(
            Canadian(2, 30_000),
            10_000,
            (4_000, 8_000, 5_000),
            [
                "1 BASE +40000 = 40000",
                "3 SPENT -4000 = 36000",
                "5 SPENT -8000 = 28000",
                "7 SPENT -5000 = 23000",
                "7 REFILLED +7000 = 30000",
            ],
            id="canadian",
        ),
        pytest.param(
            PerTurn(30_000),
            60_000,
            (20_000, 45_000),
            [
                "1 BASE +90000 = 90000",
                "3 SPENT -20000 = 70000",
                "3 REFILLED +20000 = 90000",
                "5 SPENT -45000 = 45000",
                "5 REFILLED +30000 = 75000",
            ],
            id="per turn",
        ),
        pytest.param(
            Penalty(20_000, 5_000, 10, 1_000),
            10_000,
            (12_000,),
            ["1 BASE +30000 = 30000", "3 SPENT -12000 = 18000", "3 GRANT +1000 = 19000"],
            id="penalty",
        ),
        pytest.param(
            Penalty(0, 5_000, 10),
            10_000,
            (12_000,),
            ["1 BASE +10000 = 10000", "3 SPENT -12000 = -2000"],
            id="penalty without a limit",
        ),
    ],
)
def test_a_family_tells_its_turns(family: Family, base_ms: int, spent_ms: tuple[int, ...], lines: list[str]) -> None:
    """What was spent, and what came back and why."""
    game = turns_of_ann(controlled(Stage(base_ms, family=family)), *spent_ms)

    assert account(game.events, OF_ANN) == lines


def test_an_hourglass_passes_on_what_others_spend() -> None:
    """Also of a turn that still runs: its holder's clock and the others' are told as everybody sees them."""
    game = started(controlled(Stage(60_000, family=Hourglass()), players=3))
    game.ok(10_001, Switch())
    game.ok(12_002, Pause())

    assert account(game.events, OF_ANN) == [
        "1 BASE +60000 = 60000",
        "3 SPENT -10001 = 49999",
        "4 TRANSFER +1000 = 50999: so far",
    ]
    assert account(game.events, OF_BOB) == [
        "1 BASE +60000 = 60000",
        "3 TRANSFER +5001 = 65001",
        "4 SPENT -2001 = 63000: so far",
    ]


def test_a_stage_brings_its_time_and_drops_what_the_last_one_had() -> None:
    """The bank stays; the periods of the stage before do not."""
    stages = Stage(10_000, 1, ByoYomi(2, 30_000)), Stage(5_000, 1, Fischer(1_000)), Stage(3_000, 0, Bronstein(2_000))
    game = turns_of_ann(controlled(*stages), 4_000, 2_000, 1_000)

    assert account(game.events, OF_ANN) == [
        "1 BASE +70000 = 70000",
        "3 SPENT -4000 = 66000",
        "3 STAGE -55000 = 11000: stage 1",
        "5 SPENT -2000 = 9000",
        "5 GRANT +1000 = 10000",
        "5 STAGE +3000 = 13000: stage 2",
        "7 SPENT -1000 = 12000",
        "7 DELAY_SPARED +1000 = 13000",
    ]


def test_lag_is_credited_to_the_turn() -> None:
    """As its event says."""
    lag = LagCompensation(500, 100, 1_000)
    game = started(controlled(Stage(10_000, family=Fischer(1_000)), lag_compensation=lag))
    game.ok(3_000, Switch(lag_ms=700))

    assert account(game.events, OF_ANN) == [
        "1 BASE +10000 = 10000",
        "3 SPENT -3000 = 7000",
        "3 LAG_CREDITED +500 = 7500",
        "3 GRANT +1000 = 8500",
    ]


def test_free_turns_and_turns_past_their_limit_say_why_nothing_changes() -> None:
    """A free turn charges nothing; one past its limit is granted nothing."""
    spec = controlled(
        Stage(60_000, family=Fischer(1_000)), free_turns=1, turn_limit_ms=5_000, on_expire=OnExpire.NOTIFY
    )

    assert account(turns_of_ann(spec, 2_000, 7_000).events, OF_ANN) == [
        "1 BASE +60000 = 60000",
        "3 SPENT +0 = 60000: a free turn of 2000 ms",
        "6 SPENT -7000 = 53000: past the limit of the turn, so nothing is granted",
    ]
