"""What a watch makes of what servers say: hidden, shown, resumed, given up; a list of the script is one stream."""

import asyncio
from typing import Any

import grpc
import pytest

from synckairos.application import errors as application
from synckairos.client import SyncKairos, errors
from synckairos.domain import errors as domain
from synckairos.v1 import event_pb2, session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.waiting import eventually
from tests.integration.client.scripted_server import connected, scripted

LOST = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, (), ())
ENDED = event_pb2.End(reason=event_pb2.END_REASON_TERMINAL)
DRAINING = event_pb2.End(reason=event_pb2.END_REASON_DRAINING, retry_after_ms=1)
AWAY = event_pb2.End(reason=event_pb2.END_REASON_UNAVAILABLE, retry_after_ms=1)
FORKED = event_pb2.Gap(reason=event_pb2.GAP_REASON_FORKED)


def one(version: int, **payload: Any) -> pb.WatchSessionResponse:
    """Return an update of a session."""
    token = "" if "gap" in payload else f"s{version}"
    return pb.WatchSessionResponse(session_id="s", version=version, resume_token=token, **payload)


def of(session_id: str, version: int, **payload: Any) -> pb.WatchSessionsResponse:
    """Return an update of one of many sessions."""
    return pb.WatchSessionsResponse(
        session_id=session_id, version=version, resume_token=f"{session_id}{version}", **payload
    )


def snapshot(version: int) -> dict[str, Any]:
    """Return the payload of a snapshot."""
    return {"version": version, "snapshot": session_pb2.Session(version=version)}


def event(version: int) -> dict[str, Any]:
    """Return the payload of an event."""
    return {"version": version, "event": event_pb2.Event()}


def said(update: Any) -> tuple[str, int]:
    """Return what an update is, and of which version."""
    return update.WhichOneof("payload"), update.version


async def test_a_stream_that_breaks_is_resumed_after_what_was_read() -> None:
    """However it breaks; the reader is shown one stream."""
    cut_off = grpc.aio.AioRpcError(grpc.StatusCode.CANCELLED, (), ())
    broken = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, (), ())
    script = (
        [one(**snapshot(1)), LOST],
        [one(**event(2)), cut_off],
        [one(**event(3)), broken],
        [one(**event(4)), application.SlowConsumer("slow")],
        [one(**event(5))],
        [one(**event(6)), one(6, end=ENDED)],
    )
    async with connected(*script) as (server, client):
        shown = [said(update) async for update in client.watch("s", tick_interval_ms=200)]

    assert shown == [("snapshot", 1), *(("event", version) for version in range(2, 7)), ("end", 6)]
    assert [request.resume_token for request in server.calls] == ["", "s1", "s2", "s3", "s4", "s5"]
    assert {request.tick_interval_ms for request in server.calls} == {200}


async def test_a_drain_is_hidden() -> None:
    """So is a session that one server cannot show; neither is the end of the iteration."""
    script = ([one(**snapshot(1)), one(1, end=DRAINING)], [one(1, end=AWAY)], [one(**event(2)), one(2, end=ENDED)])
    async with connected(*script) as (_, client):
        shown = [said(update) async for update in client.watch("s")]

    assert shown == [("snapshot", 1), ("event", 2), ("end", 2)]


@pytest.mark.parametrize(("token", "shown"), [("", ["snapshot"]), ("s1", ["gap", "snapshot"])])
async def test_a_gap_is_shown_to_who_has_lost_something(token: str, shown: list[str]) -> None:
    """Whoever begins with a snapshot has lost nothing; whoever comes with a token has."""
    async with scripted([one(0, gap=FORKED), one(**snapshot(3)), one(3, end=ENDED)]) as server:
        client = await SyncKairos.connect(server.address)
        kinds = [said(update)[0] async for update in client.watch("s", resume_token=token)]
        await client.close()

    assert kinds == [*shown, "end"]


async def test_a_gap_is_no_place_to_resume_from() -> None:
    """The stream breaks before the snapshot that belongs to it: the token before it is still the last."""
    script = (
        [one(**snapshot(1)), one(0, gap=FORKED), LOST],
        [one(0, gap=FORKED), one(**snapshot(3)), one(3, end=ENDED)],
    )
    async with connected(*script) as (server, client):
        shown = [said(update)[0] async for update in client.watch("s")]

    assert server.calls[1].resume_token == "s1"
    assert shown == ["snapshot", "gap", "gap", "snapshot", "end"]


