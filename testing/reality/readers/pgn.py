"""PGN, the format of chess games: `[%clk]` and `[%emt]` of sites and boards, `mt=…, tl=…` of engine tournaments."""

import io
import logging
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import chess
import chess.pgn

from testing.reality.records import Game, LeftOut, Move, Record

CLOCK: Final = re.compile(r"\[%clk\s+([\d:.]+)\]")
ELAPSED: Final = re.compile(r"\[%emt\s+([\d:.]+)\]")
MOVE_TIME: Final = re.compile(r"\bmt=([\d:]+)")
TIME_LEFT: Final = re.compile(r"\btl=([\d:]+)")
FREE_FIRST_TURN: Final = "~1"

logging.getLogger("chess.pgn").setLevel(logging.CRITICAL)  # its complaints are in the errors of a game, too


class _Times(NamedTuple):
    spent_ms: int | None
    left_ms: int | None
    unit_ms: int


def read(name: str, data: bytes) -> Iterator[Record]:
    """Yield the games of a file."""
    text = io.StringIO(data.decode("utf-8", errors="replace"))
    number = 0
    while (game := chess.pgn.read_game(text)) is not None:
        yield _record(name, number, game)
        number += 1


def _record(name: str, number: int, game: chess.pgn.Game) -> Record:
    if game.errors:
        return LeftOut(name, number, f"its moves cannot be read: {game.errors[0]}")
    timed = [(int(node.parent.turn() is chess.BLACK), _times(node.comment)) for node in game.mainline()]
    if not any(times for _, times in timed):
        return LeftOut(name, number, "its moves carry no times")
    if any(MOVE_TIME.search(node.comment) for node in game.mainline()):
        timed = _after_the_book(timed)
    moves = []
    for place, (holder, times) in enumerate(timed, 1):
        if times is None:
            return LeftOut(name, number, f"turn {place} carries no time")
        moves.append(Move(holder, times.spent_ms, times.left_ms))
    unit_ms = min(times.unit_ms for _, times in timed if times is not None)
    return Game(name, number, _control(game), unit_ms, tuple(moves), _flagged(game))


def _after_the_book(timed: list[tuple[int, _Times | None]]) -> list[tuple[int, _Times | None]]:
    """Leave out the opening that engines are given: nobody thinks about it, and its moves have no times."""
    first = next(place for place, (_, times) in enumerate(timed) if times is not None)
    return timed[first:]


def _times(comment: str) -> _Times | None:
    spent = MOVE_TIME.search(comment)
    left = TIME_LEFT.search(comment)
    if spent or left:
        # Whole ms, but h:mm:ss in old files.
        found = [match[1] for match in (spent, left) if match]
        unit_ms = 1_000 if ":" in found[0] else 1
        return _Times(_parsed(spent, unit_ms), _parsed(left, unit_ms), unit_ms)
    spent, left = ELAPSED.search(comment), CLOCK.search(comment)
    if not spent and not left:
        return None
    digits = max(len(match[1].partition(".")[2]) for match in (spent, left) if match)
    return _Times(_parsed(spent, 1_000), _parsed(left, 1_000), max(1, 10 ** (3 - digits)))


def _parsed(match: re.Match[str] | None, unit_ms: int) -> int | None:
    """Return the ms of `h:mm:ss.sss`, `m:ss` or a number of units."""
    if match is None:
        return None
    total = 0.0
    for part in match[1].split(":"):
        total = total * 60 + float(part)
    return round(total * unit_ms)


def _control(game: chess.pgn.Game) -> str:
    """Return the control; on lichess the first turn of each side is free: no time is charged, none granted."""
    control = game.headers.get("TimeControl", "?")
    is_free = "lichess.org" in game.headers.get("Site", "") and control not in {"?", "-"}
    return control + FREE_FIRST_TURN if is_free else control


def _flagged(game: chess.pgn.Game) -> int | None:
    if "time forfeit" not in game.headers.get("Termination", "").lower():
        return None
    return {"1-0": 1, "0-1": 0}.get(game.headers.get("Result", "*"))
