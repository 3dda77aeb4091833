"""Which state allows which verb: the whole table, in every mode."""

from typing import Final, get_args

import pytest

from synckairos.domain.commands import (
    AddParticipant,
    AdjustTime,
    Cancel,
    Command,
    Complete,
    Delete,
    Pause,
    RemoveParticipant,
    Resume,
    Start,
    Switch,
    Update,
)
from synckairos.domain.events import Cause, EventType
from synckairos.domain.model import Mode, OnExpire, Status
from synckairos.domain.specification import ParticipantSpec
from testing.harness.builders import ANN, CLEO, EVE, RED, UMPIRE, Game, at, one_of_each

PENDING, RUNNING, PAUSED = Status.PENDING, Status.RUNNING, Status.PAUSED
EXPIRED, COMPLETED, CANCELLED = Status.EXPIRED, Status.COMPLETED, Status.CANCELLED
SAME: Final = "same"
no: Final = None

TABLE: Final[dict[str, tuple[Status | str | None, ...]]] = {
    # verb                 PENDING    RUNNING    PAUSED     EXPIRED  COMPLETED  CANCELLED
    "start":              (RUNNING,   no,        no,        no,      no,        no),
    "switch":             (no,        RUNNING,   no,        no,      no,        no),
    "pause":              (no,        PAUSED,    no,        no,      no,        no),
    "resume":             (no,        no,        RUNNING,   no,      no,        no),
    "complete":           (no,        COMPLETED, COMPLETED, no,      no,        no),
    "cancel":             (CANCELLED, CANCELLED, CANCELLED, no,      no,        no),
    "add_participant":    (SAME,      SAME,      SAME,      no,      no,        no),
    "remove_participant": (SAME,      SAME,      SAME,      no,      no,        no),
    "adjust_time":        (SAME,      SAME,      SAME,      no,      no,        no),
    "update":             (SAME,      SAME,      SAME,      no,      no,        no),
    "delete":             (SAME,      SAME,      SAME,      SAME,    SAME,      SAME),
}  # fmt: skip

HAPPENS: Final = {
    "start": EventType.SESSION_STARTED,
    "switch": EventType.CYCLE_SWITCHED,
    "pause": EventType.SESSION_PAUSED,
    "resume": EventType.SESSION_RESUMED,
    "complete": EventType.SESSION_COMPLETED,
    "cancel": EventType.SESSION_CANCELLED,
    "add_participant": EventType.PARTICIPANT_ADDED,
    "remove_participant": EventType.PARTICIPANT_REMOVED,
    "adjust_time": EventType.TIME_ADJUSTED,
    "update": EventType.SESSION_UPDATED,
    "delete": EventType.SESSION_DELETED,
}

NOW: Final = 60_000
"""When the verbs are tried: a game started at 0 has just expired, one started at 50 000 has not."""

CELLS: Final = [
    pytest.param(mode, status, verb, result, id=f"{mode.name}-{status.name}-{verb}")
    for mode in Mode
    for verb, row in TABLE.items()
    for status, result in zip(Status, row, strict=True)
]


def _command(verb: str, mode: Mode) -> Command:
    holder = ANN if mode is Mode.PER_PARTICIPANT else ""
    team = RED if mode is Mode.PER_GROUP else ""
    commands: dict[str, Command] = {
        "start": Start(),
        "switch": Switch(),
        "pause": Pause(),
        "resume": Resume(),
        "complete": Complete(),
        "cancel": Cancel(),
        "add_participant": AddParticipant(ParticipantSpec(EVE, None, 60_000 if holder else 0, team, b"{}")),
        "remove_participant": RemoveParticipant(CLEO),
        "adjust_time": AdjustTime(holder, team, delta_ms=1_000),
        "update": Update(metadata=b'{"round":2}'),
        "delete": Delete(),
    }
    return commands[verb]


def _game(mode: Mode, status: Status) -> Game:
    """Bring a session of this mode into this state before `NOW`."""
    game = Game(one_of_each(OnExpire.END_SESSION)[mode])
    if status is PENDING:
        return game
    game.ok(0 if status is EXPIRED else 50_000, Start())
    steps: dict[Status, tuple[int, Command | None]] = {
        PAUSED: (51_000, Pause()),
        EXPIRED: (60_000, None),
        COMPLETED: (51_000, Complete()),
        CANCELLED: (51_000, Cancel()),
    }
    if status in steps:
        ms, command = steps[status]
        game.decide(ms, command)
    assert game.session.status is status
    return game


