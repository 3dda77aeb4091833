"""ExplainClock on a trail in memory: the lines of a clock, on pages, and every refusal."""

from typing import Any

import grpc
import pytest

from synckairos.v1 import audit_service_pb2 as pb
from synckairos.v1 import session_pb2, session_service_pb2
from tests.unit.rpc.calls import ANN, BOB, CLEO, SID, created, mutation
from tests.unit.rpc.grpc_testing_adapter import PEER, Loop, TestServer
from tests.unit.rpc.use_cases import UseCases

OTHER = "10000000-0000-4000-8000-000000000002"
TEAM = "40000000-0000-4000-8000-00000000000a"
BASE, SPENT, ADJUSTED = (
    pb.CLOCK_LINE_KIND_BASE, pb.CLOCK_LINE_KIND_SPENT, pb.CLOCK_LINE_KIND_ADJUSTED,
)  # fmt: skip


@pytest.fixture
def game(server: TestServer, use_cases: UseCases, loop: Loop) -> session_pb2.Session:
    """A game in which Ann has moved after 1 s, was adjusted to 1 234 ms, and Bob's turn was paused after 2 s."""
    created(server, "StartSession")
    use_cases.clock.advance(1_000)
    for name, more in (("SwitchCycle", 0), ("AdjustTime", 2_000), ("PauseSession", 5_000)):
        last = server.call(name, mutation(name)).response.session
        use_cases.clock.advance(more)
    loop.run(use_cases.drain())
    return last


def explained(server: TestServer, **request: Any) -> pb.ExplainClockResponse:
    """Return a page of an account in SID, by default Ann's."""
    holder = {} if "group_id" in request else {"participant_id": ANN}
    reply: pb.ExplainClockResponse = server.ok(
        "ExplainClock", pb.ExplainClockRequest(**{"session_id": SID, **holder, **request})
    )
    return reply


def test_a_clock_is_explained_line_by_line(server: TestServer, game: session_pb2.Session) -> None:
    """Each with its version, instant, kind and balance, and all of them sum to what the session shows."""
    ann, bob = explained(server), explained(server, participant_id=BOB)

    left = {one.participant_id: one.time_remaining_ms for one in game.participants}
    assert [(one.version, one.kind, one.amount_ms, one.balance_ms, one.note) for one in ann.lines] == [
        (1, BASE, 60_000, 60_000, ""),
        (3, SPENT, -1_000, 59_000, ""),
        (4, ADJUSTED, -57_766, 1_234, f"{PEER}: because"),
    ]
    assert [(one.version, one.kind, one.amount_ms, one.note) for one in bob.lines] == [
        (1, BASE, 60_000, ""),
        (5, SPENT, -2_000, "so far"),
    ]
    assert (ann.balance_ms, bob.balance_ms) == (left[ANN], left[BOB]) == (1_234, 58_000)
    assert [one.occurred_at.ToMilliseconds() - game.created_at.ToMilliseconds() for one in ann.lines] == [
        0,
        1_000,
        1_000,
    ]
    assert not ann.next_page_token


@pytest.mark.usefixtures("game")
def test_pages_hold_every_line_once(server: TestServer) -> None:
    """A token leads on with another page size, and every page says what all of them sum to."""
    first = explained(server, page_size=1)
    rest = explained(server, page_size=9, page_token=first.next_page_token)

    assert [*first.lines, *rest.lines] == list(explained(server).lines)
    assert len(first.lines) == 1
    assert first.balance_ms == rest.balance_ms == 1_234
    assert not rest.next_page_token


@pytest.mark.usefixtures("game")
def test_an_earlier_version_is_explained_as_it_was(server: TestServer) -> None:
    """Ann's clock before it was adjusted, and in the middle of her turn."""
    assert [explained(server, version=version).balance_ms for version in (1, 2, 3, 4)] == [
        60_000,
        60_000,
        59_000,
        1_234,
    ]


@pytest.mark.parametrize(
    ("request_", "code", "reason", "paths"),
    [
        ({"session_id": OTHER}, grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND", set()),
        ({"participant_id": CLEO}, grpc.StatusCode.NOT_FOUND, "PARTICIPANT_NOT_FOUND", set()),
        ({"group_id": TEAM}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", {"participant_id"}),
        ({"participant_id": ""}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", {"participant_id"}),
        ({"version": 6}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", {"version"}),
        ({"version": -1, "page_size": -1}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", {"version", "page_size"}),
        (
            {"session_id": "x", "participant_id": "y", "page_token": "z"},
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_FIELD",
            {"session_id", "participant_id", "page_token"},
        ),
    ],
)
@pytest.mark.usefixtures("game")
def test_refusals(
    server: TestServer, request_: dict[str, Any], code: grpc.StatusCode, reason: str, paths: set[str]
) -> None:
    """By a stable reason, and the name of every wrong field."""
    holder = {} if "group_id" in request_ else {"participant_id": ANN}

    problem = server.refused("ExplainClock", pb.ExplainClockRequest(**{"session_id": SID, **holder, **request_}))

    assert (problem.code, problem.reason, set(problem.fields)) == (code, reason, paths)


@pytest.mark.usefixtures("game")
def test_a_token_belongs_to_its_clock(server: TestServer) -> None:
    """Neither another holder's nor another version's pages go on from it."""
    token = explained(server, page_size=1).next_page_token

    for other in ({"participant_id": BOB}, {"participant_id": ANN, "version": 3}):
        request = pb.ExplainClockRequest(**{"session_id": SID, "page_token": token, **other})
        assert set(server.refused("ExplainClock", request).fields) == {"page_token"}


def test_the_clock_of_a_session_is_explained_without_a_holder(
    server: TestServer, use_cases: UseCases, loop: Loop
) -> None:
    """GLOBAL has one clock; one that counts up without a limit has nothing to explain."""
    server.call("CreateSession", mutation("CreateSession"))
    endless = session_service_pb2.CreateSessionRequest(session_id=OTHER, mode=session_pb2.MODE_COUNT_UP)
    server.call("CreateSession", endless)
    loop.run(use_cases.drain())

    known = server.ok("ExplainClock", pb.ExplainClockRequest(session_id=SID))
    problem = server.refused("ExplainClock", pb.ExplainClockRequest(session_id=OTHER))

    assert [(one.kind, one.amount_ms) for one in known.lines] == [(BASE, 5_000)]
    assert (problem.reason, set(problem.fields)) == ("INVALID_FIELD", {"session_id"})
