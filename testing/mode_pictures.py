"""The pictures of docs/concepts.md: a short session of every mode, played by the rules themselves."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from synckairos.cli.clock_faces import face
from synckairos.cli.drawing import BAR, INK, PAPER, ROW, TOP, bar, picture, place, text
from synckairos.domain import timing
from synckairos.domain.commands import Command, Pause, Resume, Start, Switch
from synckairos.domain.events import running_subject
from synckairos.domain.model import Mode, Session, Status
from synckairos.domain.specification import SessionSpec
from testing.harness.builders import (
    ANN,
    BOB,
    CLEO,
    DAN,
    RED,
    Game,
    at,
    countdown,
    per_cycle,
    per_group,
    per_participant,
    stopwatch,
)

S: Final = 1_000
RUNS, STANDS = "#2f81f7", "#d0d7de"
NAMES: Final = {ANN: "Ann", BOB: "Bob", CLEO: "Cleo", DAN: "Dan"}

Script = Sequence[tuple[int, Command]]


class Sample(NamedTuple):
    """A session to draw: its title, its rows, the row of the clock that runs, and what is done when (ms)."""

    title: str
    rows: tuple[str, ...]
    row: Callable[[Session], int]
    spec: SessionSpec
    script: Script
    ends_at: int
    names_members: bool = False
    """Whether a bar says whose turn it is: the row does not."""


def samples() -> dict[str, Sample]:
    """Return the pictures by their file names."""
    turns: Script = [
        (0, Start()),
        (20 * S, Switch()),
        (35 * S, Switch()),
        (50 * S, Pause()),
        (65 * S, Resume()),
        (80 * S, Switch()),
    ]
    cycles: Script = [(0, Start()), (18 * S, Switch()), (40 * S, Switch()), (65 * S, Switch())]
    common: Script = [(0, Start()), (30 * S, Switch()), (45 * S, Pause()), (60 * S, Resume())]
    laps: Script = [(0, Start()), (25 * S, Switch()), (55 * S, Switch()), (70 * S, Pause())]
    return {
        "mode-per-participant": Sample(
            "PER_PARTICIPANT: a bank each, 5 seconds for every turn, one pause", ("Ann", "Bob"), _active,
            per_participant(60 * S, 60 * S, increment_ms=5 * S), turns, 100 * S,
        ),
        "mode-per-cycle": Sample(
            "PER_CYCLE: 30 seconds for every turn, whoever has it", ("turn",), _first,
            per_cycle(30 * S, ANN, BOB), cycles, 80 * S, names_members=True,
        ),
        "mode-per-group": Sample(
            "PER_GROUP: a bank for each group, whose members take turns", ("Red", "Blue"), _group,
            per_group(60 * S, 60 * S), cycles, 80 * S, names_members=True,
        ),
        "mode-global": Sample(
            "GLOBAL: one countdown for all; a switch only numbers the cycles", ("all",), _first,
            countdown(90 * S, ANN, BOB), common, 90 * S,
        ),
        "mode-count-up": Sample(
            "COUNT_UP: a stopwatch; a switch is a lap", ("watch",), _first,
            stopwatch(0, ANN), laps, 80 * S,
        ),
    }  # fmt: skip


def drawn(sample: Sample) -> str:
    """Play a sample and return its picture."""
    game = Game(sample.spec)
    ends = [ms for ms, _ in sample.script[1:]] + [sample.ends_at]
    parts: list[str] = []
    for (ms, command), end in zip(sample.script, ends, strict=True):
        game.decide(ms, command)
        parts += _stretch(sample, game.session, ms, end)
    return picture(sample.title, sample.rows, sample.ends_at, parts)


def _stretch(sample: Sample, session: Session, begin: int, end: int) -> Iterator[str]:
    """Draw the time between two commands: whose clock ran, and what it showed when it stopped."""
    y, is_paused = TOP + ROW * sample.row(session), session.status is Status.PAUSED
    shown = "paused" if is_paused else _shown(session, end)
    middle = (place(begin, sample.ends_at) + place(end, sample.ends_at)) / 2
    yield bar(begin, end, sample.ends_at, y, STANDS if is_paused else RUNS, shown)
    yield text(middle, y + BAR + 15, shown, "middle", INK, 11)
    active = session.active_participant
    if sample.names_members and active is not None:
        yield text(middle, y + BAR - 7, NAMES[active.participant_id], "middle", PAPER, 11)


def _shown(session: Session, ms: int) -> str:
    """Return what the running clock shows: the time left, or counted."""
    if session.rules.mode is Mode.COUNT_UP:
        return face(timing.elapsed(session, at(ms)))
    left = running_subject(session, at(ms)).remaining_ms
    assert left is not None
    return face(left)


def _first(session: Session) -> int:
    del session
    return 0


def _active(session: Session) -> int:
    assert session.active is not None
    return session.active


def _group(session: Session) -> int:
    assert session.active_participant is not None
    return 0 if session.active_participant.group_id == RED else 1
