"""Plays games and auctions through a server on manual clocks, and compares every clock after every turn."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from synckairos.domain.model import SoftClosePolicy
from synckairos.v1 import session_pb2, time_control_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, new_id
from testing.reality.auctions import Sale
from testing.reality.books import Standing
from testing.reality.commands import Commands, Refused, commanding
from testing.reality.plans import HOLDERS, Plan, Turn

AT_ONCE: Final = 48
"""Games under way at the same time."""
POLICIES: Final = {
    SoftClosePolicy.RESET: time_control_pb2.SOFT_CLOSE_POLICY_RESET,
    SoftClosePolicy.ADD: time_control_pb2.SOFT_CLOSE_POLICY_ADD,
}


class Played(NamedTuple):
    """What came of a game or an auction.

    `off_ms` is how far a clock of the service was from the record's, or from the calculation, at most; a fault says
    in which turn anything was wrong.
    """

    work: Plan | Sale
    turns: int
    off_ms: int = 0
    fault: str = ""


async def play_all(stub: Stub, works: Iterable[Plan | Sale], on_played: Callable[[Played], None]) -> None:
    """Play games and auctions, many at the same time."""
    waiting = iter(works)

    async def play_next(commands: Commands) -> None:
        for work in waiting:
            play = _Game(commands, work) if isinstance(work, Plan) else _Auction(commands, work)
            on_played(await play.play())

    async with commanding(stub) as commands, asyncio.TaskGroup() as players:
        for _ in range(AT_ONCE):
            players.create_task(play_next(commands))


class _Game:
    """A game under way."""

    def __init__(self, commands: Commands, plan: Plan) -> None:
        self._commands = commands
        self._plan = plan
        self._session_id = new_id()
        self._players = [new_id() for _ in range(HOLDERS)]
        self._standings = [plan.begin] * HOLDERS
        self._off_ms = 0

    async def play(self) -> Played:
        """Play it to its end, or to the first fault."""
        place = 0
        try:
            fault = self._compared(await self._begin())
            while not fault and place < len(self._plan.turns):
                place += 1
                fault = await self._turn(place, self._plan.turns[place - 1])
            fault = fault or await self._end()
        except Refused as refusal:
            fault = f"refused: {refusal}"
        return Played(self._plan, place, self._off_ms, fault and f"turn {place}: {fault}")

    async def _begin(self) -> session_pb2.Session:
        create = pb.CreateSessionRequest(
            session_id=self._session_id,
            mode=session_pb2.MODE_PER_PARTICIPANT,
            participants=[session_pb2.ParticipantSpec(participant_id=one) for one in self._players],
            first_participant_id=self._players[self._plan.turns[0].move.holder],
            time_control_text=self._plan.game.control,
            manual_clock=True,
        )
        return await self._commands.ask(create, pb.StartSessionRequest(session_id=self._session_id))

    async def _turn(self, place: int, turn: Turn) -> str:
        """Play a turn; return what is wrong afterwards."""
        player = self._players[turn.move.holder]
        switch = pb.SwitchCycleRequest(
            session_id=self._session_id, expected_active_participant_id=player, expected_cycle_number=place
        )
        session = await self._commands.ask(*advance(self._session_id, turn.spent_ms), switch)
        if turn.risen_ms:
            rise = pb.AdjustTimeRequest(
                session_id=self._session_id, participant_id=player, delta_ms=turn.risen_ms, reason="as recorded"
            )
            session = await self._commands.ask(rise)
        self._standings[turn.move.holder] = turn.standing
        clock = next(one.clock for one in session.participants if one.participant_id == player)
        return self._compared(session) or self._recorded(turn, clock)

    def _compared(self, session: session_pb2.Session) -> str:
        """Compare every part of every clock with the books."""
        for participant in session.participants:
            kept = self._standings[self._players.index(participant.participant_id)]
            shown = standing_of(participant)
            if shown != kept:
                self._off_ms = max(self._off_ms, abs(shown.remaining_ms - kept.remaining_ms))
                return f"a clock stands at {shown}, by the record at {kept}"
        return ""

    def _recorded(self, turn: Turn, clock: time_control_pb2.ClockState) -> str:
        """Compare the clock of the turn with what the record shows of it."""
        if turn.move.left_ms is None:
            return ""
        visible_ms = clock.bank_ms or clock.period_remaining_ms
        off_ms = abs(visible_ms - turn.hidden_ms - turn.move.left_ms)
        self._off_ms = max(self._off_ms, off_ms)
        return f"the record shows {turn.move.left_ms} ms, the service {visible_ms} ms" if off_ms else ""

    async def _end(self) -> str:
        """Let the clock of who ran out of time run out, at the very millisecond; else complete the game."""
        flagged = self._plan.game.flagged
        if flagged is None:
            await self._commands.ask(pb.CompleteSessionRequest(session_id=self._session_id))
            return ""
        player = self._players[flagged]
        before, after = await _run_out(self._commands, self._session_id, self._standings[flagged].remaining_ms)
        if before.status != session_pb2.STATUS_RUNNING or before.active_participant_id != player:
            return "the clock ran out too early"
        if after.status != session_pb2.STATUS_EXPIRED or after.expired_participant_id != player:
            return "the clock did not run out"
        return ""


class _Auction:
    """An auction under way."""

    def __init__(self, commands: Commands, sale: Sale) -> None:
        self._commands = commands
        self._sale = sale
        self._session_id = new_id()
        self._now_ms = 0

    async def play(self) -> Played:
        """Play it to its end, or to the first fault."""
        place = off_ms = 0
        try:
            await self._begin()
            while not off_ms and place < len(self._sale.ends):
                bid, end = self._sale.auction.bids[place], self._sale.ends[place]
                place += 1
                off_ms = abs(bid + (await self._bid(bid)).remaining_ms - end)
            fault = f"the end is off by {off_ms} ms" if off_ms else await self._end()
        except Refused as refusal:
            fault = f"refused: {refusal}"
        return Played(self._sale, place, off_ms, fault and f"bid {place}: {fault}")

    async def _begin(self) -> None:
        close = self._sale.close
        create = pb.CreateSessionRequest(
            session_id=self._session_id,
            mode=session_pb2.MODE_GLOBAL,
            total_time_ms=self._sale.total_ms,
            soft_close=time_control_pb2.SoftClose(
                window_ms=close.window_ms,
                extend_ms=close.extend_ms,
                policy=POLICIES[close.policy],
                hard_limit_ms=close.hard_limit_ms,
            ),
            manual_clock=True,
        )
        await self._commands.ask(create, pb.StartSessionRequest(session_id=self._session_id))

    async def _bid(self, bid: int) -> session_pb2.Session:
        waited = advance(self._session_id, bid - self._now_ms)
        self._now_ms = bid
        return await self._commands.ask(*waited, pb.SwitchCycleRequest(session_id=self._session_id))

    async def _end(self) -> str:
        """Let the first late bid be refused, if there is one, and the session end at its very millisecond."""
        sale = self._sale
        late = sale.auction.bids[len(sale.ends) :]
        before, after = await _run_out(self._commands, self._session_id, sale.end - self._now_ms)
        if late:
            answer = await self._commands.send(pb.SwitchCycleRequest(session_id=self._session_id))
            if answer.WhichOneof("outcome") != "status":
                return "a bid after the end was accepted"
        if before.status != session_pb2.STATUS_RUNNING:
            return "it ended too early"
        lasted_ms = after.completed_at.ToMilliseconds() - after.started_at.ToMilliseconds()
        if after.status != session_pb2.STATUS_EXPIRED or lasted_ms != sale.end:
            return f"it ended after {lasted_ms} ms, by the calculation after {sale.end} ms"
        return ""


async def _run_out(
    commands: Commands, session_id: str, left_ms: int
) -> tuple[session_pb2.Session, session_pb2.Session]:
    """Let a clock run out; return the session as it is 1 ms before, and then."""
    read = pb.GetSessionRequest(session_id=session_id)
    before = await commands.ask(*advance(session_id, left_ms - 1), read)
    return before, await commands.ask(*advance(session_id, 1))


def advance(session_id: str, by_ms: int) -> list[pb.AdvanceClockRequest]:
    """Return the call that lets so much time pass; none if no time does."""
    return [pb.AdvanceClockRequest(session_id=session_id, by_ms=by_ms)] if by_ms else []


def standing_of(participant: session_pb2.Participant) -> Standing:
    """Return how a clock stands, as the service shows it."""
    clock = participant.clock
    return Standing(
        clock.bank_ms,
        participant.time_remaining_ms,
        clock.periods_left if clock.HasField("periods_left") else None,
        clock.period_remaining_ms if clock.HasField("period_remaining_ms") else None,
        clock.period_turns_left if clock.HasField("period_turns_left") else None,
    )
