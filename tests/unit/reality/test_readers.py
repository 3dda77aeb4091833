"""Records of every format become the same numbers; what cannot be read is named, never passed over."""

import gzip
from pathlib import Path

import pytest

from testing.reality.examples import BOARD, CANADIAN, ENGINES, FISCHER, IGS, KGS, LICHESS, write_examples
from testing.reality.readers import lines, pgn, read_folder, sgf
from testing.reality.records import Auction, Game, LeftOut, Move, Record


def one(records: list[Record]) -> Game:
    """Return the only record, a game."""
    (game,) = records
    assert isinstance(game, Game), game
    return game


def from_pgn(text: str) -> list[Record]:
    """Read PGN."""
    return list(pgn.read("a.pgn", text.lstrip().encode()))


def from_sgf(text: str) -> list[Record]:
    """Read SGF."""
    return list(sgf.read("a.sgf", text.encode()))


def test_lichess_does_not_count_first_turns() -> None:
    """A free turn is written into the control; the loser by time is whose turn it is not in the result."""
    game = one(from_pgn(LICHESS))

    assert (game.control, game.unit_ms, game.flagged) == ("180+2~1", 1_000, 1)
    assert game.moves[:3] == (Move(0, None, 180_000), Move(1, None, 180_000), Move(0, None, 178_000))


def test_engines_tell_both_times_in_ms() -> None:
    """The opening that they are given is no part of the game."""
    game = one(from_pgn(ENGINES))

    assert (game.control, game.unit_ms, game.flagged) == ("60+1", 1, None)
    assert game.moves[:2] == (Move(0, 1_500, 59_500), Move(1, 250, 60_750))


def test_old_engine_files_tell_hours_minutes_and_seconds() -> None:
    """Their resolution is a second."""
    text = '[TimeControl "7200"]\n\n1. e4 {mt=00:01:10, tl=01:58:50,} e5 {mt=00:00:00, tl=02:00:00,} *\n'

    game = one(from_pgn(text))

    assert game.unit_ms == 1_000
    assert game.moves == (Move(0, 70_000, 7_130_000), Move(1, 0, 7_200_000))


def test_boards_and_sites_tell_clocks_and_times() -> None:
    """A file holds many games; decimals say how fine the times are."""
    games = from_pgn(BOARD)
    tenths = one(from_pgn('[TimeControl "60"]\n\n1. e4 {[%clk 0:00:58.5]} e5 {[%emt 0:00:01]} *\n'))

    assert [game.control for game in games if isinstance(game, Game)] == ["2/60:30+10", "2/60:30", "10d5"]
    assert (tenths.unit_ms, tenths.moves) == (100, (Move(0, None, 58_500), Move(1, 1_000, None)))


def test_kgs_counts_periods() -> None:
    """Who lost by time is in the result."""
    game = one(from_sgf(KGS))

    assert (game.control, game.unit_ms, game.flagged) == ("60|2x10", 10, 1)
    assert game.moves[0] == Move(0, None, 50_500)
    assert game.moves[2] == Move(0, None, 10_000, 2)


@pytest.mark.parametrize(
    ("text", "control"), [(CANADIAN, "10/2x20"), (IGS, "60/3x30"), (FISCHER, "60+5"), ("(;TM[9];B[aa]BL[8])", "9")]
)
def test_overtimes_of_go(text: str, control: str) -> None:
    """OT says which; without it there is none."""
    assert one(from_sgf(text)).control == control


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        (from_pgn("1. e4 e5 *\n"), "its moves carry no times"),
        (from_pgn("1. e4 {[%clk 0:01:00]} e5 *\n"), "turn 2 carries no time"),
        (from_pgn("1. e5 {[%clk 0:01:00]} *\n"), "its moves cannot be read: illegal san"),
        (from_sgf("(;TM[60]OT[hourglass];B[aa]BL[1])"), "its overtime is not understood: hourglass"),
        (from_sgf("(;SZ[19];B[aa]BL[1])"), "names no time (TM)"),
        (from_sgf("(;TM[60];B[aa]BL[1];W[bb])"), "turn 2 carries no time"),
        (from_sgf("(;TM[60])"), "has no moves"),
        (from_sgf("no game"), "cannot be read: no SGF data found"),
        (list(lines.read("a", b"{")), "line 1 is not in this format: Input data was truncated"),
        (list(lines.read("a", b'{"source":"s","game":0,"control":"60","unit_ms":1,"turns":[[null,1,2]]}')), "line 1"),
    ],
)
def test_what_cannot_be_read_is_named(records: list[Record], reason: str) -> None:
    """Nothing is guessed."""
    (left_out,) = records
    assert isinstance(left_out, LeftOut)
    assert left_out.reason.startswith(reason)


def test_a_folder_is_read_as_a_whole(tmp_path: Path) -> None:
    """Files in folders below and compressed ones, too; a packed one that cannot be read is named."""
    (tmp_path / "below").mkdir()
    write_examples(tmp_path / "below")
    (tmp_path / "games.PGN.gz").write_bytes(gzip.compress(ENGINES.encode()))
    (tmp_path / "month.pgn.zst").write_bytes(b"")
    (tmp_path / "README").write_text("no record")

    records = list(read_folder(tmp_path))

    assert sum(isinstance(record, Game) for record in records) == 17
    assert sum(isinstance(record, Auction) for record in records) == 2
    assert [record for record in records if isinstance(record, LeftOut)] == [
        LeftOut("month.pgn.zst", 0, "a .zst file: unpack it first")
    ]
