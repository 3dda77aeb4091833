"""The flow of a stream of commands: its order, its bounds and its ends."""

import asyncio
from typing import Any

import grpc
import pytest

from synckairos.application.errors import Draining, SlowConsumer
from synckairos.rpc.interceptor import CallJournal
from synckairos.rpc.streams import command_stream
from synckairos.rpc.streams.command_servicer import CommandServicer
from synckairos.rpc.streams.command_stream import MAX_BYTES_UNDER_WAY, MAX_UNDER_WAY
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import new_id
from testing.harness.command_client import command, refusal_of
from tests.unit.rpc.calls import SID, mutation
from tests.unit.rpc.command_wire import OpenStream, Wire, get, opened, switch
from tests.unit.rpc.use_cases import UseCases


async def test_a_sessions_commands_wait_for_each_other_only() -> None:
    """While one session's command is being decided, its next ones do not start; other sessions are answered."""
    other = new_id()
    async with opened() as on:
        await on.created("StartSession")
        await on.created("StartSession", session_id=other)
        on.store.hold(SID)

        # Ids in upper case are the same session.
        on.wire.send(switch(SID, "1"), switch(SID.upper(), "2"), get(SID, "3"), switch(other, "4"), get(other, "5"))
        await on.wire.answered(2)

        assert on.wire.ids == ["4", "5"]
        assert [session_id for session_id, _ in on.store.asked] == [SID, other]
        on.store.let_go(SID)
        await on.wire.answered(5)
        assert on.wire.ids == ["4", "5", "1", "2", "3"]
        assert [response.result.session.version for response in on.wire.responses] == [3, 3, 3, 4, 4]


async def test_a_refusal_does_not_stop_those_behind_it() -> None:
    """A session's commands are each judged by themselves, one after another."""
    async with opened() as on:
        await on.created("StartSession")
        on.wire.send(switch(SID, "1", expected_version=2), switch(SID, "2", expected_version=2), switch(SID, "3"))
        responses = await on.wire.answered(3)

    assert on.wire.ids == ["1", "2", "3"]
    assert [one.result.session.version for one in responses] == [3, 0, 4]
    assert refusal_of(responses[1]).reason == "VERSION_CONFLICT"


async def test_creations_without_an_id_do_not_wait_for_each_other() -> None:
    """A command without a session id waits for no other."""
    async with opened() as on:
        on.store.hold(SID)
        on.wire.send(*[command(str(n), mutation("CreateSession", session_id="", request_id="")) for n in range(3)])
        await on.wire.until(lambda: len(on.store.asked) == 3)
        on.store.let_go(SID)
        responses = await on.wire.answered(3)

    assert sorted(one.WhichOneof("outcome") for one in responses) == ["result", "status", "status"]


async def test_a_bounded_number_of_commands_is_read_ahead() -> None:
    """With none of them decided, reading stops at the limit, and goes on by one for each that is answered."""
    ids = [new_id() for _ in range(MAX_UNDER_WAY + 50)]
    async with opened() as on:
        on.store.hold(*ids)
        on.wire.send(*[switch(session_id) for session_id in ids])
        await on.wire.until(lambda: len(on.store.asked) == MAX_UNDER_WAY)

        assert on.wire.reads == MAX_UNDER_WAY
        on.store.let_go(ids[7])
        await on.wire.answered(1)
        await on.wire.until(lambda: len(on.store.asked) == MAX_UNDER_WAY + 1)
        assert on.wire.reads == MAX_UNDER_WAY + 1


def large(session_id: str) -> pb.ExecuteCommandsRequest:
    """Return a command of 1 MiB, made so by a field this version does not know."""
    unknown = b"\xa2\x06\x80\x80\x40" + bytes(2**20)
    request = pb.SwitchCycleRequest.FromString(
        pb.SwitchCycleRequest(session_id=session_id).SerializeToString() + unknown
    )
    return command(session_id, request)


async def test_a_bounded_number_of_bytes_is_read_ahead() -> None:
    """Large commands fill the limit sooner; once they are decided, the size of their answers counts."""
    ids = [new_id() for _ in range(12)]
    async with opened() as on:
        on.store.hold(*ids[:4])
        on.wire.takes.clear()
        on.wire.send(*map(large, ids))
        await on.wire.until(lambda: len(on.store.asked) == 4)
        for _ in range(20):
            await asyncio.sleep(0)

        assert on.wire.reads == MAX_BYTES_UNDER_WAY // 2**20 == 4
        for session_id in ids[:4]:
            on.store.let_go(session_id)
        await on.wire.until(lambda: on.wire.reads == len(ids))
        on.wire.takes.set()
        await on.wire.answered(len(ids))
        assert set(on.wire.ids) == set(ids)


