"""Played turns as a picture: a bar for each holder, its phases in colours, over the time that passed."""

from collections.abc import Iterator, Sequence
from typing import Final

from synckairos.cli.clock_faces import face, faces
from synckairos.cli.drawing import BAR, INK, LEFT, ROW, TOP, bar, legend_y, picture, place, text
from synckairos.domain.controls.simulation import PlayedTurn, TurnPlan
from synckairos.domain.families.family import PhaseKind

NARROWEST_LABEL: Final = 6.2
"""Width of a character of a label, in px."""

PAUSE: Final = "#d0d7de"
COLOURS: Final[dict[PhaseKind, tuple[str, str]]] = {
    PhaseKind.FREE: ("#d8b9ff", "free turn"),
    PhaseKind.DELAY: ("#a5d8ff", "delay"),
    PhaseKind.MAIN: ("#2f81f7", "main time"),
    PhaseKind.PERIOD: ("#2da44e", "period, block or time of the turn"),
    PhaseKind.RESERVE: ("#e3b341", "reserve"),
    PhaseKind.PENALTY: ("#fb8500", "below zero"),
    PhaseKind.FLAG: ("#cf222e", "flag"),
}


def timeline(title: str, names: Sequence[str], plans: Sequence[TurnPlan], turns: Sequence[PlayedTurn]) -> str:
    """Return a picture of turns as they were played; `plans` say where they were paused."""
    ends_at = max(turns[-1].ended_at, 1) if turns else 1
    drawn = [part for plan, turn in zip(plans, turns, strict=False) for part in _turn(plan, turn, ends_at)]
    return picture(title, names, ends_at, drawn, _legend(plans, turns, legend_y(names)))


def _turn(plan: TurnPlan, turn: PlayedTurn, ends_at: int) -> Iterator[str]:
    """Draw a turn on its holder's bar: the phases, its pauses over them, and under it what its clock shows then."""
    y = TOP + ROW * turn.holder
    ends = [phase.at for phase in turn.phases[1:]] + [turn.ended_at]
    for starting, end in zip(turn.phases, ends, strict=True):
        colour, name = COLOURS[starting.phase.kind]
        if starting.phase.kind is PhaseKind.FLAG:
            x = place(starting.at, ends_at)
            yield f'<path d="M{x:.1f},{y + BAR + 3} V{y - 10} l-11,5 l11,5" fill="{colour}" stroke="{colour}"/>'
        else:
            yield bar(starting.at, end, ends_at, y, colour, f"{name}, from {face(starting.phase.display_ms)}")
    at = turn.began_at
    for pause, before in zip(plan.pauses, (0, *[pause.start_ms for pause in plan.pauses]), strict=False):
        at += pause.start_ms - before
        if pause.start_ms >= turn.spent_ms and turn.flagged:
            break
        yield bar(at, at + pause.duration_ms, ends_at, y, PAUSE, "pause")
        at += pause.duration_ms
    left, right = place(turn.began_at, ends_at), place(turn.ended_at, ends_at)
    shown = faces(turn.clocks[turn.holder])
    if not turn.flagged and len(shown) * NARROWEST_LABEL <= right - left + 20:
        yield text((left + right) / 2, y + BAR + 15, shown, "middle", INK, 11)


def _legend(plans: Sequence[TurnPlan], turns: Sequence[PlayedTurn], y: float) -> Iterator[str]:
    """Draw a patch of each colour that is used, and its name."""
    used = {starting.phase.kind for turn in turns for starting in turn.phases}
    entries = [COLOURS[kind] for kind in COLOURS if kind in used]
    if any(plan.pauses for plan, _ in zip(plans, turns, strict=False)):
        entries.append((PAUSE, "pause"))
    x: float = LEFT
    for colour, name in entries:
        yield f'<rect x="{x:.1f}" y="{y - 10}" width="12" height="12" fill="{colour}"/>'
        yield text(x + 18, y, name, colour=INK)
        x += 18 + 22 + len(name) * NARROWEST_LABEL
