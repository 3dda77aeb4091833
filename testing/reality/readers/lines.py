"""JSON Lines: a game or an auction a line.

`control` is a time control as text, or "soft close, N days". `turns` are `[holder, spent_ms, left_ms]`, with overtime
`[holder, null, left_ms, periods or turns left in it, null in main time]`; of an auction the instants of the bids in
ms from its start. `unit_ms` is the resolution of the times, `flagged` who ran out of time, `whole` whether no turn is
missing.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from synckairos.domain.model import DAY_MS
from testing.reality.records import Auction, Game, LeftOut, Move, Record

AUCTION: Final = re.compile(r"soft close, (\d+) days?")
Turn = tuple[int, int | None, int | None] | tuple[int, int | None, int | None, int | None]


class _Line(msgspec.Struct):
    source: str
    game: int
    control: str
    unit_ms: int
    turns: msgspec.Raw
    flagged: int | None = None
    whole: bool = True


def read(name: str, data: bytes) -> Iterator[Record]:
    """Yield the records of a file."""
    for number, encoded in enumerate(data.splitlines()):
        try:
            yield _record(msgspec.json.decode(encoded, type=_Line))
        except msgspec.DecodeError as error:
            yield LeftOut(name, number, f"line {number + 1} is not in this format: {error}")


def _record(line: _Line) -> Record:
    auction = AUCTION.fullmatch(line.control)
    if auction:
        bids = msgspec.json.decode(line.turns, type=tuple[int, ...])
        return Auction(line.source, line.game, int(auction[1]) * DAY_MS, bids)
    turns = msgspec.json.decode(line.turns, type=list[list[int | None]])
    moves = tuple(_move(turn) for turn in turns)
    return Game(line.source, line.game, line.control, line.unit_ms, moves, line.flagged, line.whole)


def _move(turn: list[int | None]) -> Move:
    holder, spent, left, *overtime = turn
    if holder is None or len(overtime) > 1:
        raise msgspec.ValidationError(f"{turn} is not a turn")
    return Move(holder, spent, left, *overtime)
