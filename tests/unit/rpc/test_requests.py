"""Reading requests: all violations at once, by their paths, without reading more than is allowed."""

import time
from typing import Any

import pytest
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from synckairos.application.streams import frames
from synckairos.domain.errors import InvalidField
from synckairos.domain.events import Author
from synckairos.domain.model import Mode
from synckairos.domain.specification import ParticipantSpec, SessionSpec
from synckairos.rpc import requests
from synckairos.rpc.fields import MAX_DEPTH, MAX_NOTED, Fields
from synckairos.rpc.streams.envelopes import encoded
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import new_id
from testing.harness.playing.plays import ANN, Play


def refused(request: pb.CreateSessionRequest) -> dict[str, str]:
    """Return the violations of a request, by path."""
    fields = Fields()
    requests.create(fields, request)
    return dict(fields.violations)


@pytest.mark.parametrize(
    ("named", "subject", "author"),
    [
        ("ann", "club", Author("club", "why", "ann")),
        (" ", "club", Author("club", "why")),
        ("ann", "", Author("ann", "why")),
        (" ", "", Author("ipv4:1.2.3.4:5", "why")),
    ],
)
def test_credentials_name_the_actor_and_the_call_for_whom(named: str, subject: str, author: Author) -> None:
    """Without credentials the call names the actor, else it is the peer."""
    sender = requests.Sender(named, "ipv4:1.2.3.4:5", "", subject)

    assert requests.author(Fields(), sender, "why") == author


@pytest.mark.parametrize("named", ["system", " SYSTEM\t", "u" * 129, "a\0"])
@pytest.mark.parametrize("subject", ["club", ""])
def test_nobody_acts_as_or_for_the_system(named: str, subject: str) -> None:
    """Nor for a name that is too long or cannot be kept."""
    fields = Fields()
    requests.author(fields, requests.Sender(named, "", "", subject), "")

    assert [path for path, _ in fields.violations] == ["x-actor"]


def countdown(**more: Any) -> pb.CreateSessionRequest:
    """Return a request that is fine without more."""
    return pb.CreateSessionRequest(mode=session_pb2.MODE_GLOBAL, total_time_ms=5_000, **more)


def nested(levels: int, *, in_lists: bool = False) -> Struct:
    """Return metadata of this many objects (or lists) in each other."""
    value = Value(null_value=0)
    for _ in range(levels - 1):
        if in_lists:
            value = Value(list_value=ListValue(values=[value]))
        else:
            value = Value(struct_value=Struct(fields={"k": value}))
    return Struct(fields={"k": value})


@pytest.mark.parametrize("in_lists", [False, True], ids=["objects", "lists"])
def test_metadata_may_be_nested_only_so_deep(in_lists: bool) -> None:
    """The deepest level allowed passes, the next one is refused by a path within the metadata."""
    assert refused(countdown(metadata=nested(MAX_DEPTH, in_lists=in_lists))) == {}

    (path,) = refused(countdown(metadata=nested(MAX_DEPTH + 1, in_lists=in_lists)))

    assert path.startswith("metadata.k")


def test_accepted_metadata_can_be_read_by_every_parser() -> None:
    """Parsers give up at 100 messages in each other: the deepest data allowed stay below that in the deepest reply."""
    deepest = nested(MAX_DEPTH).SerializeToString()
    play = Play(SessionSpec(Mode.GLOBAL, (ParticipantSpec(ANN, metadata=deepest),), total_time_ms=5_000))
    raw = encoded(frames.of_event(play.events[0]))

    session = pb.WatchSessionResponse.FromString(raw).event.session

    assert session.participants[0].metadata == nested(MAX_DEPTH)


@pytest.mark.parametrize(
    ("value", "path", "problem"),
    [
        pytest.param(Value(number_value=float("nan")), "metadata.k", "finite", id="NaN"),
        pytest.param(Value(number_value=float("-inf")), "metadata.k", "finite", id="minus infinity"),
        pytest.param(Value(string_value="a\0"), "metadata.k", "U+0000", id="zero character"),
        pytest.param(Value(), "metadata.k", "no value", id="no value"),
        pytest.param(
            Value(list_value=ListValue(values=[Value(bool_value=True), Value(number_value=float("inf"))])),
            "metadata.k[1]", "finite", id="in a list",
        ),
        pytest.param(Value(struct_value=Struct(fields={"x\0": Value(bool_value=True)})), "metadata.k", "key", id="key"),
    ],
)  # fmt: skip
def test_metadata_that_no_other_store_could_hold_are_refused(value: Value, path: str, problem: str) -> None:
    """NaN, infinities, U+0000 and values without a kind are no JSON, wherever they hide."""
    wrong = refused(countdown(metadata=Struct(fields={"k": value})))

    assert list(wrong) == [path]
    assert problem in wrong[path]


def test_participants_metadata_are_read_as_the_sessions() -> None:
    """The path leads through the participant's place."""
    participants = [
        session_pb2.ParticipantSpec(participant_id=new_id()),
        session_pb2.ParticipantSpec(participant_id=new_id(), metadata=nested(MAX_DEPTH + 1)),
    ]

    (path,) = refused(countdown(participants=participants))

    assert path.startswith("participants[1].metadata.k.k")


@pytest.mark.parametrize(
    ("field", "entries", "limit"),
    [
        pytest.param("participants", [session_pb2.ParticipantSpec()] * 200_000, 1_000, id="participants"),
        pytest.param("groups", [session_pb2.GroupSpec()] * 200_000, 1_000, id="groups"),
        pytest.param("warning_thresholds_ms", range(1, 500_000), 10, id="thresholds"),
        pytest.param("labels", {str(number): "" for number in range(100_000)}, 32, id="labels"),
    ],
)
def test_a_list_that_is_too_long_costs_no_more_than_a_good_one(field: str, entries: Any, limit: int) -> None:
    """A megabyte of entries is refused by its length: one request must not hold up everybody else's."""
    request = countdown(**{field: entries})
    started = time.process_time()

    wrong = refused(request)

    assert f"at most {limit} " in wrong[field]
    assert len(wrong) <= MAX_NOTED + limit
    assert time.process_time() - started < 0.5


def test_the_first_word_on_a_field_stands() -> None:
    """A field is not refused twice for the same mistake, and mistakes beyond counting are not collected."""
    fields = Fields()
    for number in range(MAX_NOTED + 50):
        fields.refuse(f"a[{number}]", "is wrong")
    fields.add([violation for violation in fields.violations if violation.path == "a[0]"])

    assert len(fields.violations) == MAX_NOTED
    with pytest.raises(InvalidField, match="is wrong"):
        fields.check()


def test_ids_are_read_in_any_case() -> None:
    """A UUID in capitals is the same UUID; anything else is none."""
    fields = Fields()

    assert fields.uuid("a", ANN.upper()) == ANN
    for wrong in (
        f"{{{ANN}}}",
        ANN.replace("-", ""),
        ANN + "0",
        ANN[:-1] + "g",
        ANN + "\n",
        "\N{ARABIC-INDIC DIGIT ONE}" + ANN[1:],
    ):
        fields.uuid(wrong, wrong)
    assert len(fields.violations) == 6
