"""The clock families in numbers that were worked out by hand: of the families alone, and of sessions in play."""

import pytest

from synckairos.domain.commands import Pause, Resume, Start, Switch
from synckairos.domain.controls.time_control import Stage, TimeControl
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.canadian import Canadian
from synckairos.domain.families.delays import Bronstein, SimpleDelay
from synckairos.domain.families.family import Family, Parts
from synckairos.domain.families.fischer import Fischer
from synckairos.domain.families.hourglass import Hourglass
from synckairos.domain.families.per_turn import PerTurn
from synckairos.domain.model import OnExpire, SoftClose, SoftClosePolicy, Status
from testing.harness.builders import ANN, BOB, CLEO, Game, clock_of, countdown, started
from tests.unit.domain.controls.control_builders import bank, one_stage, players, progress_of, standing, teams

FIVE_PERIODS = ByoYomi(5, 30_000)
BLOCKS = Canadian(20, 300_000)

SETTLED = [
    pytest.param(Fischer(2_000), Parts(180_000), 5_000, Parts(177_000), id="Fischer"),
    pytest.param(Fischer(2_000), Parts(180_000), 179_999, Parts(2_001), id="Fischer, the last millisecond"),
    pytest.param(Fischer(5_000, 60_000), Parts(60_000), 1_000, Parts(60_000), id="Fischer, up to the cap"),
    pytest.param(Fischer(5_000, 60_000), Parts(70_000), 1_000, Parts(69_000), id="Fischer, above the cap"),
    pytest.param(SimpleDelay(5_000), Parts(10_000), 5_000, Parts(10_000), id="delay, within it"),
    pytest.param(SimpleDelay(5_000), Parts(10_000), 5_001, Parts(9_999), id="delay, one beyond it"),
    pytest.param(SimpleDelay(5_000), Parts(10_000), 14_999, Parts(1), id="delay, the last millisecond"),
    pytest.param(Bronstein(5_000), Parts(10_000), 3_000, Parts(10_000), id="Bronstein, within the delay"),
    pytest.param(Bronstein(5_000), Parts(10_000), 7_000, Parts(8_000), id="Bronstein, beyond the delay"),
    pytest.param(Bronstein(5_000), Parts(10_000), 9_999, Parts(5_001), id="Bronstein, the last millisecond"),
    pytest.param(FIVE_PERIODS, Parts(10_000, 5), 9_999, Parts(1, 5), id="byo-yomi, main time"),
    pytest.param(FIVE_PERIODS, Parts(10_000, 5), 10_000, Parts(0, 5), id="byo-yomi, exactly the main time"),
    pytest.param(FIVE_PERIODS, Parts(10_000, 5), 39_999, Parts(0, 5), id="byo-yomi, within a period"),
    pytest.param(FIVE_PERIODS, Parts(10_000, 5), 40_000, Parts(0, 4), id="byo-yomi, exactly a period"),
    pytest.param(FIVE_PERIODS, Parts(10_000, 5), 159_999, Parts(0, 1), id="byo-yomi, the last period"),
    pytest.param(ByoYomi(1, 30_000), Parts(0, 1), 29_999, Parts(0, 1), id="byo-yomi, one period alone"),
    pytest.param(ByoYomi(5, 30_000, 4_000), Parts(10_000, 5), 9_000, Parts(5_000, 5), id="byo-yomi, increment"),
    pytest.param(ByoYomi(5, 30_000, 4_000), Parts(10_000, 5), 10_000, Parts(0, 5), id="byo-yomi, none in a period"),
    pytest.param(BLOCKS, Parts(60_000, 0, 0, 300_000, 20), 70_000, Parts(0, 0, 0, 290_000, 19), id="Canadian"),
    pytest.param(BLOCKS, Parts(60_000, 0, 0, 300_000, 20), 59_999, Parts(1, 0, 0, 300_000, 20), id="Canadian, main"),
    pytest.param(BLOCKS, Parts(0, 0, 0, 5_000, 1), 4_999, Parts(0, 0, 0, 300_000, 20), id="Canadian, a new block"),
    pytest.param(PerTurn(30_000), Parts(60_000), 45_000, Parts(45_000), id="per turn, of the reserve"),
    pytest.param(PerTurn(30_000), Parts(60_000), 89_999, Parts(1), id="per turn, the last millisecond"),
    pytest.param(PerTurn(30_000), Parts(60_000), 30_000, Parts(60_000), id="per turn, exactly its time"),
]


@pytest.mark.parametrize(("family", "parts", "spent", "after"), SETTLED)
def test_completed_turns(family: Family, parts: Parts, spent: int, after: Parts) -> None:
    """A completed turn leaves these parts."""
    assert spent < (family.budget(parts) or 0)
    assert family.settle(parts, spent) == after


