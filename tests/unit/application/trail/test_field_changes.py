"""What a version changed, from what to what."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from synckairos.application.trail.field_changes import NOT_TOLD, FieldChange, changes_between
from synckairos.domain.commands import AddParticipant, Pause, Start, Switch, Update
from synckairos.domain.controls.time_control import Stage, TimeControl
from synckairos.domain.families import ByoYomi
from synckairos.domain.model import Mode
from synckairos.domain.specification import ParticipantSpec
from testing.harness.audit_histories import histories
from testing.harness.builders import ANN, BOB, CLEO, Game, at, per_participant


def changed(game: Game) -> dict[str, tuple[object, object]]:
    """Return what the latest version of a game changed."""
    before, after = (event.session for event in game.events[-2:])
    return {path: (old, new) for path, old, new in changes_between(before, after)}


def test_values_are_told_before_and_after() -> None:
    """By their names; what was not there is None."""
    game = Game(per_participant(60_000, 60_000))
    game.ok(1_000, Start())
    started = changed(game)
    game.ok(5_000, Switch())
    switched = changed(game)

    assert started["status"] == ("pending", "running")
    assert started["started_at"] == (None, at(1_000))
    assert switched["active"] == (0, 1)
    assert switched[f"participants[{ANN}].clock.bank_ms"] == (60_000, 56_000)
    assert switched[f"participants[{ANN}].cycle_count"] == (0, 1)
    assert not [path for path in switched if BOB in path]


def test_who_joins_is_told_value_by_value() -> None:
    """So are labels, by their keys."""
    game = Game(per_participant())
    game.ok(1_000, Update(labels=(("a", "1"), ("b", "2"))))
    game.ok(2_000, Update(labels=(("b", "3"),)))
    labelled = changed(game)
    game.ok(3_000, AddParticipant(ParticipantSpec(CLEO, total_time_ms=7_000)))
    joined = changed(game)

    assert labelled == {"labels[a]": ("1", None), "labels[b]": ("2", "3")}
    assert joined[f"participants[{CLEO}].clock.bank_ms"] == (None, 7_000)
    assert all(old is None for old, _ in joined.values())


def test_what_every_version_changes_is_not_told() -> None:
    """The event says it."""
    game = Game(per_participant())
    game.ok(1_000, Start())
    game.ok(2_000, Pause())

    assert not NOT_TOLD & set(changed(game))
    assert changes_between(game.session, game.session) == []


@pytest.mark.parametrize("mode", Mode)
@given(data=st.data())
def test_exactly_what_differs_is_told(mode: Mode, data: DataObject) -> None:
    """Whatever was played: no path twice, no value that is the same."""
    events, _ = data.draw(histories(mode))
    for before, after in pairwise(events):
        found = changes_between(before.session, after.session)
        paths = [one.path for one in found]
        fields = {path.split(".")[0].split("[")[0] for path in paths}
        assert len(paths) == len(set(paths))
        assert all(isinstance(one, FieldChange) and one.old != one.new for one in found)
        assert fields <= {
            name
            for name, old, new in zip(before.session._fields, before.session, after.session, strict=True)
            if old != new
        }


def test_time_controls_are_told_value_by_value() -> None:
    """Of who joins with one its stages and families; of a turn where its clock stands."""
    control = TimeControl((Stage(60_000, 0, ByoYomi(3, 5_000)),))
    spec = per_participant()
    holders = tuple(one._replace(total_time_ms=0) for one in spec.participants)
    game = Game(spec._replace(participants=holders, time_control=control))
    game.ok(1_000, Start())
    game.ok(62_000, Switch())
    switched = changed(game)
    game.ok(63_000, AddParticipant(ParticipantSpec(CLEO)))
    joined = changed(game)

    standing = f"participants[{ANN}].clock.progress"
    assert switched[f"{standing}.turns_made"] == (0, 1)
    assert not [path for path in switched if "control" in path]
    path = f"participants[{CLEO}].clock.progress.control.stages[0]"
    assert joined[f"{path}.base_ms"] == (None, 60_000)
    assert joined[f"{path}.family.name"] == (None, "byo_yomi")
    assert joined[f"{path}.family.period_ms"] == (None, 5_000)
    for one in changes_between(*(event.session for event in game.events[-2:])):
        assert isinstance(one.new, str | int | bool | list | None)
