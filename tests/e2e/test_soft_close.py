"""An auction under soft close: two servers, two hundred bidders in its last second, one clock that judges all."""

import asyncio
from contextlib import AsyncExitStack
from random import Random
from typing import NamedTuple

import grpc

from synckairos.devstack import RedisServer
from synckairos.v1 import event_pb2, session_pb2, time_control_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Recording, Stub, connect, new_id, problem_of, watching
from tests.e2e.conftest import StartServers

BIDDERS = 200
TOTAL_MS, HARD_MS = 2_000, 3_500
EXPIRED, SWITCHED = event_pb2.EVENT_TYPE_SESSION_EXPIRED, event_pb2.EVENT_TYPE_CYCLE_SWITCHED
TOO_SLOW = event_pb2.GAP_REASON_SLOW_READER
RESET, ADD = time_control_pb2.SOFT_CLOSE_POLICY_RESET, time_control_pb2.SOFT_CLOSE_POLICY_ADD


class Rules(NamedTuple):
    """How late bids move the end, in ms."""

    policy: time_control_pb2.SoftClosePolicy.ValueType
    window_ms: int
    extend_ms: int

    def moved(self, end: int, at: int) -> int:
        """Return where a bid at `at` moves the end to, by the words of the contract."""
        if not 0 < end - at <= self.window_ms:
            return end
        moved = max(end, at + self.extend_ms) if self.policy == RESET else end + self.extend_ms
        return max(end, min(moved, HARD_MS))


def auction(rules: Rules) -> pb.CreateSessionRequest:
    """Return the request for an auction of 2 s, or of 3.5 s at most."""
    close = time_control_pb2.SoftClose(
        window_ms=rules.window_ms, extend_ms=rules.extend_ms, policy=rules.policy, hard_limit_ms=HARD_MS
    )
    return pb.CreateSessionRequest(
        session_id=new_id(), mode=session_pb2.MODE_GLOBAL, total_time_ms=TOTAL_MS, soft_close=close
    )


class Bid(NamedTuple):
    """What a bidder was answered: the version and instant of its bid, or the reason of the refusal."""

    version: int = 0
    at: int = 0
    refusal: str = ""


async def bid(stub: Stub, session_id: str, delay_s: float) -> Bid:
    """Bid once, after so long."""
    await asyncio.sleep(delay_s)  # bidders come when they come: nothing is waited for
    request = pb.SwitchCycleRequest(session_id=session_id, request_id=new_id())
    try:
        reply = await stub.SwitchCycle(request)
    except grpc.RpcError as error:
        return Bid(refusal=problem_of(error).reason)
    return Bid(reply.session.version, reply.server_time.ToMilliseconds())


async def bid_until_the_end(stubs: list[Stub], session_id: str, seed: int) -> list[Bid]:
    """Let the bidders bid at random moments of the last second, and again and again in what is added to it."""
    draw = Random(seed)

    async def one(place: int) -> list[Bid]:
        bids = [await bid(stubs[place % 2], session_id, TOTAL_MS / 1_000 - 1 + draw.random())]
        while not bids[-1].refusal:
            bids.append(await bid(stubs[place % 2], session_id, 0.4 + draw.random()))
        return bids

    return [made for bids in await asyncio.gather(*map(one, range(BIDDERS))) for made in bids]


def check_end(recording: Recording, rules: Rules, bids: list[Bid]) -> int:
    """Judge every bid again, in the order of the versions; return how many moved the end."""
    events = [message.event for message in recording.of("event")]
    started = next(event.session.started_at for event in events if event.session.HasField("started_at"))
    end, moves = TOTAL_MS, 0
    accepted = {one.version: one.at for one in bids if not one.refusal}
    for event in events:
        if event.type != SWITCHED:
            continue
        at = event.occurred_at.ToMilliseconds() - started.ToMilliseconds()
        assert accepted.pop(event.session.version) == event.occurred_at.ToMilliseconds()
        assert at < end
        before, end = end, rules.moved(end, at)
        assert (event.extended_ms, event.session.remaining_ms) == (end - before, end - at)
        moves += end > before
    assert not accepted
    last = events[-1]
    assert (last.type, last.occurred_at.ToMilliseconds() - started.ToMilliseconds()) == (EXPIRED, end)
    return moves


async def replayed(stub: Stub, session_id: str, token: str) -> Recording:
    """Return the whole stream as a server replays it after the end."""
    watch = pb.WatchSessionRequest(session_id=session_id, resume_token=token)
    async with watching(stub.WatchSession(watch)) as stream:
        await stream.until_end()
    assert stream.kinds() == [*["event"] * (len(stream.messages) - 1), "end"], stream.messages
    return stream


def assert_told(stream: Recording, history: Recording) -> None:
    """Check that a watcher was told what happened: all of it, unless it was too slow and was told so."""
    happened = {message.version: message for message in history.of("event")}
    assert all(happened[message.version] == message for message in stream.of("event"))
    assert stream.versions == sorted(stream.versions)
    assert stream.versions == list(happened) or {gap.gap.reason for gap in stream.of("gap")} == {TOO_SLOW}


async def hold(stubs: list[Stub], rules: Rules) -> None:
    """Hold an auction, watched on both servers."""
    session_id = (await stubs[0].CreateSession(auction(rules))).session.session_id
    watch = pb.WatchSessionRequest(session_id=session_id)
    async with watching(stubs[0].WatchSession(watch)) as here, watching(stubs[1].WatchSession(watch)) as there:
        for stream in (here, there):
            await stream.until(lambda one: one.of("snapshot"))
        await stubs[1].StartSession(pb.StartSessionRequest(session_id=session_id))
        bids = await bid_until_the_end(stubs, session_id, seed=7)
        for stream in (here, there):
            await stream.until_end()

    token = here.messages[0].resume_token
    histories = [await replayed(stub, session_id, token) for stub in stubs]
    assert histories[0].of("event") == histories[1].of("event")
    for stream in (here, there):
        assert_told(stream, histories[0])
    refusals = {one.refusal for one in bids}
    assert "SESSION_EXPIRED" in refusals
    assert refusals <= {"", "SESSION_EXPIRED", "CONTENTION"}
    assert check_end(histories[0], rules, bids) > 0


async def test_two_hundred_bidders_in_the_last_second(own_redis: RedisServer, start_servers: StartServers) -> None:
    """None is accepted at or after the end, each accepted one in the window moves it; both servers tell the same."""
    servers = start_servers(own_redis.url, 2, event_window="1000")
    async with AsyncExitStack() as stack:
        stubs = [await stack.enter_async_context(connect(server.address)) for server in servers]
        auctions = (Rules(RESET, 1_000, 1_000), Rules(RESET, 300, 500), Rules(ADD, 400, 7))
        await asyncio.gather(*(hold(stubs, rules) for rules in auctions))
