"""One wrong value for every field of every request: refused by its path, and nothing is stored."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from synckairos.devstack import RedisServer
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_pb2 import GroupSpec
from synckairos.v1.time_control_pb2 import SoftClose, TimeControl
from testing.harness.client import Stub, connect, new_id, refused
from testing.harness.processes.in_process import serving, settings_for
from tests.integration.rpc.good_requests import (
    ANN,
    BLUE,
    BOB,
    CLEO,
    DAYS_28,
    GREEN,
    HOUR,
    RED,
    create,
    group,
    member,
    players,
)
from tests.integration.store.key_space import KeySpace

SID = "10000000-0000-4000-8000-0000000000f1"
CALL = {"session_id": SID}


def struct(**fields: Any) -> Struct:
    """Return a Struct."""
    made = Struct()
    made.update(fields)
    return made


LARGE = struct(text="x" * 10_240)
P, C, G, L, U = "participant", "cycle", "group", "global", "count up"
TWO = [member(), member(BOB)]
TEAM = GroupSpec(group_id=BLUE, time_control_text="60")
CREATES: list[tuple[str, dict[str, Any], str]] = [
    (P, {"session_id": "x"}, "session_id"),
    (P, {"session_id": f"{{{SID}}}"}, "session_id"),
    (P, {"request_id": "x"}, "request_id"),
    (P, {"reason": "é" * 128 + "x"}, "reason"),
    (P, {"reason": "a\0"}, "reason"),
    *((P, {"mode": mode}, "mode") for mode in (0, 6, -1)),
    *((mode, {"participants": []}, "participants") for mode in (P, G)),
    (L, {"participants": [member(new_id()) for _ in range(1_001)]}, "participants"),
    (L, {"participants": [member("")]}, "participants[0].participant_id"),
    (L, {"participants": [member(), member("x")]}, "participants[1].participant_id"),
    (L, {"participants": [member(), member(ANN.upper())]}, "participants[1].participant_id"),
    (L, {"participants": [member(participant_index=0), member(BOB)]}, "participants[1].participant_index"),
    (P, {"participants": [member(total_time_ms=-1)]}, "participants[0].total_time_ms"),
    (P, {"participants": players(group_id=RED)}, "participants[0].group_id"),
    (L, {"participants": [member(metadata=struct(text="x" * 1_024))]}, "participants[0].metadata"),
    (L, {"participants": [member(metadata=struct(text="\0"))]}, "participants[0].metadata.text"),
    (P, {"groups": [group()]}, "groups"),
    (G, {"groups": []}, "groups"),
    *(
        (G, {"groups": [group(), group(BLUE), group(one)]}, "groups[2].group_id")
        for one in ("", "x", RED.upper(), GREEN)
    ),
    (G, {"groups": [group(), group(BLUE, -1)]}, "groups[1].total_time_ms"),
    *((L, {"total_time_ms": ms}, "total_time_ms") for ms in (0, -1, DAYS_28 + 1, 2**63 - 1, -(2**63))),
    (C, {"time_per_cycle_ms": -1}, "time_per_cycle_ms"),
    (P, {"increment_ms": HOUR + 1}, "increment_ms"),
    (U, {"max_time_ms": 999}, "max_time_ms"),
    (C, {"max_cycles": -1}, "max_cycles"),
    *((L, {"on_expire": action}, "on_expire") for action in (99, session_pb2.ON_EXPIRE_ADVANCE)),
    (L, {"warning_thresholds_ms": range(1, 12)}, "warning_thresholds_ms"),
    (L, {"warning_thresholds_ms": [5, -1]}, "warning_thresholds_ms[1]"),
    *((P, {"first_participant_id": one}, "first_participant_id") for one in ("x", CLEO)),
    (L, {"metadata": LARGE}, "metadata"),
    (L, {"metadata": struct(a={"b": [1.0, float("nan")]})}, "metadata.a.b[1]"),
    (L, {"metadata": struct(**{"a\0": 1})}, "metadata"),
    (L, {"labels": {str(number): "" for number in range(33)}}, "labels"),
    (L, {"labels": {"": "x"}}, "labels"),
    (L, {"labels": {"a": "\0"}}, "labels"),
    (L, {"labels": {"a": "é" * 65}}, 'labels["a"]'),
    *((L, {"idle_ttl_ms": ms}, "idle_ttl_ms") for ms in (-1, 59_999, 366 * 24 * HOUR + 1)),
    (P, {"participants": TWO, "time_control": TimeControl()}, "time_control.stages"),
    (P, {"participants": TWO, "time_control_text": "600|5x30~"}, "time_control_text"),
    (P, {"participants": [member(time_control_text="x"), member(BOB)]}, "participants[0].time_control_text"),
    (P, {"participants": [member(), member(BOB, time_control_text="60")]}, "participants[0].time_control"),
    (G, {"groups": [GroupSpec(group_id=RED, time_control_text="0"), TEAM]}, "groups[0].time_control_text"),
    (L, {"time_control_text": "60"}, "time_control_text"),
    *((P, {"session_limit_ms": ms}, "session_limit_ms") for ms in (-1, DAYS_28 + 1)),
    (L, {"session_limit_ms": 60_000}, "session_limit_ms"),
    (L, {"durability": 99}, "durability"),
    *((L, {"durability_replicas": count}, "durability_replicas") for count in (-1, 1)),
    *((L, {"durability": 3, "durability_replicas": count}, "durability_replicas") for count in (-1, 0, 17)),
    *((L, {"durability": level, "durability_replicas": 1}, "durability_replicas") for level in (1, 2)),
    *((P, {"close_at": Timestamp(seconds=seconds)}, "close_at") for seconds in (-1, 1, 2**33)),
    *((L, {"soft_close": SoftClose(window_ms=1, extend_ms=1, policy=one)}, "soft_close.policy") for one in (0, 99)),
    (L, {"soft_close": SoftClose(extend_ms=1, policy=1)}, "soft_close.window_ms"),
    (P, {"soft_close": SoftClose(window_ms=1, extend_ms=1, policy=1)}, "soft_close"),
]
"""Every way in which a field cannot be read, and one wrong value of each field; the limits are the domain's tests."""

