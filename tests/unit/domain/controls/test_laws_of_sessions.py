"""The laws of whole sessions with time controls: pauses change nothing but instants, sand is never lost."""

from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from synckairos.domain.commands import AdjustTime, Pause, Resume, Start, Switch
from synckairos.domain.events import Event, EventType
from synckairos.domain.families.delays import Bronstein, SimpleDelay
from synckairos.domain.families.hourglass import Hourglass
from synckairos.domain.model import Mode, OnExpire, Session
from synckairos.domain.specification import SessionSpec
from testing.harness.builders import BLUE, RED, Game, clock_of
from tests.unit.domain.controls.control_builders import NAMES, one_stage, players, teams
from tests.unit.domain.controls.controlled_play import specs

PAUSES: Final = frozenset({EventType.SESSION_PAUSED, EventType.SESSION_RESUMED})


Turn = tuple[int, int | None, int, int]
"""A run, in ms; an adjustment after it, or else a switch; after what part of it the session stands, and how long."""


@st.composite
def steps(draw: st.DrawFn) -> list[Turn]:
    """Draw runs, the adjustment after each or else a switch, and when and how long the session stands in each."""
    one = st.tuples(
        st.integers(0, 9_000),
        st.one_of(st.none(), st.none(), st.sampled_from((-3_000, -1, 0, 1, 4_000))),
        st.integers(0, 9_000),
        st.integers(0, 100_000),
    )
    return draw(st.lists(one, max_size=12))


def holder_of(session: Session) -> dict[str, str]:
    """Return the field that names the holder of the running clock."""
    active = session.active_participant
    assert active is not None
    if session.rules.mode is Mode.PER_GROUP:
        return {"group_id": active.group_id or ""}
    return {"participant_id": active.participant_id}


def play(spec: SessionSpec, turns: list[Turn], *, stands: bool) -> Game:
    """Play a session, which stands now and then if it `stands`."""
    game, now = Game(spec), 0
    game.ok(0, Start())
    for run_ms, adjusted_ms, paused_after_ms, paused_ms in turns:
        if game.session.is_terminal:
            break
        before = min(paused_after_ms, run_ms)
        if stands and game.decide(now + before, Pause()).refusal is None:
            now += paused_ms
            game.ok(now + before, Resume())
        now += run_ms
        if game.decide(now).session.is_terminal:
            break
        holder = holder_of(game.session)
        game.ok(now, Switch() if adjusted_ms is None else AdjustTime(**holder, delta_ms=adjusted_ms))
    return game


def running_instants(events: list[Event]) -> list[tuple[object, ...]]:
    """Return what happened without the pauses, and when, in running time."""
    ran, seen, before = 0, list[tuple[object, ...]](), events[0].session
    for event in events:
        after = event.session
        ran += after.updated_at - before.updated_at if before.resumed_at is not None else 0
        before = after
        if event.type not in PAUSES:
            clocks = [holder.clock for holder in (after.groups or after.participants)]
            seen.append((event.type, ran, after.status, after.cycle_number, after.active, clocks, event.turn))
    return seen


@given(st.sampled_from((Mode.PER_PARTICIPANT, Mode.PER_GROUP)).flatmap(specs), steps())
def test_pauses_change_nothing_but_instants(spec: SessionSpec, turns: list[Turn]) -> None:
    """Of any length, anywhere: the same happens after the same running time, and leaves the same clocks."""
    moving = spec._replace(close_at=None)

    straight, standing = play(moving, turns, stands=False), play(moving, turns, stands=True)

    assert running_instants(straight.events) == running_instants(standing.events)


@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=5),
    st.sampled_from((OnExpire.END_SESSION, OnExpire.ELIMINATE, OnExpire.NOTIFY)),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=20),
)
def test_sand_is_never_lost(banks: list[int], on_expire: OnExpire, turns: list[tuple[int, int]]) -> None:
    """At any instant of any game of two to five, whoever runs out."""
    spec = players(*[one_stage(1_000 * one, Hourglass()) for one in banks], on_expire=on_expire)
    game, now = Game(spec), 0
    game.ok(0, Start())
    for run, paused in turns:
        game.decide(now + run * 173, Pause())
        now += run * 250 + paused
        game.decide(now - run * 50, Resume())
        game.decide(now, Switch())
        for event in game.events:
            assert sum(clock_of(event.session, name).bank_ms or 0 for name in NAMES[: len(banks)]) == 1_000 * sum(banks)
        assert sum(one.clock.bank_ms or 0 for one in game.view(now + 777).participants) == 1_000 * sum(banks)


@given(
    st.integers(0, 20),
    st.integers(1, 9),
    st.sampled_from(("players", "teams")),
    st.sampled_from((OnExpire.END_SESSION, OnExpire.ELIMINATE)),
    st.lists(st.integers(0, 12_000), max_size=15),
)
def test_a_delay_plays_as_bronstein_does(
    main: int, delay: int, kind: str, on_expire: OnExpire, turns: list[int]
) -> None:
    """The same events at the same instants, and the same time left before every flag."""
    simple = one_stage(1_000 * main, SimpleDelay(1_000 * delay))
    bronstein = one_stage(1_000 * (main + delay), Bronstein(1_000 * delay))
    described = [
        (players(one) if kind == "players" else teams(one))._replace(on_expire=on_expire) for one in (simple, bronstein)
    ]
    games, now = [Game(spec) for spec in described], 0
    holders = NAMES[:2] if kind == "players" else (RED, BLUE)
    for game in games:
        game.ok(0, Start())
    for spent in turns:
        now += spent
        one, other = (game.decide(now, Switch()) for game in games)
        assert (one.refusal is None) == (other.refusal is None)
        assert [(event.type, event.session.updated_at) for event in one.events] == [
            (event.type, event.session.updated_at) for event in other.events
        ]
        for holder in holders:
            shown, bank = (clock_of(game.session, holder) for game in games)
            assert shown.is_expired or (shown.bank_ms or 0) + 1_000 * delay == bank.bank_ms
    assert games[0].deadline_ms == games[1].deadline_ms