@pytest.mark.parametrize(("mode", "status", "verb", "result"), [cell for cell in CELLS if cell.values[3] is not no])
def test_an_allowed_verb_is_one_version(mode: Mode, status: Status, verb: str, result: Status | str) -> None:
    """An allowed verb leads to the table's state, as one event by the caller."""
    game = _game(mode, status)
    version = game.session.version

    outcome = game.decide(NOW, _command(verb, mode))

    assert outcome.refusal is None
    assert outcome.session.status is (status if result == SAME else result)
    assert outcome.session.version == version + 1
    assert [(event.type, event.cause, event.author) for event in outcome.events] == [
        (HAPPENS[verb], Cause.CALL, UMPIRE)
    ]
    assert (outcome.events[0].session, outcome.session.updated_at) == (outcome.session, at(NOW))
    if result in {COMPLETED, CANCELLED}:
        assert (outcome.session.completed_at, outcome.session.paused_at) == (at(NOW), None)


@pytest.mark.parametrize(("mode", "status", "verb", "result"), [cell for cell in CELLS if cell.values[3] is no])
def test_a_forbidden_verb_changes_nothing(mode: Mode, status: Status, verb: str, result: None) -> None:
    """A forbidden verb is refused with the state and the verb, and the session stays as it was."""
    game = _game(mode, status)
    before = game.session

    outcome = game.decide(NOW, _command(verb, mode))

    assert (outcome.events, outcome.session, result) == ([], before, no)
    assert outcome.refusal is not None
    if status is not EXPIRED:
        assert outcome.refusal.reason == "INVALID_STATE_TRANSITION"
        assert outcome.refusal.details == {"from": status.name, "verb": verb}
    elif mode in {Mode.PER_PARTICIPANT, Mode.PER_GROUP}:
        team = mode is Mode.PER_GROUP
        assert outcome.refusal.reason == "PARTICIPANT_EXPIRED"
        assert outcome.refusal.details == {"participant_id": "" if team else ANN, "group_id": RED if team else ""}
    else:
        assert outcome.refusal.reason == "SESSION_EXPIRED"


def test_the_table_is_complete() -> None:
    """Every command there is has a row, and every state a column; only manual clocks know the one that is left out."""
    assert {*TABLE, "advance_clock"} == {command.verb for command in get_args(Command)}
    assert {len(row) for row in TABLE.values()} == {len(Status)}


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_starting_starts_the_first_cycle(mode: Mode) -> None:
    """Cycle 0 while pending, cycle 1 from the start, which is the caller's instant."""
    game = Game(one_of_each()[mode])

    pending = game.session
    running = game.ok(7_000, Start())

    assert (pending.cycle_number, pending.started_at, pending.active) == (0, None, None)
    assert (running.cycle_number, running.started_at, running.cycle_started_at) == (1, at(7_000), at(7_000))
    assert (game.active_id, game.deadline_ms) == (ANN, 67_000)


def test_pausing_and_resuming_say_so() -> None:
    """`paused_at` stands while paused and is cleared on resume."""
    game = _game(Mode.PER_PARTICIPANT, RUNNING)

    paused = game.ok(NOW, Pause())
    resumed = game.ok(NOW + 1_000, Resume())

    assert (paused.paused_at, game.active_id, paused.active) == (at(NOW), ANN, 0)
    assert (resumed.paused_at, resumed.started_at, resumed.cycle_number) == (None, at(50_000), 1)


def test_an_update_replaces_the_fields_it_names() -> None:
    """Metadata and labels are replaced one without the other; an empty value empties."""
    game = Game(one_of_each()[Mode.GLOBAL]._replace(metadata=b"old", labels=(("table", "1"),)))

    first = game.ok(1, Update(metadata=b"new"))
    second = game.ok(2, Update(labels=()))

    assert (first.metadata, first.labels) == (b"new", (("table", "1"),))
    assert (second.metadata, second.labels) == (b"new", ())


def test_metadata_can_be_taken_away() -> None:
    """Removed metadata is absent again, as in a session created without any."""
    without = one_of_each()[Mode.GLOBAL]
    game = Game(without._replace(metadata=b"old"))

    session = game.ok(1, Update(remove_metadata=True))

    assert session.metadata is Game(without).session.metadata is None
