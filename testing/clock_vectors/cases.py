"""The sessions of the vectors: every mode, clock family and state. Times are ms from the session's creation."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from synckairos.domain.commands import (
    AddParticipant,
    AdjustTime,
    Cancel,
    Command,
    Complete,
    Pause,
    RemoveParticipant,
    Resume,
    Start,
    Switch,
)
from synckairos.domain.controls.notation import parse
from synckairos.domain.controls.time_control import LagCompensation, TimeControl
from synckairos.domain.model import Mode, OnExpire, Session, SoftClose, SoftClosePolicy
from synckairos.domain.specification import GroupSpec, ParticipantSpec, SessionSpec
from testing.harness import builders
from testing.harness.builders import ANN, BOB, CLEO, DAN, Game, at

NOTIFY, ELIMINATE, ADVANCE = OnExpire.NOTIFY, OnExpire.ELIMINATE, OnExpire.ADVANCE
Moves = tuple[tuple[int, Command], ...]
GO: Final[Moves] = ((0, Start()),)


class Case(NamedTuple):
    """A session, played up to an instant, and when it was read."""

    name: str
    session: Session
    taken: int


def _case(name: str, spec: SessionSpec, taken_ms: int, moves: Moves = GO) -> Case:
    game = Game(spec)
    for ms, command in moves:
        game.ok(ms, command)
    return Case(name, game.ok(taken_ms), at(taken_ms))


def _control(text: str | TimeControl) -> TimeControl:
    return parse(text) if isinstance(text, str) else text


def _players(text: str | TimeControl, count: int = 2, **fields: Any) -> SessionSpec:
    participants = tuple(ParticipantSpec(name) for name in (ANN, BOB, CLEO, DAN)[:count])
    return SessionSpec(Mode.PER_PARTICIPANT, participants, time_control=_control(text))._replace(**fields)


def _odds(*texts: str) -> SessionSpec:
    names = (ANN, BOB, CLEO, DAN)[: len(texts)]
    participants = tuple(
        ParticipantSpec(name, time_control=_control(text)) for name, text in zip(names, texts, strict=True)
    )
    return SessionSpec(Mode.PER_PARTICIPANT, participants)


def _teams(text: str, **fields: Any) -> SessionSpec:
    spec = builders.per_group()
    groups = tuple(GroupSpec(one.group_id) for one in spec.groups)
    return spec._replace(groups=groups, time_control=_control(text))._replace(**fields)


def _switches(*times_ms: int) -> Moves:
    return (*GO, *((ms, Switch()) for ms in times_ms))


def cases() -> Iterator[Case]:
    """Yield every case; no two have one name."""
    yield from _families()
    yield from _composed()
    yield from _overtime()
    yield from _hourglasses()
    yield from _groups()
    yield from _banks()
    yield from _session_clocks()
    yield from _states()


def _families() -> Iterator[Case]:
    yield _case("absolute, first turn", _players("300"), 1_234)
    yield _case("absolute, third turn", _players("300"), 21_000, _switches(5_000, 20_000))
    yield _case("fischer", _players("180+2"), 14_001, _switches(5_000, 12_000))
    yield _case("fischer, capped", _players("60+5c60"), 2_500, _switches(1_000, 2_000))
    yield _case("fischer, granted before the turn", _players("60+5a"), 3_000, _switches(2_000))
    yield _case("simple delay, in the delay", _players("10d5"), 4_000, _switches(1_000))
    yield _case("simple delay, in the bank", _players("10d5"), 8_000, _switches(1_000))
    yield _case("simple delay, no bank left", _players("10d5"), 21_500, _switches(1_000, 2_000, 16_900, 17_000)[:4])
    yield _case("bronstein", _players("10b5"), 9_000, _switches(3_000, 4_000))
    yield _case("byo-yomi, main time", _players("10|5x30"), 2_000)
    yield _case("byo-yomi, first period", _players("10|5x30"), 15_000)
    yield _case("byo-yomi, a period burnt", _players("10|5x30"), 45_000)
    yield _case("byo-yomi, last period", _players("10|3x30"), 75_000)
    yield _case("byo-yomi, no main time", _players("0|1x10"), 3_000)
    yield _case("byo-yomi, increment in main time", _players("10|2x20+5"), 12_000, _switches(4_000, 8_000))
    yield _case("byo-yomi, more periods than phases", _players("5|20x2"), 1_000)
    yield _case("byo-yomi, a thousand periods", _players("0|1000x1"), 250_250)
    yield _case("canadian, main time", _players("60/20x300"), 30_000)
    yield _case("canadian, in the block", _players("10/3x30"), 40_000, _switches(15_000, 16_000, 30_000, 31_000))
    yield _case("per turn", _players("t30"), 12_000, _switches(5_000))
    yield _case("per turn, its own time", _players("60t30"), 12_000)
    yield _case("per turn, in the reserve", _players("60t30"), 45_000)
    yield _case("penalty, above zero", _players("10p10/6-60"), 4_000)
    yield _case("penalty, below zero", _players("10p10/6-60"), 19_000)
    yield _case("penalty without a limit", _players("10p10/6"), 19_000)
    yield _case("penalty with an increment", _players("5+3p7/2-20"), 16_500, _switches(7_000, 8_000))


def _composed() -> Iterator[Case]:
    yield _case("stages, the first", _players("2/20:10+5"), 9_000, _switches(8_000))
    yield _case("stages, the second", _players("1/20:10+5"), 19_000, _switches(8_000, 15_000))
    yield _case("stages, the last again", _players("1/20"), 9_500, _switches(8_000, 9_000))
    yield _case(
        "stages of many families", _players("1/20:1/10|2x5:t15"), 30_000, _switches(8_000, 9_000, 20_000, 21_000)
    )
    yield _case("turn limit", _players("20!8"), 3_000)
    yield _case("turn limit in a period", _players("5|3x10!12"), 9_000)
    yield _case("turn limit in a delay", _players("20d9!8"), 3_000)
    yield _case("turn limit passed over", _players("20!8", on_expire=NOTIFY), 3_000)
    yield _case("free turn with a limit", _players("20~1@15"), 4_000)
    yield _case("free turn without a limit", _players("20+1~1"), 4_000)
    yield _case("free turn of byo-yomi", _players("20|2x10~1@15"), 4_000)
    yield _case("free turn, limit passed over", _players("20~1@5", on_expire=NOTIFY), 2_000)
    yield _case("free turn, paused", _players("20~2@15"), 6_000, (*_switches(1_000), (3_000, Pause())))
    yield _case("after the free turns", _players("20~1@15"), 4_000, _switches(1_000, 2_000))
    lag = parse("10+1")._replace(lag_compensation=LagCompensation(500, 100, 1_000, 400))
    yield _case("lag credited", _players(lag), 9_000, (*GO, (5_000, Switch(lag_ms=300)), (8_000, Switch())))
    yield _case("odds", _odds("20+2", "10|2x5", "t12"), 9_000, _switches(7_000))
    yield _case("odds, per turn", _odds("20+2", "10|2x5", "t12"), 17_000, _switches(7_000, 9_000))
    adjusted = (*GO, (12_000, AdjustTime(ANN, delta_ms=7_000)))
    yield _case("period adjusted while it runs", _players("10|3x30"), 20_000, adjusted)
    yield _case("period adjusted, and burnt", _players("10|3x30"), 60_000, adjusted)
    at_rest = (*_switches(15_000), (16_000, AdjustTime(ANN, delta_ms=-9_000)))
    yield _case("period adjusted at rest", _players("10|3x30"), 18_000, at_rest)
    given = (*GO, (12_000, AdjustTime(ANN, set_periods=7)))
    yield _case("periods given", _players("10|3x30"), 20_000, given)
    yield _case("eliminated", _players("10", 3, on_expire=ELIMINATE), 14_000)
    yield _case("session limit", _players("60+1", session_limit_ms=20_000), 12_000, _switches(10_000))
    yield _case("closing time", _players("60|2x5", close_at=at(30_000)), 12_000, _switches(10_000))


def _overtime() -> Iterator[Case]:
    for text in ("10", "10+2", "10d3", "10b3", "10|2x4", "10/2x4", "6t4", "10p3/2-4"):
        yield _case(f"{text}: before overtime", _players(text, on_expire=NOTIFY), 3_000)
    for text in ("10", "10d3", "10|2x4", "10/2x4", "6t4", "10p3/2-4"):
        yield _case(f"{text}: in overtime", _players(text, on_expire=NOTIFY), 25_000)
    later = _switches(20_000, 21_000)
    yield _case("a later turn in overtime", _players("10+2", on_expire=NOTIFY), 24_000, later)
    yield _case("per turn, time again after overtime", _players("6t4", on_expire=NOTIFY), 22_000, later)
    yield _case("overtime at rest", _players("10+2", on_expire=NOTIFY), 22_500, _switches(20_000))
    limited = _players("10|2x4", on_expire=NOTIFY, session_limit_ms=30_000)
    yield _case("overtime up to the session's limit", limited, 4_000)
    back = (*GO, (15_000, AdjustTime(ANN, set_ms=5_000)))
    yield _case("back from overtime", _players("10|2x4", on_expire=NOTIFY), 23_000, (*back[:1], (21_000, back[1][1])))
    yield _case("advanced when its time was over", _players("4t6", on_expire=ADVANCE), 13_000)


def _hourglasses() -> Iterator[Case]:
    yield _case("hourglass of two", _players("*60"), 15_000, _switches(10_000))
    yield _case("hourglass of three, odd ms", _players("*60", 3), 10_001)
    yield _case("hourglass of four", _players("*60", 4), 17_003, _switches(5_001, 9_003))
    yield _case("hourglass, paused", _players("*60", 3), 30_000, (*GO, (7_001, Pause())))
    yield _case(
        "hourglass, paused and resumed", _players("*60", 3), 30_002, (*GO, (7_001, Pause()), (29_000, Resume()))
    )
    yield _case("hourglass, one eliminated", _players("*10", 4, on_expire=ELIMINATE), 13_501)
    overtime = _players("*10", 3, on_expire=NOTIFY)
    yield _case("hourglass, before overtime", overtime, 4_001)
    yield _case("hourglass, sand for who was in overtime", overtime, 14_002, _switches(12_000))
    yield _case("hourglass, free turns", _players("*10~1@8", 3), 3_001)
    left = (*GO, (4_001, RemoveParticipant(CLEO)))
    yield _case("hourglass, one has left in the turn", _players("*20", 4), 6_002, left)
    joined = (*GO, (4_001, AddParticipant(ParticipantSpec(DAN))))
    yield _case("hourglass, one has joined in the turn", _players("*20", 3), 6_002, joined)
    adjusted = (*GO, (4_001, AdjustTime(ANN, delta_ms=3_000)))
    yield _case("hourglass, adjusted in the turn", _players("*20", 3), 6_002, adjusted)
    yield _case("hourglass of groups", _teams("*60"), 12_500, _switches(10_000))


def _groups() -> Iterator[Case]:
    yield _case("groups, byo-yomi", _teams("10|2x20"), 18_000, _switches(5_000, 7_000))
    yield _case("groups, penalty without a limit", _teams("10p10/6"), 19_000)
    yield _case("groups, a turn limit passed over", _teams("90!10", on_expire=NOTIFY), 4_000)
    handed = (*GO, (3_000, RemoveParticipant(ANN)))
    yield _case("groups, a turn handed to a team mate", _teams("20d5"), 4_000, handed)
    yield _case("groups without a control", builders.per_group(60_000, 40_000), 13_000, _switches(5_000, 7_000))
    spec = builders.per_group(10_000, 10_000, on_expire=NOTIFY)
    yield _case("groups without a control, overtime", spec, 6_000)


def _banks() -> Iterator[Case]:
    yield _case("banks", builders.per_participant(60_000, 30_000), 9_000, _switches(5_000))
    incremented = builders.per_participant(60_000, 60_000, increment_ms=2_000, max_time_ms=61_000)
    yield _case("banks with an increment", incremented, 9_000, _switches(1_000, 4_000))
    notified = builders.per_participant(10_000, 10_000, on_expire=NOTIFY)
    yield _case("banks, before overtime", notified, 6_000)
    yield _case("banks, in overtime", notified, 16_000)
    yield _case("banks, overtime at rest", notified, 16_000, _switches(13_000))
    yield _case("banks, eliminated", builders.per_participant(10_000, 20_000, 30_000, on_expire=ELIMINATE), 12_000)
    limited = builders.per_participant(60_000, 60_000)._replace(session_limit_ms=15_000)
    yield _case("banks, the session's limit first", limited, 8_000, _switches(6_000))
    closing = notified._replace(close_at=at(14_000))
    yield _case("banks, closing time in overtime", closing, 8_000)


def _session_clocks() -> Iterator[Case]:
    yield _case("cycle, advancing", builders.per_cycle(30_000, ANN, BOB), 12_000)
    yield _case("cycle, advanced twice", builders.per_cycle(30_000, ANN, BOB), 67_000)
    yield _case("cycle without participants", builders.per_cycle(30_000, max_cycles=3), 71_000)
    yield _case("cycle, ending", builders.per_cycle(30_000, on_expire=OnExpire.END_SESSION), 12_000)
    yield _case("cycle, overtime", builders.per_cycle(30_000, ANN, BOB, on_expire=NOTIFY), 12_000)
    yield _case("cycle, in overtime", builders.per_cycle(30_000, ANN, BOB, on_expire=NOTIFY), 33_000)
    yield _case("countdown", builders.countdown(60_000, ANN, BOB), 20_000, _switches(10_000))
    yield _case("countdown, overtime", builders.countdown(60_000, on_expire=NOTIFY), 20_000)
    yield _case("countdown, in overtime", builders.countdown(60_000, on_expire=NOTIFY), 70_000)
    closing = builders.countdown(60_000)._replace(close_at=at(45_000))
    yield _case("countdown, paused, with a closing time", closing, 30_000, (*GO, (10_000, Pause())))
    yield _case("countdown with a closing time", closing, 30_000)
    soft = SoftClose(5_000, 10_000, SoftClosePolicy.RESET, 90_000)
    bidding = builders.countdown(60_000, ANN, BOB)._replace(soft_close=soft)
    yield _case("auction, a late bid", bidding, 59_000, _switches(58_000))
    yield _case("stopwatch", builders.stopwatch(), 12_345)
    yield _case("stopwatch, paused twice", builders.stopwatch(), 40_000, (*GO, (2_000, Pause()), (9_000, Resume())))
    yield _case("stopwatch with a limit", builders.stopwatch(60_000, ANN, BOB), 20_000, _switches(10_000))
    yield _case("stopwatch with a limit, overtime", builders.stopwatch(60_000, on_expire=NOTIFY), 20_000)


def _states() -> Iterator[Case]:
    for text in ("300", "10d5", "10|5x30", "60/20x300", "60t30", "*60", "10p10/6-60", "20~1@15"):
        yield _case(f"{text}: not started", _players(text), 5_000, ())
    yield _case("not started, with a closing time", _players("300", close_at=at(8_000)), 5_000, ())
    for text in ("300", "10d5", "10|5x30", "10/2x30", "60t30", "10p10/6-60"):
        yield _case(f"{text}: paused", _players(text), 60_000, (*GO, (4_000, Switch()), (7_000, Pause())))
    for text in ("10d5", "10|5x30", "10/2x30", "4t30"):
        deep = (*GO, (12_000, Pause()), (50_000, Resume()))
        yield _case(f"{text}: resumed", _players(text), 51_000, deep)
    yield _case("expired", _players("10|2x5"), 30_000)
    yield _case("expired by a turn limit", _players("60|2x5!7"), 30_000)
    yield _case("expired by the limit of a free turn", _players("60~1@7"), 30_000)
    yield _case("completed", _players("60|2x5"), 30_000, (*GO, (13_000, Complete(winner_participant_id=ANN))))
    yield _case("cancelled", builders.countdown(60_000), 30_000, (*GO, (13_000, Cancel())))
    manual = _players("10|2x5", manual_clock=True)
    yield _case("manual clock", manual, 0, GO)
