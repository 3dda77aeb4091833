"""Many sessions as of one instant, and pages of them."""

import pytest
from structlog.testing import capture_logs

from synckairos.application.errors import CatchingUp, StoreUnavailable
from synckairos.application.listing import Filter
from synckairos.application.ports import Position, Request
from synckairos.application.sessions import View
from synckairos.domain import timing
from synckairos.domain.commands import Caller, Create, Start
from synckairos.domain.events import Author
from synckairos.domain.model import Mode, OnExpire, Status
from synckairos.domain.specification import SessionSpec
from testing.harness.client import new_id
from testing.harness.playing.plays import KINDS
from tests.unit.rpc.use_cases import UseCases

CALLER = Caller(Author("umpire"))
FAR = 2.0**62


async def running(cases: UseCases, budget_ms: int, spec: SessionSpec | None = None) -> str:
    """Create and start a countdown."""
    sid = new_id()
    spec = spec or SessionSpec(Mode.GLOBAL, total_time_ms=budget_ms)
    await cases.sessions.create(sid, Create(spec), CALLER, Request(), FAR)
    await cases.sessions.change(sid, Start(), CALLER, Request(), FAR)
    return sid


@pytest.mark.parametrize("takes_ms", [0, 5, 400], ids=["at once", "quickly", "slowly"])
async def test_no_session_is_shown_running_at_zero(takes_ms: int) -> None:
    """While overdue sessions are settled others fall due: all are shown as of one instant, settled up to it."""
    cases = UseCases()
    budgets = [5_000, 6_001, 6_100, 60_000, 5_500, 6_200]
    ids = [await running(cases, budget) for budget in budgets]
    cases.clock.advance(6_000)
    cases.data.storing_takes_ms = takes_ms

    found, now = await cases.listing.at_once(ids)

    views = [one for one in found if isinstance(one, View)]
    assert len(views) == 6
    for view in views:
        deadline = timing.deadline_at(view.session)
        assert deadline is None or deadline > view.now
        assert view.now == max(now, view.session.updated_at)
    assert views[0].session.status is Status.EXPIRED


async def test_a_chain_that_never_rests_is_seen_between_two_links() -> None:
    """Though every settlement takes longer than a cycle, no cycle is shown with 0 ms left."""
    cases = UseCases()
    spec = SessionSpec(Mode.PER_CYCLE, time_per_cycle_ms=1_000, on_expire=OnExpire.ADVANCE)
    ids = [await running(cases, 0, spec) for _ in range(20)]
    cases.clock.advance(1_000)
    cases.data.storing_takes_ms = 700

    found, _ = await cases.listing.at_once(ids)

    left = [timing.deadline_at(view.session) - view.now for view in found if isinstance(view, View)]  # type: ignore[operator] # a cycle has a deadline
    assert len(left) == 20
    assert min(left) > 0


async def test_missing_sessions_keep_their_place() -> None:
    """A missing session is None in its place; an empty question has an empty answer."""
    cases = UseCases()
    sid = await running(cases, 5_000)

    found, now = await cases.listing.at_once([new_id(), sid, new_id()])

    assert [isinstance(one, View) and one.session.session_id for one in found] == [False, sid, False]
    assert await cases.listing.at_once([]) == ([], now)


async def test_a_page_returns_the_wanted_sessions_among_those_it_looked_at() -> None:
    """A page looks at its size of sessions; the next one begins behind the last looked at, wanted or not."""
    cases = UseCases()
    ids = []
    for place in range(5):
        cases.clock.advance(1)
        ids.append(await running(cases, 60_000, KINDS["count up"] if place % 2 else None))
    ids.reverse()
    wanted = Filter(modes=frozenset({Mode.COUNT_UP}))

    first = await cases.listing.page(wanted, None, 3)
    assert first.next is not None
    second = await cases.listing.page(wanted, first.next, 3)

    assert [view.session.session_id for view in first.views] == [ids[1]]
    assert first.next.session_id == ids[2]
    assert [view.session.session_id for view in second.views] == [ids[3]]
    assert second.next is None