async def test_answers_count_until_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small commands with large answers stop the reading as well, until the client takes them."""
    monkeypatch.setattr(command_stream, "MAX_BYTES_UNDER_WAY", 2_000)
    async with opened() as on:
        await on.created()
        on.wire.takes.clear()
        on.wire.send(*[get(SID) for _ in range(100)])
        await on.wire.until(lambda: on.use_cases.observed.calls)
        for _ in range(300):
            await asyncio.sleep(0)

        # At least one, whatever its size; what was read before the first answers were known is kept.
        assert 0 < on.wire.reads < 50
        on.wire.takes.set()
        await on.wire.answered(100)


async def test_a_client_that_does_not_read_is_not_read_from_and_then_dropped() -> None:
    """Answers not taken stop the reading at the limit; after the time for a write it is SLOW_CONSUMER."""
    async with opened(stall_s=0.05) as on:
        await on.created()
        on.wire.takes.clear()
        on.wire.send(*[get(SID) for _ in range(2 * MAX_UNDER_WAY)])

        with pytest.raises(SlowConsumer, match="nothing was read"):
            await on.running

        assert on.wire.reads == MAX_UNDER_WAY
        assert not on.wire.responses


async def test_a_stream_ends_once_everything_is_answered() -> None:
    """After the client's last command those under way are finished, and the stream returns."""
    async with opened() as on:
        await on.created("StartSession")
        on.store.hold(SID)
        on.wire.send(switch(SID, "1"), switch(SID, "2"))
        on.wire.half_close()
        await on.wire.until(lambda: on.wire.reads == 3)
        on.store.let_go(SID)

        await on.running

        assert on.wire.ids == ["1", "2"]
        assert [one.result.session.version for one in on.wire.responses] == [3, 4]


async def test_an_empty_stream_ends_at_once() -> None:
    """Nothing asked, nothing answered."""
    async with opened() as on:
        on.wire.half_close()

        await on.running

        assert not on.wire.responses


async def test_a_drained_stream_finishes_what_it_has_begun() -> None:
    """The command being decided is answered, those behind it are refused with DRAINING, the rest is never read."""
    async with opened() as on:
        await on.created("StartSession")
        on.store.hold(SID)
        on.wire.send(switch(SID, "begun"), switch(SID, "waiting"))
        await on.wire.until(lambda: on.store.asked)
        await on.wire.until(lambda: on.wire.reads == 2)

        on.stream.drain()
        on.wire.send(switch(SID, "unread"))
        on.store.let_go(SID)
        with pytest.raises(Draining, match="shutting down"):
            await on.running

        begun, waiting = on.wire.responses
        assert (begun.command_id, begun.result.session.version) == ("begun", 3)
        problem = refusal_of(waiting)
        assert (waiting.command_id, problem.code, problem.reason) == (
            "waiting",
            grpc.StatusCode.UNAVAILABLE,
            "DRAINING",
        )
        assert problem.retry_after_s
        assert len(on.store.asked) == 1
        assert on.use_cases.stored(SID) == on.use_cases.events(SID)[-1].session


@pytest.mark.parametrize("turns", range(4))
async def test_a_stream_can_be_drained_at_any_moment(turns: int) -> None:
    """Also before it has read anything, or been entered at all."""
    async with opened() as on:
        for _ in range(turns):
            await asyncio.sleep(0)
        on.stream.drain()

        with pytest.raises(Draining):
            async with asyncio.timeout(5):
                await on.running


async def test_a_stream_that_was_read_to_its_end_drains_well() -> None:
    """Everything the client sent has its answer, some of it DRAINING: there is nothing more to tell it."""
    async with opened() as on:
        await on.created("StartSession")
        on.store.hold(SID)
        on.wire.send(switch(SID, "1"), switch(SID, "2"))
        on.wire.half_close()
        await on.wire.until(lambda: on.wire.reads == 3)

        on.stream.drain()
        on.store.let_go(SID)
        await on.running

        assert on.wire.ids == ["1", "2"]
        assert refusal_of(on.wire.responses[1]).reason == "DRAINING"


async def test_a_draining_server_takes_no_new_streams() -> None:
    """It is refused instead of being opened only to be closed; streams that there are, are drained."""
    use_cases = UseCases()
    on = OpenStream(use_cases)
    servicer = CommandServicer(on.commands, CallJournal(use_cases.observed), new_id, stall_s=5.0)
    context: Any = Wire()
    running = asyncio.create_task(servicer.ExecuteCommands(None, context))
    await on.wire.until(lambda: servicer._streams)

    servicer.drain()

    with pytest.raises(Draining):
        await running
    with pytest.raises(Draining):
        await servicer.ExecuteCommands(None, context)
    assert not servicer._streams
    await on.close()


async def test_a_client_that_leaves_leaves_nothing_behind() -> None:
    """The cancelled stream cancels its reading and its decisions."""
    before = asyncio.all_tasks()
    async with opened() as on:
        ids = [new_id() for _ in range(10)]
        on.store.hold(*ids)
        on.wire.send(*[switch(session_id) for session_id in ids * 2])
        await on.wire.until(lambda: len(on.store.asked) == 10)

        on.running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await on.running
        await on.wire.until(lambda: asyncio.all_tasks() == before)

    assert on.use_cases.observed.calls == [("SwitchCycle", "CANCELLED", "")] * 10


async def test_a_failed_read_ends_the_stream() -> None:
    """The peer went away during a read: no one is left to answer."""
    async with opened() as on:
        on.wire.fail(grpc.aio.InternalError("gone"))

        with pytest.raises(grpc.aio.InternalError):
            await on.running


async def test_a_result_that_cannot_be_sent_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client must not wait for a result that never comes."""
    async with opened() as on:
        await on.created()
        monkeypatch.setattr(on.use_cases.observed, "call", lambda *_: 1 / 0)
        on.wire.send(get(SID))

        with pytest.raises(ZeroDivisionError):
            await on.running