@pytest.mark.parametrize(
    ("family", "parts", "flag"),
    [
        pytest.param(Fischer(2_000), Parts(180_000), 180_000, id="Fischer"),
        pytest.param(SimpleDelay(5_000), Parts(10_000), 15_000, id="delay"),
        pytest.param(Bronstein(5_000), Parts(10_000), 10_000, id="Bronstein"),
        pytest.param(FIVE_PERIODS, Parts(10_000, 5), 160_000, id="byo-yomi"),
        pytest.param(ByoYomi(1, 30_000), Parts(0, 1), 30_000, id="byo-yomi, one period alone"),
        pytest.param(BLOCKS, Parts(0, 0, 0, 5_000, 1), 5_000, id="Canadian"),
        pytest.param(PerTurn(30_000), Parts(60_000), 90_000, id="per turn"),
    ],
)
def test_flags(family: Family, parts: Parts, flag: int) -> None:
    """A turn flags when it has spent this much, to the millisecond."""
    assert family.budget(parts) == flag


IN_PLAY = [
    pytest.param(180_000, Fischer(2_000), 5_000, 177_000, id="Fischer"),
    pytest.param(180_000, Fischer(2_000), 179_999, 2_001, id="Fischer, the last millisecond"),
    pytest.param(60_000, Fischer(5_000, 60_000), 1_000, 60_000, id="Fischer, up to the cap"),
    pytest.param(10_000, SimpleDelay(5_000), 5_000, 10_000, id="delay, within it"),
    pytest.param(10_000, SimpleDelay(5_000), 5_001, 9_999, id="delay, one beyond it"),
    pytest.param(10_000, SimpleDelay(5_000), 14_999, 1, id="delay, the last millisecond"),
    pytest.param(10_000, Bronstein(5_000), 3_000, 10_000, id="Bronstein, within the delay"),
    pytest.param(10_000, Bronstein(5_000), 7_000, 8_000, id="Bronstein, beyond the delay"),
    pytest.param(10_000, Bronstein(5_000), 9_999, 5_001, id="Bronstein, the last millisecond"),
    pytest.param(60_000, PerTurn(30_000), 45_000, 45_000, id="per turn"),
    pytest.param(60_000, PerTurn(30_000), 89_999, 1, id="per turn, the last millisecond"),
]