async def test_a_page_beyond_all_sessions_is_empty() -> None:
    """A position before the first creation leads to nothing, and the authority still says when."""
    cases = UseCases()
    await running(cases, 60_000)

    page = await cases.listing.page(Filter(), Position(0, new_id()), 10)

    assert (list(page.views), page.now, page.next) == ([], cases.clock.ms, None)


async def test_a_session_too_far_behind_is_not_waited_for() -> None:
    """More than 1 000 boundaries are the sweep's work: the others are answered without it, and a page leaves it out."""
    cases = UseCases()
    spec = SessionSpec(Mode.PER_CYCLE, time_per_cycle_ms=1_000, on_expire=OnExpire.ADVANCE)
    far_behind = await running(cases, 0, spec)
    cases.clock.advance(1_002_000)
    sid = await running(cases, 60_000)

    found, _ = await cases.listing.at_once([far_behind, sid])
    page = await cases.listing.page(Filter(), None, 10)

    assert isinstance(found[0], CatchingUp)
    assert isinstance(found[1], View)
    assert [view.session.session_id for view in page.views] == [sid]


async def test_a_store_that_goes_away_is_nobodys_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where settling what is due finds the store away, the call fails, and the session does not count as unreadable."""
    cases = UseCases()
    ids = [await running(cases, budget) for budget in (5_000, 60_000)]
    cases.clock.advance(6_000)

    def away(*_: object) -> None:
        raise StoreUnavailable("the store is away")

    monkeypatch.setattr(cases.data, "apply", away)

    with pytest.raises(StoreUnavailable):
        await cases.listing.at_once(ids)


async def test_what_goes_wrong_with_a_session_concerns_it_alone_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug that one session meets leaves the others readable, and a line in the log."""
    cases = UseCases()
    overdue, sid = [await running(cases, budget) for budget in (5_000, 60_000)]
    cases.clock.advance(6_000)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cases.data, "apply", broken)

    with capture_logs() as logs:
        found, _ = await cases.listing.at_once([overdue, sid])

    assert [type(one) for one in found] == [ZeroDivisionError, View]
    assert [(line["event"], line["session_id"]) for line in logs] == [("session_not_seen", overdue)]


@pytest.mark.parametrize(
    ("wanted", "admitted"),
    [
        pytest.param(Filter(), True, id="everything"),
        pytest.param(Filter(statuses=frozenset({Status.PENDING, Status.PAUSED})), True, id="one of the states"),
        pytest.param(Filter(statuses=frozenset({Status.RUNNING})), False, id="another state"),
        pytest.param(Filter(modes=frozenset({Mode.GLOBAL})), True, id="its mode"),
        pytest.param(Filter(modes=frozenset({Mode.COUNT_UP})), False, id="another mode"),
        pytest.param(Filter(labels=(("a", "1"),)), True, id="one of its labels"),
        pytest.param(Filter(labels=(("a", "1"), ("b", "2"))), True, id="all of its labels"),
        pytest.param(Filter(labels=(("a", "1"), ("c", "3"))), False, id="a label it lacks"),
        pytest.param(Filter(labels=(("a", "2"),)), False, id="another value"),
        pytest.param(Filter(frozenset({Status.PENDING}), frozenset({Mode.COUNT_UP})), False, id="all must agree"),
    ],
)
async def test_a_filter_wants_any_state_any_mode_and_every_label(wanted: Filter, admitted: bool) -> None:
    """States and modes are alternatives, labels are conditions, and the three together must hold."""
    cases = UseCases()
    spec = SessionSpec(Mode.GLOBAL, total_time_ms=5_000, labels=(("a", "1"), ("b", "2")))
    answer = await cases.sessions.create(new_id(), Create(spec), CALLER, Request(), FAR)
    assert answer.session is not None

    assert wanted.admits(answer.session) is admitted
