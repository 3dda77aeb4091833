"""The table of `synckairos top`: its orders, its counts, its rate of changes."""

from typing import Any

import pytest

from synckairos.cli.live.board import Board, Order
from synckairos.cli.live.top import Shown
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb

NOW_MS = 1_800_000_000_000


def session(name: str, *, left_ms: int = 60_000, version: int = 1, **more: Any) -> session_pb2.Session:
    """Return a running countdown."""
    made = session_pb2.Session(
        session_id=name,
        mode=session_pb2.MODE_GLOBAL,
        status=more.pop("status", session_pb2.STATUS_RUNNING),
        version=version,
        total_time_ms=60_000,
        remaining_ms=left_ms,
        **more,
    )
    made.metadata.update({"name": name})
    made.created_at.FromMilliseconds(NOW_MS - ord(name[0]))
    made.updated_at.CopyFrom(made.created_at)
    made.deadline_at.FromMilliseconds(NOW_MS + left_ms)
    return made


class Listing:
    """A client whose server answers with these pages."""

    def __init__(self, *pages: list[session_pb2.Session]) -> None:
        self.pages = list(pages)
        self.at_ms = NOW_MS

    async def list_sessions(self, **_filters: Any) -> pb.ListSessionsResponse:
        """Return the next page; the last of a reading has no token."""
        page = pb.ListSessionsResponse(sessions=self.pages.pop(0))
        page.server_time.FromMilliseconds(self.at_ms)
        return page


async def read(board: Board, *sessions: session_pb2.Session, at_ms: int = NOW_MS) -> None:
    """Let a board read these sessions."""
    client: Any = Listing(list(sessions))
    client.at_ms = at_ms
    await board.read(client)


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (Order.left, ["b", "a", "c"]),
        (Order.newest, ["a", "b", "c"]),
        (Order.name, ["a", "b", "c"]),
        (Order.cycle, ["c", "a", "b"]),
        (Order.status, ["a", "b", "c"]),
    ],
)
async def test_rows_are_sorted(order: Order, names: list[str]) -> None:
    """Sessions whose clocks stand come behind those that run."""
    board = Board(10)
    await read(
        board,
        session("a", left_ms=50_000, cycle_number=2),
        session("b", left_ms=20_000, cycle_number=1),
        session("c", left_ms=1_000, cycle_number=9, status=session_pb2.STATUS_EXPIRED),
    )

    rows = board.rows(NOW_MS + 1_000, order)
    alive = board.rows(NOW_MS + 1_000, order, backwards=True, ended=False)

    assert [row.session.session_id for row in rows] == names
    assert [row.session.session_id for row in alive] == [name for name in reversed(names) if name != "c"]
    assert {row.session.session_id: row.shown_ms for row in rows} == {"a": 49_000, "b": 19_000, "c": None}


async def test_changes_are_counted_between_two_readings() -> None:
    """By the server's clock; a session that is new tells nothing about its past."""
    board = Board(10)
    await read(board, session("a", version=5), session("b", version=1))
    before = board.changes_a_second
    await read(board, session("a", version=9), session("b", version=1), session("c", version=7), at_ms=NOW_MS + 2_000)

    assert (before, board.changes_a_second) == (0.0, 2.0)
    assert board.counts() == {session_pb2.STATUS_RUNNING: 3}


def test_the_selection_stays_within_the_rows() -> None:
    """Whatever key is pressed, and however few rows are left."""
    shown = Shown(Order.left)
    places = []
    for key in ("up", "down", "page down", "j", "home", "end", "x", None):
        shown.press(key, rows=4, page=10)
        places.append(shown.place)
    shown.press(None, rows=0, page=10)

    assert places == [0, 1, 3, 3, 0, 3, 3, 3]
    assert shown.place == 0


def test_keys_sort() -> None:
    """s goes on to the next order and round, S back."""
    shown, seen = Shown(Order.left), []
    for key in ("s", "s", "S", "left", "left", "r", "a"):
        shown.press(key, rows=1, page=1)
        seen.append(shown.order)

    assert seen[:5] == [Order.newest, Order.changed, Order.newest, Order.left, Order.cycle]
    assert (shown.backwards, shown.ended) == (True, True)
