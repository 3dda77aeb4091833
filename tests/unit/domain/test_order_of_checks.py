"""The order in which a call is judged: what is due, expiry, a moved turn, the conditions, the state, the request."""

from collections.abc import Callable
from typing import Final, NamedTuple

import pytest

from synckairos.domain.commands import (
    AdjustTime,
    Cancel,
    Command,
    Pause,
    RemoveParticipant,
    Resume,
    Start,
    Switch,
)
from synckairos.domain.events import EventType
from synckairos.domain.model import OnExpire
from synckairos.domain.transitions import Before
from testing.harness.builders import (
    ANN,
    BOB,
    CLEO,
    ZOE,
    Game,
    countdown,
    per_cycle,
    per_participant,
    started,
)

NOW: Final = 30_000
"""The deadline of every running game below."""
WRONG_VERSION: Final = 99


def _expired_bank() -> Game:
    return started(per_participant(NOW, NOW))


def _expired_session() -> Game:
    return started(countdown(NOW, ANN, BOB))


def _advanced() -> Game:
    return started(per_cycle(NOW, ANN, BOB))


def _eliminated() -> Game:
    return started(per_participant(NOW, NOW, NOW, on_expire=OnExpire.ELIMINATE))


def _eliminated_and_won() -> Game:
    return started(per_participant(NOW, NOW, on_expire=OnExpire.ELIMINATE))


def _running() -> Game:
    return started(per_participant(600_000, 600_000))


def _paused() -> Game:
    game = _running()
    game.ok(1_000, Pause())
    return game


def _pending() -> Game:
    return Game(per_participant(600_000, 600_000))


class Clash(NamedTuple):
    """A call that breaks two rules, and the answer of the one that is checked first."""

    game: Game
    command: Command
    reason: str
    details: dict[str, str]
    expected_version: int = 0


TURN_MOVED: Final = {"expired_participant_id": ANN, "active_participant_id": BOB, "expected_active_participant_id": ""}
TURN_OF_ANOTHER: Final = {
    "expected_active_participant_id": CLEO,
    "active_participant_id": ANN,
    "expired_participant_id": "",
}
NO_TURN: Final = {"expected_active_participant_id": CLEO, "active_participant_id": "", "expired_participant_id": ""}
EXPIRED: Final = {"participant_id": ANN, "group_id": ""}
CONFLICT: Final = {"expected": "99", "actual": "2"}

CLASHES: Final = {
    "expired before version": lambda: Clash(_expired_bank(), Switch(), "PARTICIPANT_EXPIRED", EXPIRED, WRONG_VERSION),
    "expired session before version": lambda: Clash(_expired_session(), Pause(), "SESSION_EXPIRED", {}, WRONG_VERSION),
    "expired before active": lambda: Clash(
        _expired_bank(), Switch(expected_active_participant_id=BOB), "PARTICIPANT_EXPIRED", EXPIRED
    ),
    "expired before state": lambda: Clash(_expired_bank(), Resume(), "PARTICIPANT_EXPIRED", EXPIRED),
    "expired before request": lambda: Clash(
        _expired_bank(), Switch(next_participant_id=ZOE), "PARTICIPANT_EXPIRED", EXPIRED
    ),
    "moved before version": lambda: Clash(_advanced(), Switch(), "TURN_ADVANCED", TURN_MOVED, WRONG_VERSION),
    "eliminated before version": lambda: Clash(_eliminated(), Switch(), "TURN_ADVANCED", TURN_MOVED, WRONG_VERSION),
    "moved before active": lambda: Clash(
        _advanced(), Switch(expected_active_participant_id=CLEO), "TURN_ADVANCED", TURN_MOVED
    ),
    "moved before state": lambda: Clash(
        _eliminated_and_won(), Switch(), "TURN_ADVANCED", {**TURN_MOVED, "active_participant_id": ""}
    ),
    "moved before request": lambda: Clash(_advanced(), Switch(next_participant_id=ZOE), "TURN_ADVANCED", TURN_MOVED),
    "version before active": lambda: Clash(
        _running(), Switch(expected_active_participant_id=BOB), "VERSION_CONFLICT", CONFLICT, WRONG_VERSION
    ),
    "version before state": lambda: Clash(_running(), Start(), "VERSION_CONFLICT", CONFLICT, WRONG_VERSION),
    "version before request": lambda: Clash(
        _running(), RemoveParticipant(ZOE), "VERSION_CONFLICT", CONFLICT, WRONG_VERSION
    ),
    "active before state, paused": lambda: Clash(
        _paused(), Switch(expected_active_participant_id=CLEO), "TURN_ADVANCED", TURN_OF_ANOTHER
    ),
    "active before state, pending": lambda: Clash(
        _pending(), Switch(expected_active_participant_id=CLEO), "TURN_ADVANCED", NO_TURN
    ),
    "version before cycle": lambda: Clash(
        _running(), Switch(expected_cycle_number=7), "VERSION_CONFLICT", CONFLICT, WRONG_VERSION
    ),
    "cycle before state": lambda: Clash(_paused(), Switch(expected_cycle_number=7), "TURN_ADVANCED", {}),
    "active before request": lambda: Clash(
        _running(),
        Switch(next_participant_id=ZOE, expected_active_participant_id=CLEO),
        "TURN_ADVANCED",
        TURN_OF_ANOTHER,
    ),
    "state before request": lambda: Clash(
        _paused(),
        Switch(next_participant_id=ZOE),
        "INVALID_STATE_TRANSITION",
        {"from": "PAUSED", "verb": "switch"},
    ),
}


