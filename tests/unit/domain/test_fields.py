"""Which mode uses which field: the whole table, and the limits at both of their edges."""

from typing import Final, NamedTuple

import pytest

from synckairos.domain.errors import InvalidField
from synckairos.domain.model import Mode, OnExpire, Session
from synckairos.domain.specification import GroupSpec, ParticipantSpec, SessionSpec, violations
from testing.harness.builders import (
    ANN,
    BLUE,
    BOB,
    DAY,
    GREEN,
    RED,
    ZOE,
    Game,
    countdown,
    per_cycle,
    per_group,
    per_participant,
    stopwatch,
)

no, may, must = "no", "may", "must"

TABLE: Final[dict[str, tuple[str, ...]]] = {
    # field                   PARTICIPANT CYCLE GROUP GLOBAL COUNT_UP
    "participants":              (must,   may,  must, may,   may),
    "participant.total_time_ms": (must,   no,   no,   no,    no),
    "participant.group_id":      (no,     no,   must, no,    no),
    "groups":                    (no,     no,   must, no,    no),
    "group.total_time_ms":       (no,     no,   must, no,    no),
    "time_per_cycle_ms":         (no,     must, no,   no,    no),
    "total_time_ms":             (no,     no,   no,   must,  no),
    "increment_ms":              (may,    no,   may,  no,    no),
    "max_time_ms":               (may,    no,   may,  no,    may),
    "max_cycles":                (no,     may,  no,   no,    no),
}  # fmt: skip

PATHS: Final = {
    "participant.total_time_ms": "participants[1].total_time_ms",
    "participant.group_id": "participants[1].group_id",
    "group.total_time_ms": "groups[1].total_time_ms",
}

AT_ZERO: Final = {
    Mode.PER_PARTICIPANT: ("END_SESSION", "ELIMINATE", "NOTIFY"),
    Mode.PER_CYCLE: ("ADVANCE", "END_SESSION", "NOTIFY"),
    Mode.PER_GROUP: ("END_SESSION", "ELIMINATE", "NOTIFY"),
    Mode.GLOBAL: ("END_SESSION", "NOTIFY"),
    Mode.COUNT_UP: ("END_SESSION", "NOTIFY"),
}
"""The actions a mode allows at zero; the first is its default."""

SPECS: Final = {
    Mode.PER_PARTICIPANT: per_participant(60_000, 50_000),
    Mode.PER_CYCLE: per_cycle(60_000, ANN, BOB),
    Mode.PER_GROUP: per_group(60_000, 50_000),
    Mode.GLOBAL: countdown(60_000, ANN, BOB),
    Mode.COUNT_UP: stopwatch(0, ANN, BOB),
}
"""A session of every mode with nothing more than it needs, and two participants or more."""


class Cell(NamedTuple):
    """One cell of the table."""

    mode: Mode
    field: str

    @property
    def path(self) -> str:
        """Where a violation of this field points to; groups that are not used are refused as a whole."""
        if self.field == "group.total_time_ms" and self.mode is not Mode.PER_GROUP:
            return "groups"
        return PATHS.get(self.field, self.field)


def _cells(*uses: str) -> list[object]:
    return [
        pytest.param(Cell(mode, field), id=f"{mode.name}-{field}")
        for field, row in TABLE.items()
        for mode, use in zip(Mode, row, strict=True)
        if use in uses
    ]


def _with(spec: SessionSpec, field: str, value: int) -> SessionSpec:
    """Return the description with one field set to a value (0: not set), the second entry where there are many."""
    if field == "participants":
        return spec if value else spec._replace(participants=())
    if field == "groups":
        return spec._replace(groups=(GroupSpec(RED, value), GroupSpec(BLUE, value)) if value else ())
    if field == "group.total_time_ms":
        return spec._replace(groups=(GroupSpec(RED, 60_000), GroupSpec(BLUE, value)))
    if field.startswith("participant."):
        first, second, *others = spec.participants
        changed = {"total_time_ms": value} if field.endswith("_ms") else {"group_id": BLUE if value else ""}
        return spec._replace(participants=(first, second._replace(**changed), *others))
    return spec._replace(**{field: value})  # type: ignore[arg-type] # any field


def _paths(spec: SessionSpec) -> list[str]:
    return [violation.path for violation in violations(spec)]


def _stored(session: Session, field: str) -> object:
    """Return the session's value of this field."""
    last = session.participants[-1] if session.participants else None
    kept: dict[str, object] = {
        "participants": len(session.participants),
        "participant.total_time_ms": last and last.clock.allotted_ms,
        "participant.group_id": last and last.group_id,
        "groups": [group.clock.allotted_ms for group in session.groups],
        "group.total_time_ms": session.groups[-1].clock.bank_ms if session.groups else None,
    }
    return kept[field] if field in kept else getattr(session.rules, field)


