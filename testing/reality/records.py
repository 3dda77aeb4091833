"""What records say of games and auctions, as numbers. Times are in ms."""

from typing import NamedTuple


class Move(NamedTuple):
    """A completed turn: the time it took, and what its holder's clock shows after it; None where the record is silent.

    `overtime_left` counts the periods (byo-yomi) or turns (Canadian) left in the overtime, None in main time.
    """

    holder: int
    spent_ms: int | None
    left_ms: int | None
    overtime_left: int | None = None


class Game(NamedTuple):
    """A game of two; `control` is a time control as text, `unit_ms` the resolution of the record's times.

    `flagged` is who ran out of time in the end. An incomplete game lacks some of its moves.
    """

    source: str
    number: int
    control: str
    unit_ms: int
    moves: tuple[Move, ...]
    flagged: int | None = None
    is_complete: bool = True


class Auction(NamedTuple):
    """An auction announced to last `total_ms`; `bids` are instants from its start, in order."""

    source: str
    number: int
    total_ms: int
    bids: tuple[int, ...]


class LeftOut(NamedTuple):
    """A game, an auction or a file that cannot be compared, and the reason."""

    source: str
    number: int
    reason: str


Record = Game | Auction | LeftOut
