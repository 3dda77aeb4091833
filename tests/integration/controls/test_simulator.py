"""The simulator plays what the service plays: the same turns, to the same clocks, phases and flag."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

import grpc
import pytest

from synckairos.v1 import session_service_pb2, time_control_service_pb2
from synckairos.v1 import time_control_pb2 as pb
from synckairos.v1.time_control_service_pb2_grpc import TimeControlServiceStub
from testing.harness.client import Recording, Stub, watching
from testing.harness.playing.played_sessions import PlayedSession, manual, with_control
from tests.integration.controls.conftest import ServedSessions
from tests.integration.controls.drawn_controls import drawn_controls, seeds
from tests.integration.controls.random_play import drawn_step

AT_ONCE = 8
MOST_TURNS = 12
FREE, PERIOD, FLAG = pb.CLOCK_PHASE_KIND_FREE, pb.CLOCK_PHASE_KIND_PERIOD, pb.CLOCK_PHASE_KIND_FLAG


@pytest.fixture(scope="module")
async def simulator(served: ServedSessions) -> AsyncIterator[Any]:
    """A client of the server's simulator."""
    async with grpc.aio.insecure_channel(served.address) as channel:
        yield TimeControlServiceStub(channel)


class SeenTurn(NamedTuple):
    """A turn as the service, or the simulator, played it; instants in ms from the first turn's beginning."""

    holder: int
    spent_ms: int
    flagged: bool
    credited_ms: int
    clocks: list[pb.ClockState]
    phases: list[tuple[int, int, int, int, int]]


@dataclass
class LiveGame:
    """A random game of random controls, played by the service on a manual clock."""

    draw: Random
    game: PlayedSession
    watched: Recording
    controls: list[pb.TimeControl]
    turns: list[time_control_service_pb2.TurnPlan] = field(default_factory=list)
    seen: list[SeenTurn] = field(default_factory=list)

    async def play(self) -> None:
        """Play up to a flag, or to the last turn."""
        await self._adjust_at_first()
        await self.game.start()
        self.began_at = self.game.now
        while self.game.is_live and len(self.seen) < MOST_TURNS:
            await self._play_turn()

    async def _adjust_at_first(self) -> None:
        """Adjust a clock before the start: the game goes as if its control had begun with another base."""
        holder = self.draw.randrange(len(self.controls))
        first = self.controls[holder].stages[0]
        repeats = len(self.controls[holder].stages) == 1 and first.turns
        if first.base_ms and not repeats and not first.fischer.cap_ms and self.draw.random() < 0.5:
            delta_ms = self.draw.randint(-first.base_ms + 1_000, 5_000) or 1
            await self.game.adjust(self.game.session.participants[holder].participant_id, delta_ms=delta_ms)
            first.base_ms += delta_ms

    async def _play_turn(self) -> None:
        game, draw = self.game, self.draw
        holder = [one.is_active for one in game.session.participants].index(True)
        first_phase, version = game.session.phases[0], game.session.version
        plan = self._drawn_plan()
        self.turns.append(plan)
        spent_ms = 0
        for pause in plan.pauses:
            await game.advance(pause.start_ms - spent_ms)
            spent_ms = pause.start_ms
            if not game.is_live:
                break
            await game.pause()
            await game.advance(pause.duration_ms)
            await game.resume()
            await self._adjust_there_and_back()
        if game.is_live:
            await game.advance(plan.spent_ms - spent_ms)
        flagged = not game.is_live
        if not flagged:
            if draw.random() < 0.3:
                await self._adjust_there_and_back()
            await game.switch(lag_ms=plan.lag_ms)
        await self.watched.until(lambda stream: stream.versions and stream.versions[-1] == game.session.version)
        self._note(holder, flagged, first_phase, version)

    def _drawn_plan(self) -> time_control_service_pb2.TurnPlan:
        draw, game = self.draw, self.game
        spent_ms = drawn_step(draw, game.session, game.now) if draw.random() < 0.5 else draw.randint(0, 3_000)
        starts = sorted(draw.randint(0, spent_ms) for _ in range(draw.choice((0, 0, 1, 2))))
        pauses = [
            time_control_service_pb2.PausePlan(start_ms=start, duration_ms=draw.choice((0, draw.randint(0, 90_000))))
            for start in starts
        ]
        lag_ms = draw.randint(0, 2_000) if game.active.time_control.HasField("lag_compensation") else 0
        return time_control_service_pb2.TurnPlan(spent_ms=spent_ms, pauses=pauses, lag_ms=lag_ms)

    async def _adjust_there_and_back(self) -> None:
        """Give the running clock time and take it again: nothing changes but the lag that a period is credited."""
        active = self.game.active
        credits_lag = active.time_control.HasField("lag_compensation") and active.clock.phase == PERIOD
        if active.clock.phase != FREE and not credits_lag:
            delta_ms = self.draw.randint(1, 10_000)
            for amount in (delta_ms, -delta_ms):
                await self.game.adjust(self.game.active.participant_id, delta_ms=amount)

    def _note(self, holder: int, flagged: bool, first_phase: pb.ClockPhase, version: int) -> None:
        session = self.game.session
        told = [one for one in self.watched.messages if one.version >= version]
        phases = [first_phase, *(one.phase.phase for one in told if one.WhichOneof("payload") == "phase")]
        (settled,) = [one.event for one in self.watched.of("event") if one.version == session.version]
        self.seen.append(
            SeenTurn(
                holder,
                session.elapsed_ms if flagged else settled.turn.spent_ms,
                flagged,
                settled.turn.credited_ms,
                [one.clock for one in session.participants],
                [numbers(one, self.began_at) for one in phases],
            )
        )


