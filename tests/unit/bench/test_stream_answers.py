"""The load generator counts the answers that a stream's replies hold."""

from bench.load.stream_callers import answers_in, fields_of, parts_of
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb

OUTCOMES = pb.ExecuteCommandsResponse.OUTCOMES_FIELD_NUMBER
STATUS = pb.ExecuteCommandsResponse.STATUS_FIELD_NUMBER


def test_a_reply_by_itself_is_one_answer() -> None:
    """Whatever fields it has."""
    reply = pb.ExecuteCommandsResponse(command_id="1").SerializeToString()

    assert answers_in(reply, 0) == [reply]


def test_a_batch_has_its_answers_in_order() -> None:
    """Each as its own bytes, in which a refusal can be seen."""
    good, refused = pb.CommandOutcome(command_id="x" * 200), pb.CommandOutcome(command_id="2")
    refused.status.code = 3
    reply = pb.ExecuteCommandsResponse(outcomes=[good, refused]).SerializeToString()

    found = answers_in(reply, OUTCOMES)

    assert found == [good.SerializeToString(), refused.SerializeToString()]
    assert [STATUS in fields_of(one) for one in found] == [False, True]


def test_fields_of_every_kind_are_stepped_over() -> None:
    """Numbers have no bytes of their own here, texts and messages have theirs."""
    session = session_pb2.Session(session_id="a", version=300, epoch=1)
    session.created_at.seconds = 5

    parts = dict(parts_of(session.SerializeToString()))

    assert set(parts) == {field.number for field, _ in session.ListFields()}
    assert parts[session_pb2.Session.SESSION_ID_FIELD_NUMBER] == b"a"
    assert parts[session_pb2.Session.VERSION_FIELD_NUMBER] == b""
