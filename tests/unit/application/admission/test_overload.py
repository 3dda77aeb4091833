"""Too many calls: some are refused, so that the others are answered soon, and as many as ever."""

import pytest
from structlog.testing import capture_logs

from synckairos.application.admission.overload import LEAST, PAUSE_S, Overload, Weight
from tests.unit.application.admission.model_server import ModelServer, Seen

FULL = 32
"""Callers that fill the model server."""


def full_server() -> tuple[float, float]:
    """Return the rate of a full server, and how long its callers wait."""
    server = ModelServer()
    server.callers(FULL)
    server.run(5)
    return server.rate(1), server.p99(1)


def test_three_times_the_callers_that_fill_it_are_served_as_fast_as_those() -> None:
    """Each refused one waits as told: nearly all of the rate, and nobody waits twice as long."""
    rate, full_s = full_server()
    server = ModelServer()
    server.callers(3 * FULL)

    server.run(10)

    assert server.seen.refusals
    assert server.rate(3) >= 0.9 * rate
    assert server.p99(3) < 2 * full_s


def test_callers_that_only_just_fill_it_are_never_refused() -> None:
    """A full server is not an overloaded one."""
    server = ModelServer()
    server.callers(FULL * 3 // 4)

    server.run(10)

    assert server.seen.refusals == []


def test_a_burst_is_served() -> None:
    """A thousand calls at once make a queue, which goes by itself."""
    server = ModelServer()
    server.callers(1)
    server.run(1)
    server.flood(rate=1e6, seconds=0.001)

    server.run(2)

    assert server.seen.refusals.count("overload_change") <= 5  # those of the caller who was there before
    assert sum(at >= 1 for at, *_ in server.served) > 1_000


@pytest.mark.parametrize("times", [2, 3])
def test_a_flood_is_refused_and_then_forgotten(times: int) -> None:
    """Calls that come whatever becomes of them: what is served is served soon, and afterwards all is as before."""
    rate, full_s = full_server()
    server = ModelServer()
    server.flood(times * rate, 5)
    server.run(5)
    served, p99_s = server.rate(1), server.p99(1)
    server.run(1)
    ended = server.now
    server.callers(FULL)

    server.run(5)

    assert served >= 0.5 * rate
    assert p99_s < 3 * full_s
    assert server.rate(ended + 1) >= 0.9 * rate


def test_reads_are_refused_first() -> None:
    """Nearly all changes are served, and reads with what is left."""
    rate, _ = full_server()
    server = ModelServer()
    server.flood(2 * rate, 5, Weight.READ)
    server.flood(0.25 * rate, 5, Weight.CHANGE)

    server.run(5)

    changes = sum(weight is Weight.CHANGE for *_, weight in server.served)
    assert changes > 0.9 * 0.25 * rate * 5
    assert server.seen.refusals.count("overload_read") > 50 * server.seen.refusals.count("overload_change")


def overload(**more: float) -> Overload:
    """Return one whose pauses are not spread."""
    return Overload(Seen([], []), target_s=0.01, most=int(more.get("most", 2_000)), draw=lambda: 0.5)


def test_a_call_that_could_not_be_answered_in_time_is_refused_at_once() -> None:
    """A thousand calls under way at a thousand a second: who has half a second need not wait."""
    load = overload()
    kind = load.kind(Weight.CHANGE)
    load.under_way = 2_000
    for _ in range(10):
        for _ in range(100):
            load.end(kind, load.now())
        load.looked(0.1)

    assert load.under_way >= load.free
    assert load.refusal(Weight.CHANGE, 0.5) is not None
    assert load.refusal(Weight.CHANGE, 2.0) is None
    assert load.refusal(Weight.CHANGE, None) is None


def test_a_store_that_is_slow_at_first_says_nothing_of_deadlines() -> None:
    """Before any call has ended nobody knows how long they take."""
    overload = ModelServer().overload
    overload.under_way = 3 * LEAST

    for _ in range(10):
        overload.looked(0.1)

    assert overload.refusal(Weight.CHANGE, left_s=10.0) is None


def test_a_few_slow_calls_are_no_queue() -> None:
    """The machine is slow then, or the store: refusing others would not help."""
    load = overload()
    kind = load.kind(Weight.CHANGE)
    load.under_way = 2
    for _ in range(2):
        load.end(kind, load.now() - 1.0)
    load.looked(0.1)

    assert load.limit == 2_000


def test_what_a_stream_sends_ahead_is_no_queue() -> None:
    """Its commands take room, and say nothing about how long calls queue."""
    load = overload()
    load.under_way = 256
    for _ in range(100):
        load.leave()
    load.looked(0.1)

    assert (load.under_way, load.limit) == (156, 2_000)


def test_pauses_grow_with_those_who_are_refused_and_shrink_again() -> None:
    """The refused must not fill the server by coming back."""
    load, pauses = overload(most=LEAST), []
    load.under_way = LEAST
    for refused in (100, 0):
        for _ in range(100):
            for _ in range(refused):
                assert load.refusal(Weight.CHANGE, None) is not None
            load.looked(0.1)
        again = load.refusal(Weight.CHANGE, None)
        assert again is not None
        pauses.append(again.retry_after_ms / 1_000)

    assert pauses == [PAUSE_S[1], PAUSE_S[0]]


def test_grpc_is_told_not_to_retry_what_it_has_retried() -> None:
    """Its own retries would otherwise go on by themselves, five for each call."""
    load = overload(most=LEAST)
    load.under_way = LEAST

    first, second = load.refusal(Weight.READ, None), load.refusal(Weight.READ, None, was_tried=True)

    assert first is not None
    assert second is not None
    assert (first.pushback_ms, second.pushback_ms) == (1_000, -1)
    assert second.retry_after_ms == 1_000


def test_the_log_says_so_now_and_then() -> None:
    """One line in about ten seconds, with the number of the refused."""
    load = overload(most=LEAST)
    load.under_way = LEAST
    with capture_logs() as logs:
        for _ in range(150):
            load.refusal(Weight.READ, None)
            load.looked(0.1)

    assert [(line["event"], line["refused"]) for line in logs] == [("overloaded", 1), ("overloaded", 101)]


def test_strangers_move_no_bound_but_their_own() -> None:
    """However many of them are refused, the others' bound and pause stay as they are; their own follows the others'."""
    overload = Overload(Seen([], []), target_s=0.01, most=1024, draw=lambda: 0.5)
    kind = overload.kind(Weight.READ)
    overload.strangers = overload.most_strangers
    before = (overload.limit, overload.free, overload.most_strangers)
    with capture_logs() as logs:
        refused = [overload.refusal_of_stranger() for _ in range(10_000)]
        overload.looked(0.1)

    assert all(error is not None and error.retry_after_ms == 1_000 * PAUSE_S[0] for error in refused)
    assert (overload.limit, overload.free, overload.most_strangers) == before
    assert overload.refusal(kind.weight, None) is None
    assert logs[0]["strangers"] == 10_000
    overload.limit = float(LEAST)
    overload.looked(0.1)
    assert 1 <= overload.most_strangers < LEAST