MUTATIONS: dict[Any, dict[str, Any]] = {
    pb.StartSessionRequest: {},
    pb.SwitchCycleRequest: {},
    pb.PauseSessionRequest: {},
    pb.ResumeSessionRequest: {},
    pb.CompleteSessionRequest: {},
    pb.CancelSessionRequest: {},
    pb.AddParticipantRequest: {"participant": member(CLEO, total_time_ms=60_000)},
    pb.RemoveParticipantRequest: {"participant_id": BOB},
    pb.AdjustTimeRequest: {"participant_id": ANN, "delta_ms": 1_000, "reason": "late"},
    pb.AdvanceClockRequest: {"by_ms": 1_000},
    pb.UpdateSessionRequest: {"labels": {"a": "b"}},
    pb.DeleteSessionRequest: {},
}
SHARED: list[tuple[dict[str, Any], str]] = [
    ({"session_id": ""}, "session_id"),
    ({"session_id": "x"}, "session_id"),
    ({"request_id": "x"}, "request_id"),
    ({"expected_version": -1}, "expected_version"),
    ({"reason": "x" * 257}, "reason"),
    ({"reason": "\0"}, "reason"),
]
UPDATE: Any = pb.UpdateSessionRequest
OTHERS: list[tuple[Any, dict[str, Any], str]] = [
    (pb.SwitchCycleRequest, {"next_participant_id": "x"}, "next_participant_id"),
    (pb.SwitchCycleRequest, {"expected_active_participant_id": "x"}, "expected_active_participant_id"),
    (pb.SwitchCycleRequest, {"expected_cycle_number": -1}, "expected_cycle_number"),
    *((pb.SwitchCycleRequest, {"lag_ms": ms}, "lag_ms") for ms in (-1, 60_001)),
    (pb.CompleteSessionRequest, {"winner_participant_id": "x"}, "winner_participant_id"),
    (pb.CompleteSessionRequest, {"winner_group_id": "x"}, "winner_group_id"),
    (pb.AddParticipantRequest, {"participant": None}, "participant.participant_id"),
    (pb.AddParticipantRequest, {"participant": member("x", total_time_ms=60_000)}, "participant.participant_id"),
    (pb.AddParticipantRequest, {"participant": member(CLEO)}, "participant.total_time_ms"),
    (pb.AddParticipantRequest, {"participant": member(CLEO, time_control_text="-")}, "participant.time_control_text"),
    (
        pb.AddParticipantRequest,
        {"participant": member(CLEO, total_time_ms=60_000, time_control_text="60")},
        "participant.time_control_text",
    ),
    (pb.RemoveParticipantRequest, {"participant_id": ""}, "participant_id"),
    (pb.RemoveParticipantRequest, {"participant_id": "x"}, "participant_id"),
    (pb.AdjustTimeRequest, {"reason": ""}, "reason"),
    (pb.AdjustTimeRequest, {"delta_ms": None}, "delta_ms"),
    *((pb.AdjustTimeRequest, {"delta_ms": ms}, "delta_ms") for ms in (0, DAYS_28 + 1, -DAYS_28 - 1)),
    *((pb.AdjustTimeRequest, {"delta_ms": None, "set_ms": ms}, "set_ms") for ms in (-1, DAYS_28 + 1)),
    *((pb.AdjustTimeRequest, {"delta_ms": None, "at_least_ms": ms}, "at_least_ms") for ms in (0, -1, DAYS_28 + 1)),
    *((pb.AdjustTimeRequest, {"delta_ms": None, "set_periods": n}, "set_periods") for n in (0, 1_001)),
    *((pb.AdvanceClockRequest, {"by_ms": ms}, "by_ms") for ms in (0, -1, 1_000, DAYS_28 + 1)),
    (pb.AdjustTimeRequest, {"participant_id": "x"}, "participant_id"),
    (pb.AdjustTimeRequest, {"participant_id": None}, "participant_id"),
    (pb.AdjustTimeRequest, {"participant_id": None, "group_id": "x"}, "group_id"),
    (UPDATE, {"labels": {}}, "update_mask"),
    (UPDATE, {"update_mask": FieldMask(paths=["labels", "mode"])}, "update_mask"),
    (UPDATE, {"update_mask": FieldMask(paths=["metadata.a"])}, "update_mask"),
    (UPDATE, {"metadata": LARGE}, "metadata"),
    (UPDATE, {"metadata": struct(a=float("inf"))}, "metadata.a"),
    (UPDATE, {"labels": {"": "x"}}, "labels"),
    (pb.GetSessionRequest, {"session_id": ""}, "session_id"),
    (pb.GetSessionRequest, {"session_id": SID + "0"}, "session_id"),
    (pb.BatchGetSessionsRequest, {"session_ids": []}, "session_ids"),
    (pb.BatchGetSessionsRequest, {"session_ids": [new_id() for _ in range(101)]}, "session_ids"),
    (pb.BatchGetSessionsRequest, {"session_ids": [SID, ""]}, "session_ids[1]"),
    (pb.BatchGetSessionsRequest, {"session_ids": [SID, "x"]}, "session_ids[1]"),
    (pb.BatchGetSessionsRequest, {"session_ids": [SID, SID.upper()]}, "session_ids[1]"),
    (pb.ListSessionsRequest, {"page_size": -1}, "page_size"),
    (pb.ListSessionsRequest, {"page_token": "x"}, "page_token"),
    (pb.ListSessionsRequest, {"statuses": [1, 0]}, "statuses[1]"),
    (pb.ListSessionsRequest, {"statuses": [99]}, "statuses[0]"),
    (pb.ListSessionsRequest, {"statuses": [1] * 101}, "statuses"),
    (pb.ListSessionsRequest, {"modes": [1, 0]}, "modes[1]"),
    (pb.ListSessionsRequest, {"modes": [-1]}, "modes[0]"),
    (pb.ListSessionsRequest, {"labels": {"a": "\0"}}, "labels"),
]


