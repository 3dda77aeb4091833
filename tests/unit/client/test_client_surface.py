"""The methods of the clients are those of the contract, field by field, and the twins have the same."""

import inspect
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToDict

from synckairos.client import client, commands, sync
from synckairos.client.connection import METHODS
from synckairos.client.requests import audit, creation, driving, reading, time_controls
from synckairos.client.unary import Unary
from synckairos.rpc.server import AUDIT_SERVICE, SESSION_SERVICE, TIME_CONTROL_SERVICE, TIME_SERVICE
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb

SERVICES = (SESSION_SERVICE, AUDIT_SERVICE, TIME_CONTROL_SERVICE, TIME_SERVICE)
UNARY = [
    method
    for service in SERVICES
    for method in service.methods
    if not method.client_streaming | method.server_streaming
]
TWINS = [(client.SyncKairos, sync.SyncKairos), (commands.Commands, sync.Commands)]


def snake(name: str) -> str:
    """Return the name of an RPC as Python has it."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def test_the_clients_know_the_methods_of_the_server() -> None:
    """All services, streams included."""
    assert sorted(method.full_name for method in METHODS.values()) == sorted(
        method.full_name for service in SERVICES for method in service.methods
    )


@pytest.mark.parametrize("method", UNARY, ids=lambda method: method.name)
def test_every_call_is_a_method_with_every_field(method: MethodDescriptor) -> None:
    """Each field of the request is an argument, typed and named as in the contract; the answer is the contract's."""
    call = vars(client.SyncKairos)[snake(method.name)]
    assert isinstance(call, Unary)
    arguments = inspect.signature(call.request).parameters

    assert set(arguments) == {field.name for field in method.input_type.fields}
    assert all(argument.annotation is not inspect.Parameter.empty for argument in arguments.values())
    assert call.reply.DESCRIPTOR is method.output_type
    assert call.__doc__


def test_every_command_is_a_method() -> None:
    """With the arguments of its call."""
    fields = pb.Command.DESCRIPTOR.oneofs_by_name["command"].fields

    assert {field.name for field in fields} == {
        name for name, value in vars(commands.Commands).items() if isinstance(value, commands.CommandMethod)
    }
    for field in fields:
        assert vars(commands.Commands)[field.name].request is vars(client.SyncKairos)[field.name].request


@pytest.mark.parametrize(("asynchronous", "synchronous"), TWINS, ids=["client", "commands"])
def test_the_twins_have_the_same_names(asynchronous: type, synchronous: type) -> None:
    """But for how they are closed."""
    names = [{name for name in vars(kind) if not name.startswith("_")} for kind in (asynchronous, synchronous)]

    assert names[0] - names[1] <= {"aclose", "connection"}
    assert names[1] - names[0] <= {"close"}


@pytest.mark.parametrize("method", ["connect", "with_options", "watch", "watch_many", "commands", "sync_clock"])
def test_what_is_no_call_takes_the_same_arguments_in_both(method: str) -> None:
    """By name, with the same defaults."""
    taken = [inspect.signature(getattr(kind, method)).parameters for kind in (client.SyncKairos, sync.SyncKairos)]

    assert [(one.name, one.kind, one.default) for one in taken[0].values()] == [
        (one.name, one.kind, one.default) for one in taken[1].values()
    ]


@pytest.mark.parametrize(
    ("request_with", "arguments"),
    [
        (driving.adjust_time, {"session_id": "s", "reason": "r", "delta_ms": 1, "set_ms": 2}),
        (driving.adjust_time, {"session_id": "s", "reason": "r", "participant_id": "p", "group_id": "g"}),
        (driving.complete_session, {"session_id": "s", "winner_participant_id": "p", "winner_group_id": "g"}),
        (audit.explain_clock, {"session_id": "s", "participant_id": "p", "group_id": "g"}),
        (time_controls.parse_time_control, {"text": "5+3", "time_control": {}}),
        (time_controls.simulate_time_control, {"time_control_text": "5+3", "time_control": {}}),
        (creation.create_session, {"mode": 1, "time_control_text": "5+3", "time_control": {}}),
    ],
)
def test_what_excludes_each_other_is_refused(request_with: Any, arguments: dict[str, object]) -> None:
    """Protobuf would keep the last of them without a word."""
    with pytest.raises(ValueError, match="exclude each other"):
        request_with(**arguments)


def test_what_is_not_given_is_not_set() -> None:
    """Zero is a choice for `set_ms`, an empty Struct is one for `metadata`."""
    adjusted = driving.adjust_time("s", reason="r", set_ms=0)
    updated = driving.update_session("s", metadata={})

    assert adjusted.WhichOneof("amount") == "set_ms"
    assert adjusted.WhichOneof("target") is None
    assert updated.HasField("metadata")
    assert not driving.update_session("s", labels={"a": "b"}).HasField("metadata")
    assert list(driving.update_session("s", update_mask=["metadata"]).update_mask.paths) == ["metadata"]


def test_plain_values_become_the_contracts() -> None:
    """Datetimes and nested metadata."""
    request = creation.create_session(
        session_pb2.MODE_GLOBAL,
        close_at=datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC),
        metadata={"board": 7, "players": ["a", {"seed": None}]},
    )

    assert request.close_at.ToJsonString() == "2026-01-02T03:04:05.678Z"
    assert MessageToDict(request.metadata) == {"board": 7, "players": ["a", {"seed": None}]}


def test_an_instant_without_a_zone_is_refused() -> None:
    """It would mean another one on every machine."""
    with pytest.raises(ValueError, match="no time zone"):
        reading.sync_time(client_transmit_time=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused
