"""Requests as a careless or hostile client would make them: any field of a good request given any value."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from synckairos.rpc.server import AUDIT_SERVICE, SESSION_SERVICE
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.time_control_pb2 import (
    ByoYomi,
    Fischer,
    LagCompensation,
    SoftClose,
    SoftClosePolicy,
    TimeControl,
    TimeStage,
)
from tests.integration.rpc.good_requests import ANN, BLUE, BOB, CLEO, DAYS_28, RED, create, member

PENDING, RUNNING, PAUSED, DONE, DELETED, UNKNOWN, LOST, MANUAL = (
    f"10000000-0000-4000-8000-00000000000{n}" for n in range(8)
)
"""The sessions there are while requests are tried; LOST is in the audit trail alone, MANUAL has byo-yomi."""
METHODS: Final[dict[str, MethodDescriptor]] = {
    method.name: method for service in (SESSION_SERVICE, AUDIT_SERVICE) for method in service.methods
}

_NUMBERS: Final = (0, 1, -1, 2, 100, 999, 1_000, 60_000, 60_001, 3_600_000, 3_600_001, DAYS_28, DAYS_28 + 1, -DAYS_28)
_EDGES: Final = (2**31 - 1, -(2**31), 2**31, 2**53, 2**63 - 1, -(2**63))
_IDS: Final = (PENDING, RUNNING, PAUSED, DONE, DELETED, UNKNOWN, LOST, MANUAL, ANN, BOB, CLEO, RED, BLUE)
_TEXTS: Final = st.one_of(
    st.sampled_from(["", "a", "\0", "a\0b", "x" * 128, "x" * 129, "é" * 128, "x" * 257, "\N{GRINNING FACE}" * 300]),
    st.text(max_size=40),
)
_UUIDS: Final = st.one_of(st.sampled_from(_IDS), st.sampled_from(_IDS).map(str.upper), st.uuids().map(str), _TEXTS)


def integers(bits: int) -> SearchStrategy[int]:
    """Return numbers of this many bits, many of them at or around a limit."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    edges = [number for number in (*_NUMBERS, *_EDGES) if low <= number <= high]
    return st.one_of(st.sampled_from(edges), st.integers(low, high))


def _values() -> SearchStrategy[Value]:
    leaves = st.one_of(
        st.just(Value()),
        st.just(Value(null_value=0)),
        st.builds(Value, bool_value=st.booleans()),
        st.builds(Value, number_value=st.floats(allow_nan=True, allow_infinity=True)),
        st.builds(Value, string_value=_TEXTS),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(lambda items: Value(list_value=ListValue(values=items)), st.lists(inner, max_size=3)),
            st.builds(
                lambda fields: Value(struct_value=Struct(fields=fields)), st.dictionaries(_TEXTS, inner, max_size=3)
            ),
        ),
        max_leaves=6,
    )


def _deep(levels: int) -> Struct:
    value = Value(bool_value=True)
    for _ in range(levels):
        value = Value(struct_value=Struct(fields={"k": value}))
    return Struct(fields={"k": value})


def structs() -> SearchStrategy[Struct]:
    """Return metadata of every size, depth and kind."""
    return st.one_of(
        st.builds(lambda fields: Struct(fields=fields), st.dictionaries(_TEXTS, _values(), max_size=3)),
        st.sampled_from([1_000, 1_100, 10_200, 10_300]).map(
            lambda size: Struct(fields={"k": Value(string_value="x" * size)})
        ),
        st.sampled_from([18, 19, 20, 28]).map(_deep),
    )


def _one(field: FieldDescriptor) -> SearchStrategy[Any]:
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return _UUIDS if field.name.removesuffix("s").endswith("_id") else _TEXTS
        case FieldDescriptor.TYPE_INT32:
            return integers(32)
        case FieldDescriptor.TYPE_INT64:
            return integers(64)
        case FieldDescriptor.TYPE_BOOL:
            return st.booleans()
        case FieldDescriptor.TYPE_ENUM:
            return st.sampled_from([*(value.number for value in field.enum_type.values), -1, 99, 2**31 - 1])
        case _:
            return messages(field.message_type)


def _any(field: FieldDescriptor) -> SearchStrategy[Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        texts = st.dictionaries(_TEXTS, _TEXTS, max_size=4)
        return st.one_of(texts, st.just({str(number): "" for number in range(33)}))
    if field.is_repeated:
        few = st.lists(_one(field), max_size=4)
        doubled = few.map(lambda items: [*items, *items])
        many = st.builds(lambda item, count: [item] * count, _one(field), st.sampled_from([11, 101, 1_001]))
        return st.one_of(few, few, doubled, many)
    return _one(field)


def messages(kind: Descriptor, bases: Sequence[dict[str, Any]] = ({},)) -> SearchStrategy[Any]:
    """Return messages of a kind: a base with up to a few fields replaced by anything."""
    if kind.full_name == "google.protobuf.Struct":
        return structs()
    if not kind.fields:
        return st.just(GetMessageClass(kind)())
    bases = _PARTS.get(kind.name, bases)
    names = sorted(field.name for field in kind.fields)
    made: Callable[..., Any] = GetMessageClass(kind)

    def changed(base: dict[str, Any], chosen: list[str]) -> SearchStrategy[Any]:
        replaced = {name: _any(kind.fields_by_name[name]) for name in chosen}
        return st.fixed_dictionaries(replaced).map(lambda given: made(**{**base, **given}))

    chosen = st.lists(st.sampled_from(names), max_size=3, unique=True)
    return st.tuples(st.sampled_from(list(bases)), chosen).flatmap(lambda drawn: changed(*drawn))


_PARTS: Final[dict[str, Sequence[dict[str, Any]]]] = {
    "ParticipantSpec": ({"participant_id": CLEO, "total_time_ms": 60_000}, {"participant_id": CLEO}),
    "GroupSpec": ({"group_id": BLUE, "total_time_ms": 60_000},),
    "SessionWatch": ({"session_id": PAUSED},),
    "FieldMask": ({"paths": ["labels"]}, {"paths": ["metadata"]}),
}


def _fields_of(request: Any) -> dict[str, Any]:
    return {field.name: value for field, value in request.ListFields()}


def _on_each(**fields: Any) -> list[dict[str, Any]]:
    return [{"session_id": one, **fields} for one in (PENDING, RUNNING, PAUSED, DONE, DELETED, MANUAL)]


_CONTROL: Final = TimeControl(
    stages=[
        TimeStage(base_ms=60_000, turns=40, fischer=Fischer(increment_ms=1_000)),
        TimeStage(byo_yomi=ByoYomi(periods=5, period_ms=30_000)),
    ],
    free_turns=1,
    lag_compensation=LagCompensation(start_ms=100, max_ms=100),
)
_SOFT_CLOSE: Final = SoftClose(window_ms=5_000, extend_ms=10_000, policy=SoftClosePolicy.SOFT_CLOSE_POLICY_ADD)

GOOD: Final[dict[str, list[dict[str, Any]]]] = {
    "CreateSession": [
        *(_fields_of(create(base)) for base in ("participant", "cycle", "group", "global", "count up")),
        _fields_of(create("participant", participants=[member(), member(BOB)], time_control=_CONTROL)),
        _fields_of(create("participant", participants=[member(), member(BOB)], time_control_text="600|5x30")),
        _fields_of(create("global", soft_close=_SOFT_CLOSE, manual_clock=True)),
    ],
    "GetSession": _on_each(),
    "BatchGetSessions": [{"session_ids": [PENDING, UNKNOWN, DELETED]}],
    "ListSessions": [{}, {"labels": {"a": "b"}, "statuses": [2, 3]}],
    "AddParticipant": [
        *_on_each(participant=member(CLEO, total_time_ms=60_000)),
        *_on_each(participant=member(CLEO)),
        {"session_id": MANUAL, "participant": member(CLEO, time_control_text="60d5")},
    ],
    "RemoveParticipant": _on_each(participant_id=ANN),
    "AdjustTime": [
        *_on_each(reason="late", delta_ms=1, participant_id=ANN),
        *_on_each(reason="late", set_ms=5_000, group_id=RED),
        *_on_each(reason="late", delta_ms=-1),
        *_on_each(reason="late", at_least_ms=7_000),
        *_on_each(reason="late", set_periods=3, participant_id=ANN),
    ],
    "AdvanceClock": [*_on_each(by_ms=1_000), {"session_id": MANUAL, "by_ms": 1_000}],
    "UpdateSession": _on_each(labels={"a": "b"}),
    "ListSessionEvents": [
        *_on_each(),
        {"session_id": LOST, "page_size": 1, "types": [1, 2], "participant_id": ANN},
        {"session_id": LOST, "after": Timestamp(seconds=1), "before": Timestamp(seconds=2**32)},
    ],
    "ListParticipantEvents": [
        {"participant_id": ANN},
        {"participant_id": ANN, "page_size": 1, "types": [1, 2], "after": Timestamp(seconds=1)},
    ],
    "ListAuditedSessions": [
        {},
        {"page_size": 1, "statuses": [1, 2], "modes": [1, 2]},
        {"created_after": Timestamp(seconds=1), "created_before": Timestamp(seconds=2**32)},
    ],
    "GetPipelineStatus": [{}],
    "RecoverSession": [{"session_id": LOST, "policy": 2, "reason": "lost"}, {"session_id": LOST}, *_on_each()],
    "WatchSessions": [{"watches": [pb.SessionWatch(session_id=PENDING), pb.SessionWatch(session_id=UNKNOWN)]}],
}
"""Good requests to start from; every other method's is a session's id."""


COMMANDS: Final[dict[str, str]] = {
    field.name: next(name for name, method in METHODS.items() if method.input_type is field.message_type)
    for field in pb.ExecuteCommandsRequest.DESCRIPTOR.oneofs_by_name["command"].fields
}
"""The calls that can be made as commands, by the field that holds their request."""

GOOD["ExecuteCommands"] = [
    {"command_id": "c", name: GetMessageClass(METHODS[call].input_type)(**fields)}
    for name, call in COMMANDS.items()
    for fields in GOOD.get(call) or _on_each()
]
GOOD["ExecuteCommands"].append({"commands": [pb.Command(**fields) for fields in GOOD["ExecuteCommands"][:3]]})


def requests_of(name: str) -> SearchStrategy[Any]:
    """Return requests of a method, most of them wrong somewhere."""
    return messages(METHODS[name].input_type, GOOD.get(name) or _on_each())


def good_bytes(name: str) -> list[bytes]:
    """Return the encoded good requests of a method."""
    kind: Any = GetMessageClass(METHODS[name].input_type)
    return [kind(**fields).SerializeToString() for fields in GOOD.get(name) or _on_each()]