def numbers(phase: pb.ClockPhase, began_at: int) -> tuple[int, int, int, int, int]:
    """Return a phase with its instant in ms from the first turn's beginning."""
    return (
        phase.starts_at.ToMilliseconds() - began_at,
        phase.kind,
        phase.display_ms,
        phase.rate,
        phase.periods_left,
    )


def simulated(turn: time_control_service_pb2.SimulatedTurn) -> SeenTurn:
    """Return a turn as the simulator played it, without the flag, which a stream tells by its event."""
    phases = [numbers(one, 0) for one in turn.phases_passed if one.kind != FLAG]
    return SeenTurn(turn.holder, turn.spent_ms, turn.flagged, turn.credited_ms, list(turn.clocks), phases)


async def play_both(stub: Stub, simulator: Any, seed: int) -> None:
    """Let the service play a random game, and the simulator the same."""
    draw = Random(seed)
    controls = drawn_controls(draw, draw.choice((1, 2, 2, 3, 4)))
    game = await manual(stub, with_control(odds=tuple(controls)), starts=False)
    watch = stub.WatchSession(session_service_pb2.WatchSessionRequest(session_id=game.id))
    async with watching(watch) as watched:
        live = LiveGame(draw, game, watched, controls)
        await live.play()
    request = time_control_service_pb2.SimulateTimeControlRequest(time_controls=controls, turns=live.turns)
    reply = await simulator.SimulateTimeControl(request)

    assert [simulated(turn) for turn in reply.turns] == live.seen, (seed, request)
    assert reply.HasField("flagged_holder") == live.seen[-1].flagged
    if live.seen[-1].flagged:
        assert reply.flagged_holder == live.seen[-1].holder


async def test_the_simulator_plays_what_the_service_plays(stub: Stub, simulator: Any) -> None:
    """Random controls and odds, turns that meet boundaries, pauses, lag, and adjustments before and within turns."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> None:
        async with places:
            await play_both(stub, simulator, seed)

    await asyncio.gather(*map(one, seeds(40, 1_000)))


def test_every_family_is_played() -> None:
    """A family added to the contract needs a way to be drawn."""
    draw = Random(0)
    controls = [control for _ in range(400) for control in drawn_controls(draw, 2)]

    drawn = {stage.WhichOneof("family") for control in controls for stage in control.stages}
    assert drawn == {None, *(one.name for one in pb.TimeStage.DESCRIPTOR.oneofs_by_name["family"].fields)}
