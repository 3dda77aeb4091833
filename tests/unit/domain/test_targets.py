"""Commands that name a participant or a group: unknown, taken or eliminated, it is refused and nothing changes."""

from typing import Final

import pytest

from synckairos.domain.commands import AddParticipant, AdjustTime, Command, RemoveParticipant, Switch
from synckairos.domain.model import Mode, OnExpire
from synckairos.domain.specification import GroupSpec, ParticipantSpec, SessionSpec
from testing.harness.builders import (
    ANN,
    BOB,
    CLEO,
    EVE,
    GREEN,
    RED,
    ZOE,
    one_of_each,
    per_group,
    per_participant,
    started,
)

BANKS: Final = per_participant(10_000, 60_000, 60_000, on_expire=OnExpire.ELIMINATE)
GROUPS: Final = per_group(10_000, 60_000, on_expire=OnExpire.ELIMINATE)
THREE_GROUPS: Final = GROUPS._replace(
    participants=(*GROUPS.participants, ParticipantSpec(ZOE, group_id=GREEN)),
    groups=(*GROUPS.groups, GroupSpec(GREEN, 60_000)),
)
ABSENT, TAKEN, UNKNOWN, EXPIRED = (
    "PARTICIPANT_NOT_FOUND",
    "PARTICIPANT_ALREADY_EXISTS",
    "GROUP_NOT_FOUND",
    "PARTICIPANT_EXPIRED",
)


def _joining(participant_id: str, mode: Mode, group_id: str = RED) -> AddParticipant:
    bank = 60_000 if mode is Mode.PER_PARTICIPANT else 0
    return AddParticipant(ParticipantSpec(participant_id, None, bank, group_id if mode is Mode.PER_GROUP else ""))


IN_EVERY_MODE: Final = [
    pytest.param(spec, command, reason, {"participant_id": participant_id}, id=f"{command.verb}-{mode.name}")
    for mode, spec in one_of_each().items()
    for command, reason, participant_id in (
        (Switch(next_participant_id=ZOE), ABSENT, ZOE),
        (RemoveParticipant(ZOE), ABSENT, ZOE),
        (_joining(BOB, mode), TAKEN, BOB),
    )
]


@pytest.mark.parametrize(
    ("spec", "command", "reason", "details"),
    [
        *IN_EVERY_MODE,
        pytest.param(BANKS, AdjustTime(ZOE, set_ms=1), ABSENT, {"participant_id": ZOE}, id="adjusted"),
        pytest.param(GROUPS, AdjustTime("", GREEN, set_ms=1), UNKNOWN, {"group_id": GREEN}, id="group adjusted"),
        pytest.param(GROUPS, _joining(EVE, Mode.PER_GROUP, ANN), UNKNOWN, {"group_id": ANN}, id="group joined"),
    ],
)
def test_unknown_and_taken_ids_are_refused(
    spec: SessionSpec, command: Command, reason: str, details: dict[str, str]
) -> None:
    """The refusal names the participant or the group, and the running turn is not charged."""
    game = started(spec)
    before = game.session

    refusal = game.refused(1_000, command)

    assert (refusal.reason, refusal.details, game.session) == (reason, details, before)


@pytest.mark.parametrize(
    ("spec", "command"),
    [
        pytest.param(BANKS, Switch(next_participant_id=ANN), id="participant called"),
        pytest.param(BANKS, AdjustTime(ANN, set_ms=60_000), id="participant adjusted"),
        pytest.param(THREE_GROUPS, Switch(next_participant_id=CLEO), id="member called"),
        pytest.param(THREE_GROUPS, AdjustTime("", RED, set_ms=60_000), id="group adjusted"),
        pytest.param(THREE_GROUPS, _joining(EVE, Mode.PER_GROUP), id="group joined"),
    ],
)
def test_the_eliminated_stay_out(spec: SessionSpec, command: Command) -> None:
    """Nothing brings back a participant or a group that has run out of time."""
    game = started(spec)
    settled = game.ok(10_000)

    refusal = game.refused(11_000, command)

    named = {"participant_id": ANN, "group_id": ""} if spec is BANKS else {"group_id": RED}
    assert refusal.reason == EXPIRED
    assert refusal.details.items() >= named.items()
    assert game.session == settled