@pytest.mark.parametrize("cell", _cells(no))
def test_a_field_the_mode_does_not_use_is_refused(cell: Cell) -> None:
    """An unused field is named, alone: nothing is stored and ignored."""
    spec = _with(SPECS[cell.mode], cell.field, 30_000)

    assert _paths(spec) == [cell.path]


@pytest.mark.parametrize("cell", _cells(must))
def test_a_required_field_is_missed(cell: Cell) -> None:
    """Without a required field the description is refused, and the field is named."""
    spec = _with(SPECS[cell.mode], cell.field, 0)

    assert cell.path in _paths(spec)


@pytest.mark.parametrize("cell", _cells(may, must))
def test_an_allowed_field_is_accepted_and_kept(cell: Cell) -> None:
    """A field the mode uses is accepted, and the session keeps it."""
    spec = _with(SPECS[cell.mode], cell.field, 30_000)
    expected: dict[str, object] = {
        "participants": len(spec.participants),
        "participant.group_id": BLUE,
        "groups": [30_000, 30_000],
    }

    assert _paths(spec) == []
    assert _stored(Game(spec).session, cell.field) == expected.get(cell.field, 30_000)


@pytest.mark.parametrize("cell", _cells(may))
def test_an_optional_field_may_be_left_out(cell: Cell) -> None:
    """A field the mode merely allows is not required."""
    assert _paths(_with(SPECS[cell.mode], cell.field, 0)) == []


@pytest.mark.parametrize("action", OnExpire, ids=lambda action: action.name)
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_on_expire_by_mode(mode: Mode, action: OnExpire) -> None:
    """A mode takes the actions it has and refuses the others by name."""
    limit = 60_000 if mode is Mode.COUNT_UP else 0
    spec = SPECS[mode]._replace(on_expire=action, max_time_ms=limit)

    assert _paths(spec) == ([] if action.name in AT_ZERO[mode] else ["on_expire"])


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_the_default_on_expire(mode: Mode) -> None:
    """Turns advance, everything else ends the session."""
    limit = 60_000 if mode is Mode.COUNT_UP else 0

    session = Game(SPECS[mode]._replace(max_time_ms=limit)).session

    assert session.rules.on_expire is OnExpire[AT_ZERO[mode][0]]


@pytest.mark.parametrize("action", OnExpire, ids=lambda action: action.name)
def test_a_stopwatch_without_a_limit_has_no_end(action: OnExpire) -> None:
    """Without max_time_ms there is no zero, so nothing can be asked to happen there."""
    assert _paths(stopwatch(0, on_expire=action)) == ["on_expire"]
    assert Game(stopwatch(0)).session.rules.on_expire is None


@pytest.mark.parametrize(
    ("spec", "paths"),
    [
        pytest.param(SessionSpec(None), ["mode"], id="no mode: nothing else can be judged"),
        pytest.param(
            per_participant(
                999, 0, increment_ms=-1, max_cycles=3, on_expire=OnExpire.ADVANCE, first_participant_id=ZOE
            ),
            [
                "first_participant_id",
                "increment_ms",
                "max_cycles",
                "on_expire",
                "participants[0].total_time_ms",
                "participants[1].total_time_ms",
            ],
            id="numbers of all kinds",
        ),
        pytest.param(
            SessionSpec(Mode.PER_GROUP, (ParticipantSpec(ANN),)), ["groups", "participants[0].group_id"], id="no groups"
        ),
        pytest.param(
            SessionSpec(Mode.PER_GROUP, groups=(GroupSpec(RED, 60_000),)),
            ["groups[0].group_id", "participants"],
            id="a group and nobody in it",
        ),
        pytest.param(
            SessionSpec(Mode.PER_GROUP, (ParticipantSpec(ANN, group_id=GREEN),), (GroupSpec(RED),)),
            ["groups[0].group_id", "groups[0].total_time_ms", "participants[0].group_id"],
            id="an unknown group, an empty group and no bank",
        ),
        pytest.param(
            countdown(0, ANN, ANN, metadata=b"x" * 10_241)._replace(time_per_cycle_ms=1),
            ["metadata", "participants[1].participant_id", "time_per_cycle_ms", "total_time_ms"],
            id="the wrong time source",
        ),
    ],
)
def test_all_violations_are_reported_together(spec: SessionSpec, paths: list[str]) -> None:
    """A client learns everything that is wrong in one answer."""
    assert sorted(_paths(spec)) == paths


def test_a_refused_description_makes_no_session() -> None:
    """Creation raises with everything that is wrong, and names the fields."""
    with pytest.raises(InvalidField) as caught:
        Game(per_participant(999, 28 * DAY + 1))

    assert caught.value.reason == "INVALID_FIELD"
    assert [violation.path for violation in caught.value.violations] == [
        "participants[0].total_time_ms",
        "participants[1].total_time_ms",
    ]
