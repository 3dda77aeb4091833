"""Small records made up by hand, of every format and convention: the repository carries no records of others."""

from pathlib import Path
from typing import Final

LICHESS: Final = """
[Site "https://lichess.org/example1"]
[TimeControl "180+2"]
[Termination "Time forfeit"]
[Result "1-0"]

1. e4 { [%clk 0:03:00] } 1... e5 { [%clk 0:03:00] } 2. Nf3 { [%clk 0:02:58] } 2... Nc6 { [%clk 0:03:01] }
3. Bb5 { [%clk 0:03:00] } 1-0
"""
"""First turns are free; Black runs out of time."""

ENGINES: Final = """
[TimeControl "60+1"]
[Result "*"]

1. d4 {book, mb=+0+0+0+0+0,} d5 {book, mb=+0+0+0+0+0,} 2. c4 {d=20, mt=1500, tl=59500, s=1} e6 {mt=250, tl=60750,}
3. Nc3 {mt=59499, tl=1001,} Nf6 {mt=0, tl=61750,} 4. Bg5 {mt=1000, tl=1001,} *
"""
"""To the millisecond, once 1 ms before the flag; the opening is given."""

BOARD: Final = """
[TimeControl "2/60:30+10"]
[Result "*"]

1. e4 {[%emt 0:00:10] [%clk 0:00:50]} e5 {[%emt 0:00:01] [%clk 0:00:59]}
2. Nf3 {[%emt 0:00:20] [%clk 0:00:30]} Nc6 {[%emt 0:00:58] [%clk 0:00:01]}
3. Bb5 {[%emt 0:00:06] [%clk 0:00:55]} a6 {[%emt 0:00:30] [%clk 0:00:02]}
4. Ba4 {[%emt 0:00:15] [%clk 0:00:50]} Nf6 {[%emt 0:00:00] [%clk 0:00:13]} *

[TimeControl "2/60:30"]
[Result "*"]

1. e4 {[%clk 0:00:50]} e5 {[%clk 0:00:59]} 2. Nf3 {[%clk 0:01:00]} Nc6 {[%clk 0:00:31]} 3. Bb5 {[%clk 0:00:01]} *

[TimeControl "10d5"]
[Result "*"]

1. e4 {[%emt 0:00:05] [%clk 0:00:10]} e5 {[%emt 0:00:14] [%clk 0:00:01]} 2. Nf3 {[%clk 0:00:09]} Nc6 {[%clk 0:00:01]} *
"""
"""Whole seconds: bonus and increment shown a move late, a bonus shown at once, a delay."""

KGS: Final = """
(;FF[4]GM[1]SZ[19]TM[60]OT[2x10 byo-yomi]RE[B+T]
;B[pd]BL[50.5];W[dp]WL[0.25];B[pp]BL[10]OB[2];W[dd]WL[10]OW[1];B[pj]BL[10]OB[1])
"""
"""Periods stand whole after a move, and White runs out of the last one."""

CANADIAN: Final = """
(;FF[4]GM[1]SZ[19]TM[10]OT[2/20 Canadian]RE[B+3.5]
;B[pd]BL[4];W[dp]WL[9];B[pp]BL[18]OB[1];W[dd]WL[8];B[pj]BL[20]OB[2];W[dj]WL[7];B[jd]BL[19]OB[1])
"""
"""A block stands whole after the move that earns it."""

IGS: Final = """
(;FF[4]GM[1]SZ[19]TM[60]OT[3/30 Canadian]
;B[pd]BL[56];W[dp]WL[1];B[pp]BL[2];W[dd]WL[29];B[pj]BL[28];W[dj]WL[15];B[jd]BL[20];W[jp]WL[1]
;B[jj]BL[5];W[cc]WL[30];B[qq]BL[29])
"""
"""A block stands whole a move late, and nobody counts its stones."""

FISCHER: Final = "(;FF[4]GM[1]SZ[19]TM[60]OT[5 fischer];B[pd]BL[55.123];W[dp]WL[65];B[pp]BL[60.122])"

AUCTIONS: Final = (
    '{"source":"auction","game":0,"control":"soft close, 1 days","turns":[1000,50000,80000000,86100000,86399999],'
    '"unit_ms":1,"flagged":null,"whole":true}\n'
    '{"source":"auction","game":1,"control":"soft close, 1 days","turns":[40000],"unit_ms":1}\n'
)
GAMES: Final = (
    '{"source":"hand","game":0,"control":"60|1x10","turns":[[1,null,5000,null],[0,null,59999,null],[1,null,10000,1]],'
    '"unit_ms":1,"flagged":0}\n'
    '{"source":"hand","game":1,"control":"600","turns":[[0,2900,597100],[1,0,600000],[0,100,597000]],"unit_ms":100}\n'
    '{"source":"hand","game":2,"control":"60|3x30","turns":[[0,null,10000,1],[1,null,10000,1],[0,null,10000,1]],'
    '"unit_ms":1}\n'
    '{"source":"hand","game":3,"control":"60+5","turns":[[0,1000,58999]],"unit_ms":1}\n'
    '{"source":"hand","game":4,"control":"60","turns":[[0,1000,59000],[0,1000,58000]],"unit_ms":1}\n'
    '{"source":"hand","game":5,"control":"60","turns":[[0,1000,59000]],"unit_ms":1,"whole":false}\n'
    '{"source":"hand","game":6,"control":"?","turns":[[0,1000,59000]],"unit_ms":1}\n'
)
"""The first two are sound; the others are not, each in a way of its own."""

FILES: Final = {
    "auctions.jsonl": AUCTIONS,
    "games.jsonl": GAMES,
    "board.pgn": BOARD,
    "engines.pgn": ENGINES,
    "lichess.pgn": LICHESS,
    "canadian.sgf": CANADIAN,
    "fischer.sgf": FISCHER,
    "igs.sgf": IGS,
    "kgs.sgf": KGS,
}


def write_examples(folder: Path) -> None:
    """Write the examples into a folder, each as a file of its format."""
    for name, text in FILES.items():
        (folder / name).write_text(text.lstrip(), encoding="utf-8")