async def test_what_no_server_would_mend_is_raised() -> None:
    """And ends the iteration."""
    async with connected([domain.SessionNotFound("s")]) as (server, client):
        with pytest.raises(errors.SessionNotFound):
            await anext(client.watch("s"))

    assert len(server.calls) == 1


async def test_waiting_for_an_update_may_be_given_up_and_taken_up_again() -> None:
    """A deadline around `anext` loses nothing: the watch goes on where it was."""
    script = ([one(**snapshot(1)), asyncio.Event()], [one(**event(2)), one(2, end=ENDED)])
    async with connected(*script) as (server, client):
        watch = client.watch("s")
        first = await anext(watch)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(watch), 0.1)
        rest = [said(update) async for update in watch]

    assert [said(first), *rest] == [("snapshot", 1), ("event", 2), ("end", 2)]
    assert server.calls[1].resume_token == "s1"


async def test_who_leaves_the_iteration_ends_the_stream() -> None:
    """By `async with`; afterwards there is nothing more."""
    async with scripted([one(**snapshot(1)), asyncio.Event()]) as server:
        client = await SyncKairos.connect(server.address)
        async with client.watch("s") as watch:
            await anext(watch)

        assert await anext(watch, None) is None
        await client.close()
        assert watch.resume_tokens == {}


async def test_a_watch_may_be_closed_while_another_task_waits_for_it() -> None:
    """Also between two streams, when there is none to be cancelled: it is the end of the iteration."""
    away = application.StoreUnavailable("away", retry_after_ms=600)
    async with connected([one(**snapshot(1)), away], [asyncio.Event()]) as (server, client):
        watch = client.watch("s")
        await anext(watch)
        waiting = asyncio.create_task(anext(watch, None))
        await eventually(lambda: watch._call is None)
        await watch.aclose()

        assert await waiting is None
    assert len(server.calls) == 1


async def test_many_sessions_end_one_by_one_and_are_resumed_without_those() -> None:
    """Frames come one after another; an unknown session ends by itself."""
    unknown = event_pb2.End(reason=event_pb2.END_REASON_NOT_FOUND)
    script = (
        [
            pb.WatchSessionsResponse(frames=[of("a", **snapshot(1)), of("b", **snapshot(4)), of("c", 0, end=unknown)]),
            of("a", **event(2)),
            LOST,
        ],
        [of("b", **event(5)), of("a", 2, end=ENDED), of("b", 5, end=ENDED)],
    )
    async with connected(*script) as (server, client):
        shown = [(update.session_id, *said(update)) async for update in client.watch_many(["a", "b", "c"])]

    assert shown == [
        ("a", "snapshot", 1), ("b", "snapshot", 4), ("c", "end", 0), ("a", "event", 2),
        ("b", "event", 5), ("a", "end", 2), ("b", "end", 5),
    ]  # fmt: skip
    assert [{watch.session_id: watch.resume_token for watch in call.watches} for call in server.calls] == [
        {"a": "", "b": "", "c": ""},
        {"a": "a2", "b": "b4"},
    ]
    assert all(call.accept_batches for call in server.calls)


async def test_one_of_many_that_cannot_be_shown_is_asked_for_again() -> None:
    """The others go on meanwhile, and after that from their own tokens."""
    script = (
        [of("a", **snapshot(1)), of("b", 0, end=AWAY), asyncio.Event()],
        [of("b", **snapshot(9)), of("a", 1, end=ENDED), of("b", 9, end=ENDED)],
    )
    async with connected(*script) as (server, client):
        shown = [(update.session_id, *said(update)) async for update in client.watch_many({"a": "", "b": "b8"})]

    assert shown == [("a", "snapshot", 1), ("b", "snapshot", 9), ("a", "end", 1), ("b", "end", 9)]
    assert {watch.session_id: watch.resume_token for watch in server.calls[1].watches} == {"a": "a1", "b": "b0"}
