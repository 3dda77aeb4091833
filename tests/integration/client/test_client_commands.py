"""A stream of commands and its window, batches, refusals and breaks, against a server that answers as it is told."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from google.rpc import code_pb2, status_pb2

from synckairos.application import errors as application
from synckairos.client import SyncKairos, errors
from synckairos.domain import errors as domain
from synckairos.rpc.statuses import status_of
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.waiting import eventually
from tests.integration.client.scripted_server import ScriptedServer, answers, commands_of, connected


def done(command: Any, version: int = 2) -> pb.ExecuteCommandsResponse:
    """Return the answer of a command that was applied."""
    session = session_pb2.Session(session_id=command.start_session.session_id, version=version)
    return pb.ExecuteCommandsResponse(command_id=command.command_id, result=pb.CommandResult(session=session))


def refused(command: Any, error: BaseException) -> pb.ExecuteCommandsResponse:
    """Return the answer of a command that was refused."""
    return pb.ExecuteCommandsResponse(command_id=command.command_id, status=status_of(error, "r")[1])


def all_done(message: pb.ExecuteCommandsRequest) -> Iterator[pb.ExecuteCommandsResponse]:
    """Answer several commands in one message, one by itself."""
    outcomes = [done(command) for command in commands_of(message)]
    if message.commands:
        yield pb.ExecuteCommandsResponse(
            outcomes=[pb.CommandOutcome(command_id=one.command_id, result=one.result) for one in outcomes]
        )
    else:
        yield from outcomes


def requests_of(server: ScriptedServer) -> list[tuple[str, str]]:
    """Return session and request_id of every command that the server was sent, in order."""
    return [
        (command.start_session.session_id, command.start_session.request_id)
        for message in server.calls
        if message is not None
        for command in commands_of(message)
    ]


async def test_commands_that_wait_together_are_sent_together() -> None:
    """In the order in which they were given, each with a request_id; their answers come in one message, too."""
    async with connected(answers(all_done)) as (server, client), client.commands() as commands:
        results = await asyncio.gather(*(commands.start_session(f"s{place}") for place in range(100)))

    sent = requests_of(server)
    assert [session_id for session_id, _ in sent] == [f"s{place}" for place in range(100)]
    assert len({request_id for _, request_id in sent}) == 100
    assert len(server.calls) < 20
    assert [result.session.session_id for result in results] == [session_id for session_id, _ in sent]


async def test_a_message_of_commands_stays_below_what_a_server_takes() -> None:
    """1 MiB; large commands go by themselves, and so do those beside them."""
    async with connected(answers(all_done)) as (server, client), client.commands() as commands:
        sizes = [10, 900_000, 10, 200_000, 900_000, 200_000, 10]
        await asyncio.gather(*(commands.start_session("s", reason="x" * size) for size in sizes))

    sent = [message for message in server.calls if message is not None]
    assert [len(command.start_session.reason) for message in sent for command in commands_of(message)] == sizes
    assert max(message.ByteSize() for message in sent) <= 1 << 20


async def test_no_more_than_the_window_wait_for_answers() -> None:
    """The next command is sent when an answer has made room for it."""
    release = asyncio.Semaphore(0)
    unanswered: list[int] = []

    async def one_by_one(_: ScriptedServer, requests: AsyncIterator[Any], context: Any) -> None:
        waiting: list[Any] = []

        async def read() -> None:
            async for message in requests:
                waiting.extend(commands_of(message))
                unanswered.append(len(waiting))

        reading = asyncio.create_task(read())
        for _ in range(20):
            await release.acquire()
            await eventually(lambda: waiting)
            await context.write(done(waiting.pop(0)))
        await reading

    async with connected(one_by_one) as (_, client), client.commands(window=5) as commands:
        tasks = [asyncio.create_task(commands.start_session(f"s{place}")) for place in range(20)]
        await eventually(lambda: unanswered and unanswered[-1] == 5)
        for _ in range(20):
            release.release()
        await asyncio.gather(*tasks)

    assert max(unanswered) == 5


async def test_a_refused_command_is_refused_alone() -> None:
    """By the class of its reason; the stream goes on."""

    def answer(message: pb.ExecuteCommandsRequest) -> Iterator[pb.ExecuteCommandsResponse]:
        for command in commands_of(message):
            wrong = command.start_session.session_id == "wrong"
            yield refused(command, domain.VersionConflict(1, 5)) if wrong else done(command)

    async with connected(answers(answer)) as (server, client), client.commands() as commands:
        wrong, right = await asyncio.gather(
            commands.start_session("wrong"), commands.start_session("right"), return_exceptions=True
        )

    assert isinstance(wrong, errors.VersionConflict)
    assert wrong.actual == 5
    assert isinstance(right, pb.CommandResult)
    assert server.calls.count(None) == 1


@pytest.mark.parametrize("ending", ["lost", "draining"])
async def test_what_a_stream_leaves_unanswered_is_sent_over_another(ending: str) -> None:
    """In the same order and under the same request_ids; what was answered is not sent again."""

    async def first(server: ScriptedServer, requests: AsyncIterator[Any], context: Any) -> None:
        taken: list[Any] = []
        async for message in requests:
            server.calls.append(message)
            taken.extend(commands_of(message))
            if len(taken) == 3:
                break
        await context.write(done(taken[0]))
        if ending == "draining":
            await context.write(refused(taken[1], application.Draining("going")))
        await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    async with connected(first, answers(all_done)) as (server, client), client.commands() as commands:
        results = await asyncio.gather(*(commands.start_session("s") for _ in range(3)))

    sent = requests_of(server)
    assert len(results) == 3
    assert sent[3:] == sent[1:3]


async def test_a_command_without_an_answer_is_given_up_in_time() -> None:
    """It may have been applied or not; the next one finds the stream working."""

    def answer(message: pb.ExecuteCommandsRequest) -> Iterator[pb.ExecuteCommandsResponse]:
        yield from (done(command) for command in commands_of(message) if command.start_session.session_id != "lost")

    async with connected(answers(answer)) as (_, client), client.commands(timeout_s=1.0) as commands:
        with pytest.raises(errors.DeadlineExceeded):
            await commands.start_session("lost")
        found = await commands.start_session("found")

    assert found.session.session_id == "found"


async def test_an_answer_to_nobody_fails_all() -> None:
    """It says that the commands of a message were not read: nobody is left waiting."""

    def answer(_: pb.ExecuteCommandsRequest) -> Iterator[pb.ExecuteCommandsResponse]:
        yield pb.ExecuteCommandsResponse(status=status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message="no"))

    async with connected(answers(answer)) as (_, client), client.commands() as commands:
        outcomes = await asyncio.gather(*(commands.start_session("s") for _ in range(2)), return_exceptions=True)

    assert [getattr(outcome, "code", None) for outcome in outcomes] == [grpc.StatusCode.INVALID_ARGUMENT] * 2


async def test_closing_waits_for_the_answers() -> None:
    """And takes no more commands."""
    held = asyncio.Event()

    async def step(server: ScriptedServer, requests: AsyncIterator[Any], context: Any) -> None:
        async for message in requests:
            server.calls.append(message)
            await held.wait()
            await context.write(done(message))

    async with connected(step) as (server, client):
        commands = client.commands()
        asked = asyncio.create_task(commands.start_session("s"))
        await eventually(lambda: len(server.calls) == 2)
        closing = asyncio.create_task(commands.aclose())
        held.set()
        assert (await asked).session.session_id == "s"
        await closing
        with pytest.raises(RuntimeError, match="closed"):
            await commands.start_session("s")


async def test_closing_waits_for_what_the_window_keeps_back() -> None:
    """A command that was given before is sent and answered, however many were; one given later is refused."""
    async with connected(answers(all_done)) as (server, client):
        async with client.commands(window=4) as commands:
            given = [asyncio.create_task(commands.start_session(f"s{place}")) for place in range(50)]
            await asyncio.sleep(0)
        results = await asyncio.gather(*given)
        with pytest.raises(RuntimeError, match="closed"):
            await commands.start_session("late")

    assert [result.session.session_id for result in results] == [f"s{place}" for place in range(50)]
    assert len(requests_of(server)) == 50


async def test_who_leaves_by_an_error_does_not_wait() -> None:
    """A command that is given up by it is told so."""
    given_up: list[asyncio.Task[pb.CommandResult]] = []

    async def step(server: ScriptedServer, requests: AsyncIterator[Any], _: Any) -> None:
        async for message in requests:
            server.calls.append(message)

    async def interrupted(server: ScriptedServer, client: SyncKairos) -> None:
        async with client.commands() as commands:
            given_up.append(asyncio.create_task(commands.start_session("s")))
            await eventually(lambda: len(server.calls) == 2)
            raise KeyError

    async with connected(step) as (server, client):
        with pytest.raises(KeyError):
            await interrupted(server, client)
        with pytest.raises(errors.Unreachable):
            await given_up[0]


async def test_a_command_too_large_for_a_message_is_refused_before_it_is_sent() -> None:
    """It would end the stream, and all that waits on it, again and again."""
    async with connected(answers(all_done)) as (server, client), client.commands() as commands:
        with pytest.raises(ValueError, match="1048576 bytes"):
            await commands.start_session("s", reason="x" * (1 << 20))
        await commands.start_session("s")

    assert len(requests_of(server)) == 1
