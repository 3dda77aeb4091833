"""What is played of a record: the turns, and how the clocks must stand after each of them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from synckairos.domain.controls.notation import NotationError, parse
from synckairos.domain.controls.time_control import TimeControl
from synckairos.domain.families.byo_yomi import ByoYomi
from testing.reality.books import Book, Contradiction, Shown, Standing, open_book
from testing.reality.records import Game, LeftOut, Move

HOLDERS: Final = 2


class Turn(NamedTuple):
    """A turn to play, and how its holder's clock stands afterwards; `hidden_ms` of it the record does not show yet.

    `risen_ms` is what the record's clock gained beside all rules: it is adjusted by as much. `is_drawn` says that the
    record is silent about the time spent.
    """

    move: Move
    spent_ms: int
    risen_ms: int
    standing: Standing
    hidden_ms: int
    is_drawn: bool


class Plan(NamedTuple):
    """A game to play; its turns take what the record says, give or take `rounding_ms`."""

    game: Game
    family: str
    shown: Shown
    rounding_ms: int
    begin: Standing
    turns: tuple[Turn, ...]


def plan_of(game: Game) -> Plan | LeftOut:
    """Return how to play a game, by the first convention that its record keeps to; or why it cannot be compared."""
    reason = _unfit(game)
    if reason:
        return LeftOut(game.source, game.number, reason)
    found = []
    for shown in Shown:
        try:
            return _planned(game, shown)
        except Contradiction as problem:
            found.append(str(problem))
        except NotationError as error:
            return LeftOut(game.source, game.number, f"its control {game.control} is not understood: {error}")
    reason = f"the record does not follow from its control {game.control}: {found[0]}"
    return LeftOut(game.source, game.number, reason)


def _unfit(game: Game) -> str:
    holders = [move.holder for move in game.moves]
    if not game.is_complete:
        return "some of its moves are missing"
    if not holders:
        return "it has no moves"
    if any(one == other for one, other in pairwise(holders)):
        return "the players do not take turns"
    if set(holders) - set(range(HOLDERS)):
        return "it is no game of two"
    if game.flagged == holders[-1]:
        return "the player who ran out of time was not to move"
    return ""


def _planned(game: Game, shown: Shown) -> Plan:
    control = parse(game.control)
    if shown is Shown.LATE and _has_other_periods(game, control):
        raise Contradiction("its periods are of another length")
    books = [open_book(control) for _ in range(HOLDERS)]
    begin = books[0].standing
    rounding_ms = 0 if game.unit_ms == 1 else game.unit_ms
    turns = tuple(_turns(game, books, shown, rounding_ms))
    family = "stages" if len(control.stages) > 1 else control.stages[0].family.name
    return Plan(game, family, shown, rounding_ms, begin, turns)


def _has_other_periods(game: Game, control: TimeControl) -> bool:
    """Whether every turn in byo-yomi leaves the same: what is left of a period never does, so it is a whole one."""
    left = [move.left_ms for move in game.moves if move.overtime_left is not None]
    return isinstance(control.stages[0].family, ByoYomi) and len(left) > 2 and len(set(left)) == 1


def _turns(game: Game, books: list[Book], shown: Shown, rounding_ms: int) -> Iterator[Turn]:
    """Yield the turns; raises Contradiction where the record's clock is not that of the books."""
    for place, move in enumerate(game.moves, 1):
        book = books[move.holder]
        book.is_drawn = False
        told = book.spent(move, shown, place)
        if move.spent_ms is not None and abs(told - move.spent_ms) > rounding_ms:
            raise Contradiction(f"turn {place} takes {move.spent_ms} ms, by its clock {told} ms")
        spent, risen = max(0, told), max(0, -told)
        if risen > rounding_ms:
            raise Contradiction(f"turn {place} leaves {move.left_ms} ms, which is {risen} ms more than there was")
        if spent >= book.standing.remaining_ms:
            raise Contradiction(f"turn {place} takes {spent} ms of {book.standing.remaining_ms} ms")
        book.settle(spent, shown)
        book.bank_ms += risen
        if move.left_ms is not None and book.visible_ms - book.hidden_ms != move.left_ms:
            raise Contradiction(f"turn {place} leaves {move.left_ms} ms, by the control {book.visible_ms} ms")
        _count_overtime(book, move, place)
        yield Turn(move, spent, risen, book.standing, book.hidden_ms, book.is_drawn)


def _count_overtime(book: Book, move: Move, place: int) -> None:
    standing = book.standing
    kept = standing.periods_left if standing.period_turns_left is None else standing.period_turns_left
    told = move.overtime_left
    if told is not None and told != kept and not (told == 0 and book.hidden_ms):
        raise Contradiction(f"turn {place} leaves {told} of the overtime, by the control {kept}")