@pytest.mark.parametrize(("base", "family", "spent", "left"), IN_PLAY)
def test_banks_in_play(base: int, family: Family, spent: int, left: int) -> None:
    """A participant, or a team, that spends so much of its first turn has this bank, also with a pause in the turn."""
    for spec, holder in ((players(one_stage(base, family)), ANN), (teams(one_stage(base, family)), "")):
        game = started(spec)
        game.ok(spent // 2, Pause())
        game.ok(spent // 2 + 77_000, Resume())

        session = game.ok(spent + 77_000, Switch())

        assert bank(session, holder or session.groups[0].group_id) == left


FLAGS = [
    pytest.param(180_000, Fischer(2_000), 180_000, id="Fischer"),
    pytest.param(10_000, SimpleDelay(5_000), 15_000, id="delay"),
    pytest.param(10_000, Bronstein(5_000), 10_000, id="Bronstein"),
    pytest.param(10_000, FIVE_PERIODS, 160_000, id="byo-yomi"),
    pytest.param(60_000, BLOCKS, 360_000, id="Canadian"),
    pytest.param(60_000, PerTurn(30_000), 90_000, id="per turn"),
    pytest.param(60_000, Hourglass(), 60_000, id="hourglass"),
]


@pytest.mark.parametrize(("base", "family", "flag"), FLAGS)
def test_flags_in_play(base: int, family: Family, flag: int) -> None:
    """Equality is late: the call of that millisecond is refused, the session has ended at it, all of it was used."""
    game = started(players(one_stage(base, family)))
    assert game.deadline_ms == flag

    refusal = game.refused(flag, Switch())

    assert refusal.reason == "PARTICIPANT_EXPIRED"
    assert (game.session.status, game.session.completed_at) == (Status.EXPIRED, game.session.updated_at)
    assert (game.session.expired_participant_id, game.session.winner_participant_id) == (ANN, BOB)
    assert clock_of(game.session, ANN).used_ms == flag


@pytest.mark.parametrize(
    ("spent", "after"),
    [(9_999, (1, 5)), (10_000, (0, 5)), (39_999, (0, 5)), (40_000, (0, 4)), (159_999, (0, 1))],
)
def test_byo_yomi_in_play(spent: int, after: tuple[int, int]) -> None:
    """The main time and the periods left after a turn."""
    session = started(players(one_stage(10_000, FIVE_PERIODS))).ok(spent, Switch())

    clock = clock_of(session, ANN)
    assert (clock.bank_ms, progress_of(clock).periods) == after


def test_canadian_in_play() -> None:
    """A turn out of the main time takes the rest from the block; the last of its turns brings a whole one."""
    game = started(players(one_stage(60_000, Canadian(2, 300_000)), one_stage(900_000)))

    def block() -> tuple[int | None, int, int]:
        clock = clock_of(game.session, ANN)
        return clock.bank_ms, progress_of(clock).block_ms, progress_of(clock).block_turns

    game.ok(70_000, Switch())
    assert block() == (0, 290_000, 1)
    game.ok(70_000, Switch())
    game.ok(70_000 + 289_999, Switch())
    assert block() == (0, 300_000, 2)


def test_hourglass_in_play() -> None:
    """What a turn spends goes to the others, odd milliseconds to those whose turns come first."""
    hourglass = one_stage(60_000, Hourglass())
    two, three = started(players(hourglass)), started(players(hourglass, hourglass, hourglass))

    of_two, of_three = two.ok(10_000, Switch()), three.ok(10_001, Switch())

    assert [bank(of_two, name) for name in (ANN, BOB)] == [50_000, 70_000]
    assert [bank(of_three, name) for name in (ANN, BOB, CLEO)] == [49_999, 65_001, 65_000]


STAGES = TimeControl((Stage(10_000, 3), Stage(5_000, 0, Fischer(1_000))))


def test_stages_in_play() -> None:
    """Three turns in 10 s, then 5 s more and 1 s a turn, granted to the turns of the second stage only."""
    game, now, banks = started(players(STAGES, one_stage(900_000))), 0, []
    for spent in (3_000, 3_000, 3_999, 2_000):
        now += spent
        banks.append(bank(game.ok(now, Switch())))
        game.ok(now, Switch())

    assert banks == [7_000, 4_000, 5_001, 4_001]


def test_the_next_stage_comes_too_late_for_a_flag() -> None:
    """A third turn that spends what is left flags, though 5 s were to be added after it."""
    game = started(players(STAGES, one_stage(900_000)))
    for now in (3_000, 6_000):
        game.ok(now, Switch())
        game.ok(now, Switch())

    assert game.refused(10_000, Switch()).reason == "PARTICIPANT_EXPIRED"
    assert game.session.expired_participant_id == ANN


RESET, ADD = SoftClosePolicy.RESET, SoftClosePolicy.ADD


@pytest.mark.parametrize(
    ("policy", "bid", "end"),
    [
        pytest.param(RESET, 97_000, 107_000, id="reset"),
        pytest.param(ADD, 97_000, 110_000, id="add"),
        pytest.param(RESET, 94_999, 100_000, id="before the window, reset"),
        pytest.param(ADD, 94_999, 100_000, id="before the window, add"),
        pytest.param(RESET, 95_000, 105_000, id="the first millisecond of the window"),
        pytest.param(RESET, 99_999, 109_999, id="the last millisecond"),
    ],
)
def test_bids_move_the_end(policy: SoftClosePolicy, bid: int, end: int) -> None:
    """The end after a bid; a pause shifts both."""
    spec = countdown(100_000)._replace(soft_close=SoftClose(5_000, 10_000, policy, 130_000))
    plain, paused = started(spec), started(spec)
    paused.ok(50_000, Pause())
    paused.ok(51_000, Resume())

    plain.ok(bid, Switch())
    paused.ok(bid + 1_000, Switch())

    assert (plain.deadline_ms, paused.deadline_ms) == (end, end + 1_000)
    assert [game.events[-1].extended_ms for game in (plain, paused)] == [end - 100_000] * 2


@pytest.mark.parametrize("policy", SoftClosePolicy)
def test_the_hard_limit_of_a_soft_close(policy: SoftClosePolicy) -> None:
    """An end at 128 s that would move on stops at 130 s."""
    spec = countdown(128_000)._replace(soft_close=SoftClose(5_000, 10_000, policy, 130_000))
    game = started(spec)

    game.ok(127_000, Switch())

    assert (game.deadline_ms, game.events[-1].extended_ms) == (130_000, 2_000)


def test_a_bid_at_the_end_is_too_late() -> None:
    """At the end the session has expired, like any other."""
    spec = countdown(100_000)._replace(soft_close=SoftClose(5_000, 10_000, RESET, 130_000))
    game = Game(spec)
    game.ok(0, Start())

    assert game.refused(100_000, Switch()).reason == "SESSION_EXPIRED"
    assert game.session.status is Status.EXPIRED


@pytest.mark.parametrize("on_expire", [OnExpire.ELIMINATE, OnExpire.NOTIFY])
def test_the_middle_of_a_turn(on_expire: OnExpire) -> None:
    """What a read shows in the middle of a turn, whatever is agreed for its end."""
    game = started(players(one_stage(10_000, FIVE_PERIODS), on_expire=on_expire))

    assert standing(game, 9_999) == (1, 5, 30_000, None, None, None)
    assert standing(game, 10_000) == (0, 5, 30_000, None, None, None)
    assert standing(game, 39_999) == (0, 5, 1, None, None, None)
    assert standing(game, 40_000) == (0, 4, 30_000, None, None, None)
    assert standing(game, 159_999) == (0, 1, 1, None, None, None)
