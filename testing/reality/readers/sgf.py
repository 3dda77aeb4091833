"""SGF, the format of Go games: BL and WL (time left), OB and OW (periods or stones left in the overtime)."""

import re
from collections.abc import Iterator
from typing import Any, Final

from sgfmill import sgf

from testing.reality.records import Game, LeftOut, Move, Record

TIME: Final = r"(\d+(?:\.\d+)?)"
BYO_YOMI: Final = re.compile(rf"\s*(\d+)\s*x\s*{TIME}\s*byo-?yomi\s*", re.IGNORECASE)
CANADIAN: Final = re.compile(rf"\s*(\d+)\s*/\s*{TIME}\s*canadian\s*", re.IGNORECASE)
FISCHER: Final = re.compile(rf"\s*{TIME}\s*fischer\s*", re.IGNORECASE)
PROPERTIES: Final = {"b": ("BL", "OB"), "w": ("WL", "OW")}


def read(name: str, data: bytes) -> Iterator[Record]:
    """Yield the game of a file."""
    try:
        game = sgf.Sgf_game.from_bytes(data)
        yield _record(name, game)
    except ValueError as error:
        yield LeftOut(name, 0, f"cannot be read: {error}")


def _record(name: str, game: Any) -> Record:
    root = game.get_root()
    if not root.has_property("TM"):
        return LeftOut(name, 0, "names no time (TM)")
    control = _control(root)
    if control is None:
        return LeftOut(name, 0, f"its overtime is not understood: {root.get('OT')}")
    moves: list[Move] = []
    digits = 0
    for node in game.get_main_sequence():
        colour, _ = node.get_move()
        if colour is None:
            continue
        left, overtime = PROPERTIES[colour]
        if not node.has_property(left):
            return LeftOut(name, 0, f"turn {len(moves) + 1} carries no time")
        digits = max(digits, len(node.get_raw(left).decode("ascii").partition(".")[2]))
        overtime_left = node.get(overtime) if node.has_property(overtime) else None
        moves.append(Move("bw".index(colour), None, round(node.get(left) * 1_000), overtime_left))
    if not moves:
        return LeftOut(name, 0, "has no moves")
    return Game(name, 0, control, max(1, 10 ** (3 - digits)), tuple(moves), _flagged(root))


def _control(root: Any) -> str | None:
    """Return the control as text; None if the overtime is of an unknown kind."""
    main: str = root.get_raw("TM").decode("ascii").strip()
    overtime = root.get("OT") if root.has_property("OT") else ""
    if not overtime.strip():
        return main
    if found := BYO_YOMI.fullmatch(overtime):
        return f"{main}|{found[1]}x{found[2]}"
    if found := CANADIAN.fullmatch(overtime):
        return f"{main}/{found[1]}x{found[2]}"
    if found := FISCHER.fullmatch(overtime):
        return f"{main}+{found[1]}"
    return None


def _flagged(root: Any) -> int | None:
    """Return who lost by time: RE[W+T] and RE[W+Time] say that Black did."""
    result = root.get("RE") if root.has_property("RE") else ""
    won = re.fullmatch(r"([BW])\+T(?:ime)?", result.strip(), re.IGNORECASE)
    return None if won is None else int(won[1].upper() == "B")
