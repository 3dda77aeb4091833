"""`synckairos tc`: time controls in words, and turns played with them; no server is asked."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer
from google.protobuf import json_format
from rich.console import Console

from synckairos.cli.clock_faces import face, faces
from synckairos.cli.plain_text import PlainTable, visible
from synckairos.cli.running import fail
from synckairos.cli.timeline import timeline
from synckairos.domain.controls.description import description
from synckairos.domain.controls.limits import control_violations
from synckairos.domain.controls.notation import NotationError, parse, text_of, time_of
from synckairos.domain.controls.simulation import PausePlan, PlayedTurn, TurnPlan, play
from synckairos.domain.controls.time_control import Stage, TimeControl
from synckairos.domain.errors import InvalidField
from synckairos.domain.families import Hourglass
from synckairos.domain.families.family import PhaseKind
from synckairos.rpc.controls.mapping import control_message
from synckairos.rpc.controls.servicer import Slices
from synckairos.rpc.controls.servicer import simulate as simulate_request
from synckairos.v1 import time_control_service_pb2 as pb

tc_app = typer.Typer(no_args_is_help=True, help="Time controls, such as 600|5x30: in words, and tried out.")

Control = Annotated[str, typer.Argument(help="A time control in its notation, such as 600|5x30.")]

_PAUSE: Final = re.compile(r"@([^@+]*)\+([^@+]*)")
_MOST_BOUNDARIES: Final = 3
_WIDTH: Final = 110


@tc_app.command()
def explain(control: Control) -> None:
    """Say in words what a time control means, and show what a single turn does to its clock."""
    read = _control(control)
    typer.echo(f"{text_of(read)}\n{description(read)}")
    for place, stage in enumerate(read.stages):
        rows = list(_worked(read, stage))
        if rows:
            name = f"Stage {place + 1}, by itself: a" if len(read.stages) > 1 else "A"
            typer.echo(f"\n{name} first turn from {_beginning(read, stage)}")
            _print(["of", "is in", "and leaves"], rows)


@tc_app.command()
def simulate(
    control: Control,
    turns: Annotated[
        list[str],
        typer.Argument(help="How long each turn lasts, such as 90, 1.5m or 90@30+600: paused after 30 s for 600 s."),
    ],
    odds: Annotated[
        list[str] | None, typer.Option(help="The control of the next holder, if it is another; once for each.")
    ] = None,
    holders: Annotated[int, typer.Option(min=0, max=16, help="How many holders share the control; default 2.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the reply that SimulateTimeControl gives.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Draw the turns into this file.")] = None,
) -> None:
    """Play turns, one holder after the other, up to a flag; print every clock after each."""
    controls = [_control(text) for text in (control, *(odds or ()))]
    plans = [_plan(text) for text in turns]
    request = pb.SimulateTimeControlRequest(holders=holders, turns=[_message(plan) for plan in plans])
    if odds:
        request.time_controls.extend(map(control_message, controls))
    else:
        request.time_control.CopyFrom(control_message(controls[0]))
        controls *= holders or 2
    try:
        reply = pb.SimulateTimeControlResponse.FromString(asyncio.run(_simulated(request)))
    except InvalidField as error:
        fail(str(error))
    if json:
        typer.echo(json_format.MessageToJson(reply, preserving_proto_field_name=True))
        return
    played = list(play(controls, plans))
    if svg is not None:
        title = " against ".join(map(text_of, dict.fromkeys(controls)))
        try:
            svg.write_text(timeline(title, _names(controls), plans, played), encoding="utf-8")
        except OSError as error:
            fail(str(error))
        return
    _print(["turn", "of", "is in", *_names(controls)], [_row(number, turn) for number, turn in enumerate(played, 1)])


async def _simulated(request: pb.SimulateTimeControlRequest) -> bytes:
    async with Slices(asyncio.Lock()) as slices:
        return await simulate_request(request, slices)


def _control(text: str) -> TimeControl:
    """Return a control, or end the process pointing at what is wrong with its text."""
    try:
        control = parse(text)
    except NotationError as error:
        shown = visible(text)
        fail(f"{error}\n  {shown}\n  {' ' * len(visible(text[: error.position]))}^")
    wrong = [f"{path.lstrip('.')} {problem}" for path, problem in control_violations("", control)]
    if wrong:
        fail(f"{text} is outside the limits:\n" + "\n".join(wrong))
    return control


def _plan(text: str) -> TurnPlan:
    """Return the turn that an argument describes."""
    spent, at, pauses = text.partition("@")
    found = _PAUSE.findall(at + pauses)
    try:
        if _PAUSE.sub("", at + pauses):
            fail(f"{text} is no turn: a pause is @ its start + its length, as in 90@30+600")
        return TurnPlan(time_of(spent), tuple(PausePlan(time_of(start), time_of(length)) for start, length in found))
    except NotationError as error:
        fail(f"{text} is no turn: {error}")


def _message(plan: TurnPlan) -> pb.TurnPlan:
    pauses = [pb.PausePlan(start_ms=pause.start_ms, duration_ms=pause.duration_ms) for pause in plan.pauses]
    return pb.TurnPlan(spent_ms=plan.spent_ms, pauses=pauses)


def _names(controls: list[TimeControl]) -> list[str]:
    return [f"holder {place}" for place in range(1, len(controls) + 1)]


def _row(number: int, turn: PlayedTurn) -> list[str]:
    clocks = [faces(clock) for clock in turn.clocks]
    return [str(number), face(turn.spent_ms), _passed(turn), *clocks]


def _passed(turn: PlayedTurn) -> str:
    """Return the phases of a turn; periods by how many are left."""
    names = []
    for _, phase in turn.phases:
        name = phase.kind.name.lower()
        names.append(f"{name} {phase.periods_left}" if phase.kind is PhaseKind.PERIOD and phase.periods_left else name)
    return ", ".join([names[0], "...", *names[-2:]] if len(names) > 4 else names)


def _alone(control: TimeControl, stage: Stage) -> TimeControl:
    return TimeControl((stage._replace(turns=0),), control.turn_limit_ms)


def _beginning(control: TimeControl, stage: Stage) -> str:
    return faces(next(play([_alone(control, stage)] * 2, [TurnPlan(0)])).clocks[1])


def _worked(control: TimeControl, stage: Stage) -> Iterator[list[str]]:
    """Yield rows for turns of instructive lengths; none for a stage that cannot begin by itself."""
    alone = _alone(control, stage)
    if any(control_violations("", alone)):
        return
    for spent in _lengths(alone, stage):
        turn = next(play([alone] * 2, [TurnPlan(spent)]))
        after = faces(turn.clocks[0])
        if isinstance(stage.family, Hourglass) and not turn.flagged:
            after += f", and {faces(turn.clocks[1])} to the other of two"
        yield [face(spent), _passed(turn), after]


def _lengths(control: TimeControl, stage: Stage) -> list[int]:
    """Return turns that end within phases, where one begins, and just before and at the flag, in ms."""
    family = stage.family
    parts = family.begin(stage.base_ms)
    begins = [phase.spent_ms for phase in family.phases(parts) if phase.spent_ms > 0]
    own = [getattr(family, name, 0) for name in ("delay_ms", "increment_ms")]
    lengths = {*[one // 2 for one in begins[:1]], *begins[:_MOST_BOUNDARIES], *own, *[one // 2 for one in own]}
    unit_ms: int = getattr(family, "unit_ms", 0)
    if unit_ms:
        lengths |= {stage.base_ms + 1, stage.base_ms + unit_ms + 1}
    ends = [one for one in (family.budget(parts), control.turn_limit_ms) if one]
    if ends:
        lengths |= {min(ends) - 1, min(ends)}
    return sorted(one for one in lengths if 0 < one <= min(ends, default=one))


def _print(columns: list[str], rows: list[list[str]]) -> None:
    table = PlainTable(*columns, box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for row in rows:
        table.add_row(*row)
    console = Console(width=max(_WIDTH, *(sum(map(len, row)) + 4 * len(row) for row in rows)))
    with console.capture() as printed:
        console.print(table)
    typer.echo("\n".join(line.rstrip() for line in printed.get().splitlines()))
