"""Random time controls of every family, with short times, so that a few turns reach every boundary."""

from random import Random

from hypothesis import settings

from synckairos.domain.controls.limits import control_violations
from synckairos.rpc.controls.requests import read_control
from synckairos.rpc.fields import Fields
from synckairos.v1 import time_control_pb2 as pb

IS_LONG = settings().max_examples >= 10_000
"""Whether the run is the long one (`make laws`)."""
FAMILIES = ("absolute", "fischer", "simple_delay", "bronstein", "byo_yomi", "canadian", "per_turn", "penalty")


def seeds(few: int, many: int) -> range:
    """Return the seeds of a run: few as a rule, many in the long one."""
    return range(many if IS_LONG else few)


def drawn_control(draw: Random) -> pb.TimeControl:
    """Draw a control that keeps its limits."""
    while True:
        control = _control(draw)
        if not list(control_violations("", read_control(Fields(), "", control))):
            return control


def drawn_controls(draw: Random, holders: int) -> list[pb.TimeControl]:
    """Draw odds: a control for each holder, hourglasses for all or none."""
    if holders > 1 and draw.random() < 0.15:
        hourglass = pb.Hourglass()
        return [pb.TimeControl(stages=[pb.TimeStage(base_ms=_long(draw), hourglass=hourglass)]) for _ in range(holders)]
    return [drawn_control(draw) for _ in range(holders)]


def _long(draw: Random) -> int:
    return draw.choice((1_000, draw.randint(1_000, 20_000), 1_000 * draw.randint(1, 20)))


def _short(draw: Random) -> int:
    return draw.choice((0, 1, 500, draw.randint(0, 5_000)))


def _control(draw: Random) -> pb.TimeControl:
    count = draw.choice((1, 1, 1, 2, 3))
    control = pb.TimeControl(stages=[_stage(draw, is_last=place == count - 1) for place in range(count)])
    if draw.random() < 0.15:
        control.turn_limit_ms = draw.randint(100, 20_000)
    if draw.random() < 0.15:
        control.free_turns = draw.randint(1, 3)
        if draw.random() < 0.5:
            control.free_turn_limit_ms = draw.randint(100, 10_000)
    if draw.random() < 0.2:
        lag = [draw.randint(0, 1_000) for _ in range(4)]
        control.lag_compensation.CopyFrom(
            pb.LagCompensation(start_ms=lag[0], gain_ms=lag[1], max_ms=lag[2], max_per_turn_ms=lag[3])
        )
    return control


def _stage(draw: Random, *, is_last: bool) -> pb.TimeStage:
    stage = pb.TimeStage(base_ms=draw.choice((0, _long(draw), _long(draw))))
    if not is_last or draw.random() < 0.2:
        stage.turns = draw.randint(1, 3)
    match draw.choice(FAMILIES):
        case "fischer":
            cap = draw.choice((0, 0, _long(draw)))
            fischer = pb.Fischer(increment_ms=_short(draw), cap_ms=cap, before_turn=draw.random() < 0.3)
            stage.fischer.CopyFrom(fischer)
        case "simple_delay":
            stage.simple_delay.delay_ms = max(1, _short(draw))
        case "bronstein":
            stage.bronstein.delay_ms = max(1, _short(draw))
        case "byo_yomi":
            periods = draw.choice((1, 2, 3, 12))
            byo_yomi = pb.ByoYomi(periods=periods, period_ms=_long(draw), increment_ms=_short(draw))
            stage.byo_yomi.CopyFrom(byo_yomi)
        case "canadian":
            stage.canadian.CopyFrom(pb.Canadian(turns=draw.randint(1, 3), period_ms=_long(draw)))
        case "per_turn":
            stage.per_turn.turn_ms = _long(draw)
        case "penalty":
            limit, increment = draw.choice((0, _short(draw))), _short(draw)
            penalty = pb.Penalty(
                limit_ms=limit, unit_ms=_long(draw), points=draw.randint(0, 10), increment_ms=increment
            )
            stage.penalty.CopyFrom(penalty)
        case _:
            pass
    return stage
