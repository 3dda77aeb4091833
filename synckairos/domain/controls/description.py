"""Time controls in English words, for people."""

from synckairos.domain.controls.time_control import LagCompensation, Stage, TimeControl
from synckairos.domain.families.words import counted, in_words


def description(control: TimeControl) -> str:
    """Return a time control in whole sentences."""
    sentences = [_stage(control, place) for place in range(len(control.stages))]
    last = control.stages[-1]
    if last.turns:
        sentences.append(f"{'the last stage' if len(sentences) > 1 else 'it'} repeats: {_repeated(last)}")
    if control.turn_limit_ms:
        sentences.append(f"no turn may last {in_words(control.turn_limit_ms)}")
    if control.free_turns:
        sentences.append(_free_turns(control))
    if control.lag_compensation is not None:
        sentences.append(_lag(control.lag_compensation))
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)


def _stage(control: TimeControl, place: int) -> str:
    stage = control.stages[place]
    told = stage.family.describe(_bank(stage, place))
    if not place:
        return f"{counted(stage.turns, 'turn')}: {told}" if stage.turns else told
    return f"then {counted(stage.turns, 'turn') if stage.turns else 'all the rest'}: {told}"


def _repeated(last: Stage) -> str:
    if not last.base_ms:
        return "it adds nothing"
    return f"every {'turn adds' if last.turns == 1 else counted(last.turns, 'turn') + ' add'} {in_words(last.base_ms)}"


def _bank(stage: Stage, place: int) -> str:
    """Return what the bank has when a stage begins; the empty string for nothing."""
    base = in_words(stage.base_ms) if stage.base_ms else ""
    if not place:
        return base
    return f"what is left and {base} more" if base else "what is left"


def _free_turns(control: TimeControl) -> str:
    limit = in_words(control.free_turn_limit_ms) if control.free_turn_limit_ms else ""
    if control.free_turns == 1:
        return "the first turn costs nothing" + (f", and may not last {limit}" if limit else "")
    told = f"the first {counted(control.free_turns, 'turn')} cost nothing"
    return told + (f", and none of them may last {limit}" if limit else "")


def _lag(lag: LagCompensation) -> str:
    told = (
        f"network lag is given back from a quota of {in_words(lag.start_ms)}, which gains {in_words(lag.gain_ms)} with "
        f"every turn, up to {in_words(lag.max_ms)}"
    )
    return told + (f"; no turn gets more than {in_words(lag.max_per_turn_ms)}" if lag.max_per_turn_ms else "")
