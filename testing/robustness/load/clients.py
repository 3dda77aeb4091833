"""Callers: each makes seeded calls on sessions it shares with the others, and records every attempt."""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.robustness.history import Call, History, digest
from testing.robustness.load.drawn_requests import BUDGETS_MS, LONG, MODES, Request, new_session, next_request
from testing.robustness.load.senders import Answer, CommandSender, Sender

ATTEMPTS: Final = 12
PAUSE_S: Final = (0.05, 0.3)
"""Between two attempts of an operation."""
OVER: Final = frozenset(
    {
        "SESSION_NOT_FOUND",
        "SESSION_EXPIRED",
        "PARTICIPANT_EXPIRED",
        "INVALID_STATE_TRANSITION",
        "SESSION_ALREADY_EXISTS",
    }
)
"""Refusals after which a session is left to itself: it has ended, or runs on until it does."""


class Workload(NamedTuple):
    """The habits of a caller: seconds between its operations, and the share of each kind."""

    pause_s: tuple[float, float] = (0.05, 0.2)
    reads: float = 0.12
    repeats: float = 0.06
    """Of operations that were answered OK, those that are asked for once more."""
    twice_at_once: float = 0.03
    sessions: int = 40
    """How many live sessions all callers together keep up."""
    long_lived: float = 0.2
    """Part of the sessions that have time for the whole run; the others run out, and make room for new ones."""
    budgets_ms: Sequence[int] = BUDGETS_MS
    """Of the others."""
    modes: Sequence[int] = MODES
    durable: float = 0.0
    """Share of the sessions whose changes have to reach a replica before they are answered."""


class KnownSessions:
    """The sessions there are, as they were last seen."""

    def __init__(self) -> None:
        self.seen: dict[str, session_pb2.Session] = {}
        self.created: list[str] = []

    def see(self, session: session_pb2.Session) -> None:
        """Take note of how a session looks."""
        known = self.seen.get(session.session_id)
        if known is None or (known.epoch, known.version) <= (session.epoch, session.version):
            self.seen[session.session_id] = session

    def live(self) -> list[session_pb2.Session]:
        """Return those that have not ended, as far as is known."""
        return [session for session in self.seen.values() if session.status in {1, 2, 3}]

    def forget(self, session_id: str) -> None:
        """Take note that a session is gone."""
        self.seen.pop(session_id, None)


class Caller:
    """One client, which keeps to one server until that fails it."""

    def __init__(self, seed: str, sender: Sender, known: KnownSessions, history: History, workload: Workload) -> None:
        self._chance = random.Random(seed)
        self._sender = sender
        self._is_commanding = isinstance(sender, CommandSender)
        self._servers = history.run.servers
        self._known = known
        self._history = history
        self._habits = workload
        self._turn = self._chance.randrange(self._servers)
        self._reads = 0
        self._name = seed

    async def run(self, until: asyncio.Event) -> None:
        """Call until told to stop."""
        while not until.is_set():
            await self.operate(*self._choose())
            await asyncio.sleep(self._chance.uniform(*self._habits.pause_s))

    async def operate(self, method: str, request: Any) -> bool:
        """Carry an operation out, on other servers where one cannot; return whether its outcome is known."""
        if method == "CreateSession":
            self._known.created.append(request.session_id)
        operation = getattr(request, "request_id", "") or self._read_id()
        if method != "GetSession" and self._chance.random() < self._habits.twice_at_once:
            turns = [self._turn, self._turn + 1]
            await asyncio.gather(*(self._attempt(operation, method, request, turn) for turn in turns))
        for _ in range(ATTEMPTS):
            answer = await self._attempt(operation, method, request, self._turn)
            if not answer.is_to_retry:
                break
            self._turn += 1
            await asyncio.sleep(self._chance.uniform(*PAUSE_S))
        else:
            return False
        if answer.outcome == "ok" and method != "GetSession" and self._chance.random() < self._habits.repeats:
            await self._attempt(operation, method, request, self._turn + 1)
        return True

    def _choose(self) -> Request:
        live = self._known.live()
        workload = self._habits
        if (len(live) < workload.sessions and self._chance.random() < 0.5) or not live:
            lasting = sum(session.labels.get("kind") == LONG for session in live)
            is_long = lasting < workload.sessions * workload.long_lived
            method, request = new_session(self._chance, workload.budgets_ms, workload.modes, is_long=is_long)
            if workload.durable and self._chance.random() < workload.durable:
                request.durability, request.durability_replicas = session_pb2.DURABILITY_REPLICAS, 1
            return method, request
        anything = self._chance.random() < 0.03
        session = self._chance.choice(list(self._known.seen.values()) if anything else live)
        if self._chance.random() < workload.reads:
            return "GetSession", pb.GetSessionRequest(session_id=session.session_id)
        if anything and self._chance.random() < 0.3:
            # The id of a session that is there or was, deleted ones among them: taken, unless its creation was lost.
            method, request = new_session(self._chance)
            request.session_id = self._chance.choice(self._known.created)
            return method, request
        may_end = session.labels.get("kind") != LONG or self._chance.random() < 0.1
        return next_request(self._chance, session, may_end=may_end)

    def _read_id(self) -> str:
        self._reads += 1
        return f"{self._name} read {self._reads}"

    async def _attempt(self, operation: str, method: str, request: Any, turn: int) -> Answer:
        """Send a request once, and record it."""
        server = turn % self._servers
        invoked = time.monotonic()
        answer = await self._sender.ask(server, request)
        if answer.reason in OVER:
            self._known.forget(request.session_id)
        call = Call(
            operation=operation,
            session_id=request.session_id,
            method=method,
            request=request.SerializeToString(),
            server=server,
            invoked=invoked,
            returned=time.monotonic(),
            outcome=answer.outcome,
            reason=answer.reason,
            is_command=self._is_commanding,
        )
        if answer.reply is not None:
            self._note(call, answer.reply)
        self._history.calls.append(call)
        return answer

    def _note(self, call: Call, reply: Any) -> None:
        session = reply.session
        call.epoch, call.version = session.epoch, session.version
        call.replayed = getattr(reply, "replayed", False)
        call.server_time = reply.server_time.ToMilliseconds()
        # Of a life that has left the store, a replay tells only the identity.
        call.view = digest(session) if session.HasField("created_at") else ""
        if call.method == "DeleteSession":
            self._known.forget(call.session_id)
        elif call.view and not call.replayed:
            self._known.see(session)


async def end_all(callers: Sequence[Caller], known: KnownSessions) -> None:
    """End every session that may still live, so that nothing moves any more."""

    async def work(caller: Caller) -> None:
        while left:
            session_id = left.pop()
            cancel = pb.CancelSessionRequest(session_id=session_id, request_id=_last_id(session_id))
            while not await caller.operate("CancelSession", cancel):
                pass

    left = list(dict.fromkeys(known.created))
    await asyncio.gather(*map(work, callers))


def _last_id(session_id: str) -> str:
    """Return a request id of its own for the end of a session."""
    return session_id[:-1] + ("0" if session_id[-1] != "0" else "1")