@pytest.mark.parametrize("name", CLASHES)
def test_of_two_violations_the_earlier_one_answers(name: str) -> None:
    """A call that breaks two rules is refused for the one that is checked first."""
    clash = CLASHES[name]()

    refusal = clash.game.refused(NOW, clash.command, expected_version=clash.expected_version)

    assert refusal.reason == clash.reason
    assert refusal.details.items() >= clash.details.items()


def test_expiry_answers_before_a_turn_moved_by_an_earlier_transaction() -> None:
    """If the turn moved and the session expired while one call was catching up, the expiry is the answer."""
    game = _expired_bank()

    outcome = game.decide(NOW, Switch(), before=Before(1, turn_moved=True, expired_participant_id=BOB))

    assert outcome.refusal is not None
    assert outcome.refusal.reason == "PARTICIPANT_EXPIRED"


@pytest.mark.parametrize(
    ("build", "command", "expected_version", "settled"),
    [
        pytest.param(_expired_bank, Switch(), 0, EventType.SESSION_EXPIRED, id="expired"),
        pytest.param(_advanced, Switch(), 0, EventType.CYCLE_SWITCHED, id="moved"),
        pytest.param(_eliminated, Pause(), WRONG_VERSION, EventType.PARTICIPANT_EXPIRED, id="version"),
        pytest.param(_advanced, Start(), 0, EventType.CYCLE_SWITCHED, id="state"),
        pytest.param(_advanced, RemoveParticipant(ZOE), 0, EventType.CYCLE_SWITCHED, id="request"),
        pytest.param(_eliminated, AdjustTime(ANN, delta_ms=1), 0, EventType.PARTICIPANT_EXPIRED, id="target"),
    ],
)
def test_what_was_due_is_kept_when_the_call_is_refused(
    build: Callable[[], Game], command: Command, expected_version: int, settled: EventType
) -> None:
    """Every kind of refusal leaves the settlement committed, and exactly that."""
    game, looked_at = build(), build()
    expected = looked_at.ok(NOW)

    game.refused(NOW, command, expected_version=expected_version)

    assert game.session == expected
    assert game.types()[2:] == [settled]


def test_only_a_switch_minds_that_the_turn_moved() -> None:
    """A pause meant for the turn that just ended pauses the next one."""
    game = _advanced()

    game.ok(NOW + 1, Pause())

    assert game.types()[2:] == [EventType.CYCLE_SWITCHED, EventType.SESSION_PAUSED]
    assert game.active_id == BOB


def test_a_turn_moved_by_somebody_else_is_no_concern_of_the_switch() -> None:
    """What a reader had settled before is not the switch's own settlement: it ends the turn that is on."""
    game = _advanced()
    game.ok(NOW)

    session = game.ok(NOW + 1, Switch())

    assert (session.cycle_number, game.active_id) == (3, ANN)


def test_the_version_is_the_one_before_the_settlement() -> None:
    """The caller could not know of what its own call settled: the version it saw is right."""
    game, late = (started(countdown(NOW, ANN, BOB, on_expire=OnExpire.NOTIFY)) for _ in range(2))

    session = game.ok(NOW, Switch(), expected_version=2)
    conflict = late.refused(NOW, Switch(), expected_version=3)

    assert (session.version, game.types()[2:]) == (4, [EventType.OVERTIME_STARTED, EventType.CYCLE_SWITCHED])
    assert conflict.details == {"expected": "3", "actual": "2"}


def test_matching_conditions_let_a_call_through() -> None:
    """The right version and the right participant are no obstacle."""
    game = _running()

    session = game.ok(1, Switch(expected_active_participant_id=ANN), expected_version=2)

    assert (session.version, game.active_id) == (3, BOB)


@pytest.mark.parametrize("command", [Pause(), Cancel(), RemoveParticipant(BOB)], ids=lambda command: command.verb)
def test_every_verb_minds_the_expected_version(command: Command) -> None:
    """A condition holds for every mutation, not for switches alone."""
    conflict = _running().refused(1, command, expected_version=1)

    assert (conflict.reason, conflict.details) == ("VERSION_CONFLICT", {"expected": "1", "actual": "2"})
