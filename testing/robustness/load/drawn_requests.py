"""Draws requests by a seed: for sessions of every kind with little time, and for every next step of them."""

import random
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb

Request = tuple[str, Any]
"""The name of a method, and its request."""

LONG: Final = "long"
"""The label of sessions that should last."""

BUDGETS_MS: Final = (1_000, 1_500, 2_500, 4_000, 8_000, 20_000)

_ENDS: Final = {
    session_pb2.MODE_PER_PARTICIPANT: (1, 2, 4),
    session_pb2.MODE_PER_CYCLE: (1, 3, 3, 4),
    session_pb2.MODE_PER_GROUP: (1, 2, 4),
    session_pb2.MODE_GLOBAL: (1, 4),
    session_pb2.MODE_COUNT_UP: (1, 4),
}
MODES: Final = tuple(_ENDS)


def uuid(chance: random.Random) -> str:
    """Return a UUID that depends on nothing but the seed."""
    return str(UUID(int=chance.getrandbits(128), version=4))


def new_session(
    chance: random.Random, budgets: Sequence[int] = BUDGETS_MS, modes: Sequence[int] = MODES, *, is_long: bool = False
) -> Request:
    """Return the request for a session of a random kind; a long one has time for the whole run."""
    mode: Any = chance.choice(modes)
    on_expire: Any = chance.choice(_ENDS[mode])
    budget = 3_600_000 if is_long else chance.choice(budgets)
    request = pb.CreateSessionRequest(
        session_id=uuid(chance),
        request_id=uuid(chance),
        mode=mode,
        on_expire=on_expire,
        labels={"kind": LONG if is_long else "short"},
        warning_thresholds_ms=chance.choice(([], [500], [1_000, 400])) if budget > 1_000 else [],
    )
    members: list[dict[str, Any]] = [{"participant_id": uuid(chance)} for _ in range(chance.choice((2, 2, 3, 4)))]
    if mode in {session_pb2.MODE_PER_PARTICIPANT, session_pb2.MODE_PER_GROUP}:
        _give_banks(chance, request, members, budget)
    elif mode == session_pb2.MODE_PER_CYCLE:
        request.time_per_cycle_ms = budget
        request.max_cycles = 0 if is_long else chance.choice((0, 5, 25))
    elif mode == session_pb2.MODE_GLOBAL:
        request.total_time_ms = budget
    else:
        request.max_time_ms = 0 if is_long else chance.choice((0, budget))
        if not request.max_time_ms:
            request.ClearField("on_expire")
            del request.warning_thresholds_ms[:]
    request.participants.extend(session_pb2.ParticipantSpec(**member) for member in members)
    return "CreateSession", request


def _give_banks(
    chance: random.Random, request: pb.CreateSessionRequest, members: list[dict[str, Any]], budget: int
) -> None:
    request.increment_ms = chance.choice((0, 300, 1_000))
    if request.mode == session_pb2.MODE_PER_PARTICIPANT:
        for member in members:
            member["total_time_ms"] = budget
        return
    groups = [uuid(chance) for _ in range(2)]
    request.groups.extend(session_pb2.GroupSpec(group_id=one, total_time_ms=budget) for one in groups)
    for place, member in enumerate(members):
        member["group_id"] = groups[place % 2]


_RUNNING: Final = ("switch",) * 8 + ("pause",) * 2 + ("adjust", "add", "remove", "update", "update", "complete")
_PAUSED: Final = ("resume",) * 8 + ("adjust", "update", "cancel")
_PENDING: Final = ("start",) * 12 + ("adjust", "add", "update")
_OVER: Final = ("delete", "switch")
_WISHES: Final = {1: _PENDING, 2: _RUNNING, 3: _PAUSED}


def next_request(chance: random.Random, session: session_pb2.Session, *, may_end: bool = True) -> Request:
    """Return a request for a session as it was last seen; a few are refused, on purpose."""
    wish = chance.choice(_WISHES.get(session.status, _OVER))
    if not may_end and wish in {"complete", "cancel", "remove", "delete"}:
        wish = "update"
    common: dict[str, Any] = {"session_id": session.session_id, "request_id": uuid(chance)}
    if chance.random() < 0.1:
        common["expected_version"] = session.version
    match wish:
        case "switch":
            expects = chance.random() < 0.2
            active = session.active_participant_id if expects else ""
            cycle = session.cycle_number if chance.random() < 0.5 else 0
            switch = pb.SwitchCycleRequest(**common, expected_active_participant_id=active, expected_cycle_number=cycle)
            return "SwitchCycle", switch
        case "adjust":
            return "AdjustTime", _adjustment(chance, session, common, may_end=may_end)
        case "add":
            return "AddParticipant", pb.AddParticipantRequest(**common, participant=_joining(chance, session))
        case "remove" if len(session.participants) > 1:
            leaving = chance.choice(session.participants).participant_id
            return "RemoveParticipant", pb.RemoveParticipantRequest(**common, participant_id=leaving)
        case "complete" if session.participants and chance.random() < 0.5:
            winner = chance.choice(session.participants).participant_id
            return "CompleteSession", pb.CompleteSessionRequest(**common, winner_participant_id=winner)
        case "start" | "pause" | "resume" | "complete" | "cancel" | "delete":
            name = wish.capitalize() + "Session"
            return name, getattr(pb, f"{name}Request")(**common)
        case _:
            labels = {"kind": session.labels.get("kind", ""), "turn": str(chance.randrange(1_000))}
            return "UpdateSession", pb.UpdateSessionRequest(**common, labels=labels)


def _adjustment(
    chance: random.Random, session: session_pb2.Session, common: dict[str, Any], *, may_end: bool
) -> pb.AdjustTimeRequest:
    request = pb.AdjustTimeRequest(**common, reason="the umpire says so")
    if session.mode == session_pb2.MODE_PER_PARTICIPANT and session.participants:
        request.participant_id = chance.choice(session.participants).participant_id
    elif session.mode == session_pb2.MODE_PER_GROUP and session.groups:
        request.group_id = chance.choice(session.groups).group_id
    if chance.random() < 0.2 and may_end:
        request.set_ms = chance.choice((0, 1_000, 3_000))
    elif chance.random() < 0.2:
        request.at_least_ms = chance.choice((500, 2_000))
    else:
        request.delta_ms = chance.choice((-500, 250, 1_000))
    return request


def _joining(chance: random.Random, session: session_pb2.Session) -> session_pb2.ParticipantSpec:
    spec = session_pb2.ParticipantSpec(participant_id=uuid(chance))
    if session.mode == session_pb2.MODE_PER_PARTICIPANT:
        spec.total_time_ms = chance.choice((1_000, 5_000))
    elif session.mode == session_pb2.MODE_PER_GROUP and session.groups:
        spec.group_id = chance.choice(session.groups).group_id
    return spec
