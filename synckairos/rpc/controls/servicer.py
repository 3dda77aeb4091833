"""TimeControlService: reads, prints and tries out time controls; it needs neither the store nor its clock."""

import asyncio
import time
from itertools import count
from typing import Final, Self

from synckairos.domain.controls import simulation
from synckairos.domain.controls.description import description
from synckairos.domain.controls.limits import control_violations
from synckairos.domain.controls.notation import NoTextError, text_of
from synckairos.domain.controls.requirements import hourglass_violations
from synckairos.domain.controls.simulation import PausePlan, PlayedTurn, TurnPlan
from synckairos.domain.controls.time_control import TimeControl
from synckairos.domain.errors import FieldViolation, InvalidField
from synckairos.rpc.controls.mapping import control_message, fill_clock, fill_phase
from synckairos.rpc.controls.requests import control as read_given
from synckairos.rpc.controls.requests import read_control, read_text
from synckairos.rpc.fields import MAX_NOTED, Fields
from synckairos.rpc.interceptor import Context
from synckairos.v1 import time_control_pb2
from synckairos.v1 import time_control_service_pb2 as pb

SLICE_S: Final = 0.001
"""How long a computation keeps the event loop, but for the step in which it notices; a step takes less."""

DEFAULT_HOLDERS: Final = 2


class Slices:
    """Slices of time for one of several computations; between two slices, of whichever, all other calls are let in."""

    def __init__(self, turn: asyncio.Lock) -> None:
        self._turn = turn
        self._until: float | None = None

    async def __aenter__(self) -> Self:
        """Wait for the first slice."""
        await self._turn.acquire()
        self._until = time.perf_counter() + SLICE_S
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the rest of the slice to the others; a computation that was cancelled between two has none."""
        if self._until is not None:
            self._turn.release()

    async def end(self) -> None:
        """Let the others in if the slice is used up, and wait for the next one."""
        if self._until is not None and time.perf_counter() >= self._until:
            await asyncio.sleep(0)
            self._until = None
            self._turn.release()
            await self.__aenter__()


class TimeControlServicer:
    """Answers from the request alone."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def ParseTimeControl(  # noqa: N802 - the contract's name
        self, request: pb.ParseTimeControlRequest, _context: Context
    ) -> pb.ParseTimeControlResponse:
        """Return all forms of a time control."""
        fields = Fields()
        if request.HasField("time_control"):
            control = _control(fields, "time_control", request.time_control)
        elif request.HasField("text"):
            control = read_text(fields, "text", request.text)
        else:
            raise InvalidField([FieldViolation("text", "one of text and time_control is required")])
        text = ""
        try:
            text = text_of(control)
        except NoTextError:
            fields.refuse("time_control.lag_compensation", "has no text")
        fields.check()
        return pb.ParseTimeControlResponse(
            time_control=control_message(control), text=text, description=description(control)
        )

    async def SimulateTimeControl(  # noqa: N802 - the contract's name
        self, request: pb.SimulateTimeControlRequest, _context: Context
    ) -> bytes:
        """Play turns and return them: a SimulateTimeControlResponse, encoded."""
        async with Slices(self._turn) as slices:
            return await simulate(request, slices)


async def simulate(request: pb.SimulateTimeControlRequest, slices: Slices) -> bytes:
    """Return the reply to a request, encoded turn by turn; raises InvalidField."""
    fields = Fields()
    controls = _controls(fields, request)
    fields.check()
    turns = await _turns(fields, request, controls, slices)
    fields.check()
    parts: list[bytes] = []
    phases = 0
    for played in simulation.play_in_steps(controls, turns):
        if played is not None:
            phases += len(played.phases)
            if phases > simulation.MAX_PHASES:
                problem = f"passes, with those before it, more than {simulation.MAX_PHASES} phases"
                fields.refuse(f"turns[{len(parts)}]", problem)
                fields.check()
            parts.append(await _encoded(played, slices))
        await slices.end()
    return b"".join(parts)


def _control(fields: Fields, path: str, message: time_control_pb2.TimeControl) -> TimeControl:
    control = read_control(fields, path, message)
    fields.add(control_violations(path, control))
    return control


def _controls(fields: Fields, request: pb.SimulateTimeControlRequest) -> list[TimeControl]:
    """Read the control of each holder."""
    holders = request.holders or len(request.time_controls) or DEFAULT_HOLDERS
    fields.between("holders", holders, 1, simulation.MAX_HOLDERS)
    fields.check()
    if request.time_controls:
        if request.WhichOneof("control") is not None:
            fields.refuse("time_controls", f"is not used beside {request.WhichOneof('control')}")
        if len(request.time_controls) != holders:
            fields.refuse("time_controls", f"has {len(request.time_controls)} entries for {holders} holders")
        fields.check()
        controls = [_control(fields, f"time_controls[{place}]", one) for place, one in enumerate(request.time_controls)]
    elif (given := read_given(fields, "", request)) is not None:
        fields.add(control_violations("time_control", given))
        controls = [given] * holders
    else:
        fields.refuse("time_control", "is required, or time_control_text, or time_controls")
        controls = []
    fields.check()
    paths = [f"time_controls[{place}]" for place in range(len(controls))]
    fields.add(hourglass_violations("holders", paths, controls))
    return controls


async def _turns(
    fields: Fields, request: pb.SimulateTimeControlRequest, controls: list[TimeControl], slices: Slices
) -> list[TurnPlan]:
    holders = len(controls)
    most = simulation.MAX_CLOCKS // holders
    if len(request.turns) > most:
        fields.refuse("turns", f"has {len(request.turns)} entries, at most {most} are allowed for {holders} holders")
        return []
    turns: list[TurnPlan] = []
    pauses = 0
    for place, plan in zip(count(), request.turns):
        turn = _turn(fields, f"turns[{place}]", plan)
        fields.add(simulation.turn_violations(f"turns[{place}]", turn, controls[place % holders]))
        turns.append(turn)
        pauses += len(turn.pauses)
        if pauses > simulation.MAX_ALL_PAUSES:
            fields.refuse(f"turns[{place}].pauses", f"more than {simulation.MAX_ALL_PAUSES} pauses in all")
        if len(fields.violations) >= MAX_NOTED or pauses > simulation.MAX_ALL_PAUSES:
            break
        await slices.end()
    return turns


def _turn(fields: Fields, path: str, plan: pb.TurnPlan) -> TurnPlan:
    pauses = fields.bounded(f"{path}.pauses", plan.pauses, simulation.MAX_PAUSES) if plan.pauses else ()
    return TurnPlan(
        plan.spent_ms, tuple([PausePlan(pause.start_ms, pause.duration_ms) for pause in pauses]), plan.lag_ms
    )


async def _encoded(played: PlayedTurn, slices: Slices) -> bytes:
    """Return a reply with this turn alone; replies one after the other are the reply with all of their turns."""
    reply = pb.SimulateTimeControlResponse()
    turn = reply.turns.add(
        holder=played.holder,
        spent_ms=played.spent_ms,
        flagged=played.flagged,
        credited_ms=played.credited_ms,
    )
    for clock in played.clocks:
        message = turn.clocks.add()
        if clock.progress is not None:
            fill_clock(message, clock, clock.progress)
    for starting in played.phases:
        fill_phase(turn.phases_passed.add(), starting.at, starting.phase)
        await slices.end()
    if played.flagged:
        reply.flagged_holder = played.holder
    return reply.SerializeToString()
