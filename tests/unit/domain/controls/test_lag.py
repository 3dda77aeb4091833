"""Lag compensation: what a caller says its player's network took is given back, up to a quota."""

from typing import Final

from synckairos.domain.commands import Pause, Resume, Switch
from synckairos.domain.controls.time_control import LagCompensation
from synckairos.domain.errors import InvalidField
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.delays import Bronstein, SimpleDelay
from synckairos.domain.families.fischer import Fischer
from testing.harness.builders import ANN, Game, clock_of, countdown, per_participant, started
from tests.unit.domain.controls.control_builders import bank, last_turn, one_stage, players, progress_of

LAG: Final = LagCompensation(start_ms=500, gain_ms=100, max_ms=600, max_per_turn_ms=300)
AGES: Final = one_stage(9_000_000)


def quota(game: Game) -> int:
    """Return what is left of ANN's quota."""
    return progress_of(clock_of(game.session, ANN)).lag_quota_ms


def test_the_quota() -> None:
    """credit = min(lag, spent, quota, most a turn); quota = min(quota - credit + gain, most)."""
    game = started(players(one_stage(60_000, lag_compensation=LAG), AGES))
    assert quota(game) == 500
    now, seen = 0, []
    for spent, lag in ((1_000, 200), (1_000, 900), (1_000, 900), (1_000, 900), (50, 900), (1_000, 0), (1_000, 0)):
        now += spent
        game.ok(now, Switch(lag_ms=lag))
        seen.append((last_turn(game).credited_ms, quota(game)))
        game.ok(now, Switch())

    assert seen == [(200, 400), (300, 200), (200, 100), (100, 100), (50, 150), (0, 250), (0, 350)]
    assert bank(game.session) == 60_000 - now + 850


def test_without_a_limit_a_turn() -> None:
    """The quota alone is the limit."""
    game = started(players(one_stage(60_000, lag_compensation=LAG._replace(max_per_turn_ms=0)), AGES))

    game.ok(2_000, Switch(lag_ms=900))

    assert (last_turn(game).credited_ms, quota(game)) == (500, 100)


def test_the_quota_keeps_to_its_most() -> None:
    """Turns without lag fill it up to there."""
    game = started(players(one_stage(60_000, lag_compensation=LAG), AGES))

    game.ok(2_000, *[Switch()] * 6)

    assert quota(game) == 600


def test_the_flag_is_judged_without_credit() -> None:
    """Late is late."""
    game = started(players(one_stage(10_000, lag_compensation=LAG), AGES))

    assert game.refused(10_000, Switch(lag_ms=300)).reason == "PARTICIPANT_EXPIRED"


def test_time_used_is_without_credit() -> None:
    """The credit is a grant: used + left == base + grants."""
    game = started(players(one_stage(10_000, Fischer(1_000), lag_compensation=LAG), AGES))

    game.ok(9_000, Switch(lag_ms=300))

    clock, turn = clock_of(game.session, ANN), last_turn(game)
    assert (clock.used_ms, clock.bank_ms, turn.granted_ms, turn.credited_ms) == (9_000, 2_300, 1_000, 300)


def test_credit_is_taken_from_what_is_settled() -> None:
    """A delay, a period and a Bronstein turn are settled as if the lag had not been."""
    delay = started(players(one_stage(10_000, SimpleDelay(5_000), lag_compensation=LAG), AGES))
    bronstein = started(players(one_stage(10_000, Bronstein(5_000), lag_compensation=LAG), AGES))
    periods = started(players(one_stage(10_000, ByoYomi(3, 5_000), lag_compensation=LAG), AGES))

    for game in (delay, bronstein):
        game.ok(5_100, Switch(lag_ms=300))
        assert (bank(game.session), last_turn(game).credited_ms) == (10_000, 300)
    periods.ok(15_299, Switch(lag_ms=300))

    assert (last_turn(periods).periods_burnt, progress_of(clock_of(periods.session, ANN)).periods) == (0, 3)


def test_credit_is_at_most_the_turn() -> None:
    """Of which a pause is no part."""
    game = started(players(one_stage(10_000, lag_compensation=LAG), AGES))
    game.ok(100, Pause())
    game.ok(5_000, Resume())

    game.ok(5_050, Switch(lag_ms=300))

    assert (last_turn(game).credited_ms, bank(game.session)) == (150, 10_000)


def test_lag_without_compensation_is_refused() -> None:
    """On a clock without it, whatever the others have."""
    for spec in (players(AGES, one_stage(10_000, lag_compensation=LAG)), per_participant(), countdown()):
        refusal = started(spec).refused(1_000, Switch(lag_ms=1))

        assert isinstance(refusal, InvalidField)
        assert [path for path, _ in refusal.violations] == ["lag_ms"]