def changed(kind: Any, wrong: dict[str, Any]) -> Any:
    """Return a good request of a kind, some fields changed."""
    target = CALL if "session_id" in kind.DESCRIPTOR.fields_by_name else {}
    return kind(**{**target, **MUTATIONS.get(kind, {}), **wrong})


CASES: list[Any] = [
    *((create(base, **wrong), path) for base, wrong, path in CREATES),
    *((changed(kind, wrong), path) for kind in MUTATIONS for wrong, path in SHARED),
    *((changed(kind, wrong), path) for kind, wrong, path in OTHERS),
]


@pytest.fixture(scope="module")
async def stub_and_keys(redis_server: RedisServer) -> AsyncIterator[tuple[Stub, KeySpace]]:
    """A server with one pending session of two participants, and its keys in Redis."""
    settings = settings_for(redis_server.url)
    async with (
        serving(settings) as server,
        connect(server.address) as stub,
        KeySpace(redis_server.url, settings.redis_prefix) as key_space,
    ):
        await stub.CreateSession(create(P, session_id=SID))
        yield stub, key_space


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        pytest.param(request, path, id=f"{place}-{request.DESCRIPTOR.name.removesuffix('Request')}-{path[:40]}")
        for place, (request, path) in enumerate(CASES)
    ],
)
async def test_a_wrong_field_is_refused_by_its_path(
    stub_and_keys: tuple[Stub, KeySpace], request_: Any, path: str
) -> None:
    """The wrong field is named, and none that is right, and not a byte is stored."""
    stub, key_space = stub_and_keys
    before = await key_space.content()

    problem = await refused(getattr(stub, request_.DESCRIPTOR.name.removesuffix("Request"))(request_))

    assert (problem.code, problem.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert next(iter(problem.fields)) == path
    assert len(problem.fields) == 1 or path in ("participants", "groups")  # what refers to a missing list is wrong too
    assert problem.fields[path]
    assert await key_space.content() == before


def test_every_field_of_every_request_is_in_the_table() -> None:
    """A field added to the contract needs a wrong value here; only two of them cannot be wrong."""
    named: dict[str, set[str]] = {}
    for request, path in CASES:
        named.setdefault(request.DESCRIPTOR.name, set()).add(path.split("[")[0].split(".")[0])
    unary = [
        method for method in pb.DESCRIPTOR.services_by_name["SessionService"].methods if not method.server_streaming
    ]

    for method in unary:
        fields = {field.name for field in method.input_type.fields} - {"allow_missing", "manual_clock"}
        assert fields == named[method.input_type.name], method.name


async def test_everything_wrong_is_told_at_once(stub_and_keys: tuple[Stub, KeySpace]) -> None:
    """Several wrong fields are all named in one answer."""
    stub, _ = stub_and_keys
    request = create(P, session_id="x", request_id="y", increment_ms=-1, first_participant_id=CLEO, labels={"": ""})

    problem = await refused(stub.CreateSession(request))

    assert set(problem.fields) == {"session_id", "request_id", "increment_ms", "first_participant_id", "labels"}
