"""Several commands in one message, and several answers in one: who gets which, their order, bounds and refusals."""

import asyncio
from typing import Any

import grpc
import pytest

from synckairos.rpc.interceptor import MalformedRequest
from synckairos.rpc.streams import command_stream
from synckairos.rpc.streams.command_stream import MAX_COMMANDS, MAX_UNDER_WAY
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import new_id
from testing.harness.command_client import command, refusal_of, together
from tests.unit.rpc.calls import RID, SID, mutation
from tests.unit.rpc.command_wire import get, opened, switch


def shapes(messages: list[pb.ExecuteCommandsResponse]) -> list[int]:
    """Return how many outcomes each message has; 0 for an answer by itself."""
    return [len(message.outcomes) for message in messages]


@pytest.mark.parametrize(
    ("several", "one"),
    [
        pytest.param(pb.Command, pb.ExecuteCommandsRequest, id="commands"),
        pytest.param(pb.CommandOutcome, pb.ExecuteCommandsResponse, id="answers"),
    ],
)
def test_one_of_several_is_the_same_on_the_wire_as_one_by_itself(several: Any, one: Any) -> None:
    """All its fields have the names, numbers and types of those of the message that holds one."""

    def fields(kind: Any) -> set[tuple[Any, ...]]:
        return {
            (each.name, each.number, each.type, each.message_type, getattr(each.containing_oneof, "name", None))
            for each in kind.DESCRIPTOR.fields
        }

    beyond = fields(one) - fields(several)

    assert fields(several) < fields(one)
    assert [name for name, *_ in beyond] in (["commands"], ["outcomes"])


async def test_what_is_decided_together_is_answered_together() -> None:
    """32 commands about many sessions: one message in, one message out, each answered as if it had come alone."""
    sessions = [new_id() for _ in range(8)]
    async with opened() as on:
        for session_id in sessions:
            await on.created("StartSession", session_id=session_id)
        on.wire.takes.clear()
        on.wire.send(get(sessions[0], "holds the writer"))
        await on.wire.until(lambda: on.use_cases.observed.calls)

        on.wire.send(together(*[switch(one, f"{one} {n}") for n in range(4) for one in sessions]))
        await on.wire.until(lambda: len(on.use_cases.observed.calls) == 33)
        on.wire.takes.set()
        await on.wire.answered(33)

    assert shapes(on.wire.messages) == [0, 32]
    for one in sessions:
        answers = [answer for answer in on.wire.responses if answer.command_id.startswith(one)]
        assert [answer.command_id for answer in answers] == [f"{one} {n}" for n in range(4)]
        assert [answer.result.session.version for answer in answers] == [3, 4, 5, 6]


async def test_an_answer_that_is_late_holds_up_no_other() -> None:
    """A session that is being decided keeps its own answers back, not those of its batch."""
    other = new_id()
    async with opened() as on:
        await on.created("StartSession")
        await on.created("StartSession", session_id=other)
        on.store.hold(SID)
        on.wire.send(together(switch(SID, "1"), switch(other, "2"), switch(SID, "3"), switch(other, "4")))
        await on.wire.answered(2)

        assert on.wire.ids == ["2", "4"]
        on.store.let_go(SID)
        await on.wire.answered(4)
        assert on.wire.ids == ["2", "4", "1", "3"]
        assert all(shapes(on.wire.messages))


async def test_who_sends_one_command_a_message_gets_one_answer_a_message() -> None:
    """An old client's answers have the form it knows, also beside batches on the same stream, in order."""
    async with opened() as on:
        await on.created("StartSession")
        on.wire.takes.clear()
        on.wire.send(switch(SID, "1"), switch(SID, "2"), together(switch(SID, "3"), switch(SID, "4")), switch(SID, "5"))
        on.wire.send(together(switch(SID, "6")), MalformedRequest())
        await on.wire.until(lambda: len(on.use_cases.observed.calls) == 7)
        on.wire.takes.set()
        await on.wire.answered(7)

    assert sorted(on.wire.ids) == ["", "1", "2", "3", "4", "5", "6"]
    by_itself = {message.command_id for message in on.wire.messages if not message.outcomes}
    assert by_itself == {"", "1", "2", "5"}
    assert [one for one in on.wire.ids if one] == ["1", "2", "3", "4", "5", "6"]


async def test_a_wrong_command_is_refused_alone() -> None:
    """Each has the refusal it would have alone; where it has no id, its place in the message tells which it is."""
    async with opened() as on:
        await on.created("StartSession")
        nameless, empty = get(SID, ""), pb.ExecuteCommandsRequest(command_id="empty")
        on.wire.send(
            together(switch(SID, "1"), get("x", "bad id"), nameless, empty, get(new_id(), "none"), switch(SID, "2"))
        )
        await on.wire.answered(6)

    answers = {answer.command_id: answer for answer in on.wire.responses}
    assert [answers[one].result.session.version for one in ("1", "2")] == [3, 4]
    assert list(refusal_of(answers["bad id"]).fields) == ["session_id"]
    assert list(refusal_of(answers[""]).fields) == ["commands[2].command_id"]
    assert list(refusal_of(answers["empty"]).fields) == ["commands[3].command"]
    assert refusal_of(answers["none"]).reason == "SESSION_NOT_FOUND"


async def test_a_request_id_is_applied_once_within_a_batch() -> None:
    """The second one with the same content is a retry, the third one with other content is refused."""
    async with opened() as on:
        await on.created("StartSession")
        request, other = (mutation("SwitchCycle", request_id=RID, reason=reason) for reason in ("", "other"))
        on.wire.send(together(command("1", request), command("2", request), command("3", other)))
        first, again, reused = await on.wire.answered(3)

    assert (first.result.replayed, again.result.replayed) == (False, True)
    assert first.result.session.version == again.result.session.version == 3
    assert refusal_of(reused).reason == "REQUEST_ID_REUSED"


async def test_of_too_many_commands_none_is_judged() -> None:
    """One refusal without an id answers the whole message; the most that are allowed are all answered."""
    async with opened() as on:
        await on.created("StartSession")
        on.wire.send(together(*[switch(SID, "many")] * (MAX_COMMANDS + 1)))
        (refused,) = await on.wire.answered(1)
        assert on.store.asked == []
        on.wire.send(together(*[get(SID, "just right")] * MAX_COMMANDS))
        await on.wire.answered(1 + MAX_COMMANDS)

    problem = refusal_of(refused)
    assert (refused.command_id, problem.code, problem.reason) == (
        "",
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELD",
    )
    assert list(problem.fields) == ["commands"]
    assert shapes(on.wire.messages)[0] == 1
    assert on.wire.ids[1:] == ["just right"] * MAX_COMMANDS


@pytest.mark.parametrize(
    "own", [pytest.param(switch(SID, "own"), id="a command"), pytest.param({"command_id": "own"}, id="an id alone")]
)
async def test_a_message_is_one_command_or_several(own: Any) -> None:
    """Both at once: every command of the message is refused, each in its own form, and the next message is judged."""
    async with opened() as on:
        await on.created("StartSession")
        both = together(switch(SID, "1"), switch(SID, "2"))
        both.MergeFrom(own if not isinstance(own, dict) else pb.ExecuteCommandsRequest(**own))
        on.wire.send(both, switch(SID, "after"))
        *refused, after = await on.wire.answered(4)

    assert {answer.command_id for answer in refused} == {"own", "1", "2"}
    assert all("commands" in refusal_of(answer).fields for answer in refused)
    assert [message.command_id for message in on.wire.messages if not message.outcomes] == ["own", "after"]
    assert after.result.session.version == 3


async def test_reading_goes_on_while_fewer_than_the_limit_are_under_way() -> None:
    """Every command of a batch counts; the message that is read last may exceed the limit."""
    sessions = [new_id() for _ in range(4 * 100)]
    async with opened() as on:
        on.store.hold(*sessions)
        on.wire.send(*[together(*map(switch, sessions[start : start + 100])) for start in range(0, 400, 100)])
        await on.wire.until(lambda: len(on.store.asked) >= MAX_UNDER_WAY)
        for _ in range(20):
            await asyncio.sleep(0)  # turns of the loop in which more could be read

        assert (on.wire.reads, len(on.store.asked)) == (3, 300)
        for session_id in sessions[:45]:
            on.store.let_go(session_id)
        await on.wire.until(lambda: on.wire.reads == 4)


async def test_answers_fill_a_message_up_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit comes in the next message; one that is too large by itself is sent alone."""
    async with opened() as on:
        await on.created()
        on.wire.send(together(get(SID)))
        await on.wire.answered(1)
        size = on.wire.messages[0].ByteSize()
        monkeypatch.setattr(command_stream, "MAX_BATCH_BYTES", 3 * size)
        await on.wire.until(lambda: not on.stream._under_way)
        on.wire.takes.clear()
        on.wire.send(get(SID), together(*[get(SID)] * 7))
        await on.wire.until(lambda: len(on.use_cases.observed.calls) == 9)
        on.wire.takes.set()
        await on.wire.answered(9)
        monkeypatch.setattr(command_stream, "MAX_BATCH_BYTES", 1)
        on.wire.send(together(get(SID), get(SID)))
        await on.wire.answered(11)

    assert shapes(on.wire.messages) == [1, 0, 3, 3, 1, 1, 1]


async def test_a_drained_stream_answers_every_command_of_a_batch() -> None:
    """The one being decided is answered, those behind it are refused with DRAINING."""
    async with opened() as on:
        await on.created("StartSession")
        on.store.hold(SID)
        on.wire.send(together(switch(SID, "begun"), switch(SID, "2"), switch(SID, "3")))
        await on.wire.until(lambda: on.store.asked)

        on.stream.drain()
        on.store.let_go(SID)
        begun, *behind = await on.wire.answered(3)

    assert (begun.command_id, begun.result.session.version) == ("begun", 3)
    assert [(one.command_id, refusal_of(one).reason) for one in behind] == [("2", "DRAINING"), ("3", "DRAINING")]
