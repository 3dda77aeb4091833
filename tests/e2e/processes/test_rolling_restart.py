"""Three servers are restarted one after the other under load, seen by clients as docs/operations.md sets them up."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import quantiles
from typing import Any, Final

import grpc
import pytest

from synckairos.devstack import RedisServer
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import new_id, two_players
from testing.harness.documents import ROOT, blocks
from testing.harness.processes.server_process import ServerProcess
from tests.e2e.conftest import StartServers

SESSIONS: Final = 24
PAUSE_S: Final = 0.2
"""Between a caller's switches: what a reader misses while it makes its pause of 2 s fits into the window of 16."""
BUSY: Final = 2
"""Callers of unwatched sessions that make no pause: some call is always under way."""
READY_CALLS: Final = int(SESSIONS / PAUSE_S * 3)
"""Paced calls before the next server goes: three seconds of them, more than a client takes to connect again."""


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the program in docs/operations.md defines: `connect` and `follow`."""
    monkeypatch.chdir(ROOT)
    (program,) = blocks("docs/operations.md", "python")
    names: dict[str, Any] = {}
    exec(compile(program, "docs/operations.md", "exec"), names)
    return names


@dataclass
class Load:
    """Callers and readers, a pair for every session, and what has become of them."""

    sessions: Any
    follow: Callable[..., Iterator[pb.WatchSessionResponse]]
    stop: threading.Event = field(default_factory=threading.Event)
    answered: dict[str, list[int]] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    replayed: int = 0
    paced: int = 0
    streams: dict[str, list[pb.WatchSessionResponse]] = field(default_factory=dict)
    counted: threading.Condition = field(default_factory=threading.Condition)

    def call(self, session_id: str, pause_s: float = PAUSE_S) -> None:
        """Switch again and again, each time with a request_id, until told to stop; then complete the session."""
        versions = self.answered[session_id] = []
        while not self.stop.wait(pause_s):
            self._one(self.sessions.SwitchCycle, pb.SwitchCycleRequest, session_id, versions)
            if pause_s:
                with self.counted:
                    self.paced += 1
                    self.counted.notify_all()
        self._one(self.sessions.CompleteSession, pb.CompleteSessionRequest, session_id, versions)

    def _one(self, method: Any, request: Any, session_id: str, versions: list[int]) -> None:
        began = time.monotonic()
        try:
            reply = method(request(session_id=session_id, request_id=new_id()))
        except grpc.RpcError as error:
            self.failures[f"{error.code()}: {error.details()}"] += 1  # type: ignore[attr-defined] # a call is its error
            return
        versions.append(reply.session.version)
        with self.counted:
            self.latencies.append(time.monotonic() - began)
            self.replayed += reply.replayed

    def read(self, session_id: str) -> list[pb.WatchSessionResponse]:
        """Follow a session to its end."""
        with closing(self.follow(self.sessions, session_id)) as messages:
            return list(messages)

    def until_answered(self, calls: int) -> None:
        """Wait until this many more of the paced calls have been answered."""
        with self.counted:
            wanted = self.paced + calls
            assert self.counted.wait_for(lambda: self.paced >= wanted, 60), "calls are not answered any more"


def restart_one_after_the_other(servers: list[ServerProcess], load: Load, how: str) -> list[float]:
    """Stop or kill every server and start it again; return how long each took to exit."""
    exits = []
    for server in servers:
        load.until_answered(READY_CALLS)
        began = time.monotonic()
        if how == "killed":
            server.kill()
        else:
            assert server.stop() == 0
        exits.append(time.monotonic() - began)
        server.spawn()
        server.await_answer("SERVING")
    return exits


def missed(messages: list[pb.WatchSessionResponse], last: int) -> int:
    """Return how many versions a reader was not sent as events; fails if one came twice or too early."""
    kinds = Counter(message.WhichOneof("payload") for message in messages)
    assert kinds["snapshot"] == 1 + kinds["gap"]
    versions = [message.version for message in messages if message.WhichOneof("payload") == "event"]
    assert all(one < other for one, other in pairwise(versions))
    return len(set(range(messages[0].version + 1, last + 1)) - set(versions))


@contextmanager
def under_load(addresses: Sequence[str], client: dict[str, Any]) -> Iterator[Load]:
    """Yield a load that has begun; afterwards it has ended, every session completed and every reader at its end."""
    with client["connect"](*addresses) as channel, ThreadPoolExecutor(2 * SESSIONS + BUSY) as pool:
        sessions: Any = SessionServiceStub(channel)
        load = Load(sessions, client["follow"])
        requests = [two_players(bank_ms=86_400_000, request_id=new_id()) for _ in range(SESSIONS + BUSY)]
        ids = [sessions.CreateSession(request).session.session_id for request in requests]
        for session_id in ids:
            sessions.StartSession(pb.StartSessionRequest(session_id=session_id, request_id=new_id()))
        readers = {session_id: pool.submit(load.read, session_id) for session_id in ids[:SESSIONS]}
        callers = [pool.submit(load.call, session_id) for session_id in readers]
        callers += [pool.submit(load.call, session_id, 0.0) for session_id in ids[SESSIONS:]]
        try:
            yield load
            load.until_answered(READY_CALLS)
        finally:
            load.stop.set()
        for caller in callers:
            caller.result()
        load.streams = {session_id: reader.result(30) for session_id, reader in readers.items()}


def judge(load: Load) -> str:
    """Check that no mutation failed or was applied twice and no reader missed an event; return the figures."""
    holes = sum(missed(stream, stream[-1].version) for stream in load.streams.values())
    events = sum(stream[-1].version - stream[0].version for stream in load.streams.values())
    cuts = quantiles(load.latencies, n=1_000)
    assert not load.failures
    assert holes == 0
    for versions in load.answered.values():
        assert versions == list(range(3, 3 + len(versions)))
    for session_id, stream in load.streams.items():
        assert stream[-1].version == load.answered[session_id][-1]
    return (
        f"{len(load.latencies):,} mutations answered OK, {load.failures.total()} failed, {load.replayed} answered by a "
        f"retry of what had been applied; {events:,} events for {SESSIONS} readers, {holes} missed; "
        f"p50 {cuts[499] * 1e3:.0f} ms, p99 {cuts[989] * 1e3:.0f} ms, max {max(load.latencies) * 1e3:,.0f} ms"
    )


@pytest.mark.parametrize(
    ("looks_at_health", "hows"),
    [(True, ("stopped", "killed")), (False, ("stopped",))],
    ids=["stopped, then killed", "stopped, health not looked at"],
)
def test_a_rolling_restart_fails_no_mutation_and_hides_no_event(
    own_redis: RedisServer,
    start_servers: StartServers,
    client: dict[str, Any],
    measured: Callable[[str], None],
    *,
    looks_at_health: bool,
    hows: tuple[str, ...],
) -> None:
    """All servers go and come back under load: each mutation is answered OK and applied once, each version is read."""
    servers = start_servers(own_redis.url, 3)
    if not looks_at_health:
        client["OPTIONS"].append(("grpc.inhibit_health_checking", 1))

    with under_load([server.address for server in servers], client) as load:
        exits = [took for how in hows for took in restart_one_after_the_other(servers, load, how)]

    figures = judge(load)
    what = f"{' and '.join(hows)}{'' if looks_at_health else ', health not looked at,'}"
    measured(f"{len(exits)} servers of three {what} under load: {figures}; gone after {max(exits):.1f} s at most")


def test_a_redis_that_is_killed_fails_no_mutation_and_hides_no_event(
    own_redis: RedisServer, start_servers: StartServers, client: dict[str, Any], measured: Callable[[str], None]
) -> None:
    """Redis dies twice under load and comes back with its file: calls wait or are repeated, streams go on."""
    servers = start_servers(own_redis.url, 3)

    with under_load([server.address for server in servers], client) as load:
        for _ in range(2):
            load.until_answered(READY_CALLS)
            own_redis.kill()
            own_redis.start()

    measured(f"Redis killed twice under load: {judge(load)}")
