"""The actor in a real Dramatiq worker, with and without a database, a claim, and time."""

import threading
from collections.abc import Iterator, Sequence

import pytest
import structlog
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import MiddlewareError

from synckairos.adapters.dramatiq import actor as dramatiq_actor
from synckairos.adapters.dramatiq.bell import RUNG_MS
from synckairos.application.pipeline import drain_work
from synckairos.application.pipeline.draining import Drain
from synckairos.application.pipeline.status import QueueDepth
from synckairos.devstack import RedisServer
from testing.harness.fakes.outbox_fields import played
from tests.integration.pipeline.worker_deployment import PARTITION, WorkerDeployment, until


@pytest.fixture
def deployment(redis_server: RedisServer) -> Iterator[WorkerDeployment]:
    """A worker's surroundings."""
    deployment = WorkerDeployment(redis_server)
    yield deployment
    deployment.broker.client.flushdb()
    deployment.broker.client.close()
    deployment.store.close()


def test_a_message_empties_its_outbox_and_clears_its_mark(deployment: WorkerDeployment) -> None:
    """Everything is written, nothing is left, and the next ring gets through."""
    deployment.commit(*played(25))
    with deployment.working():
        deployment.ring()
        until(lambda: deployment.totals().get("completed") == "1")

    assert deployment.length() == 0
    assert len(deployment.trail.records) == 25
    assert deployment.mark_ms() == -2
    assert deployment.totals()["written"] == "25"
    assert deployment.queue.depth() == QueueDepth(0, 0, 0, 0)


def test_a_commit_whose_ring_was_refused_is_not_missed(deployment: WorkerDeployment) -> None:
    """It comes at the worst moment: the outbox has been found empty, and its mark is still there."""
    events = played(2)
    refused: list[list[int]] = []
    run = Drain.run

    async def run_then_commit(self: Drain, partitions: Sequence[int], until_s: float) -> list[int]:
        left = await run(self, partitions, until_s)
        if not refused:
            deployment.commit(events[1])
            refused.append(deployment.ring())
        return left

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Drain, "run", run_then_commit)
        deployment.commit(events[0])
        with deployment.working():
            deployment.ring()
            until(lambda: deployment.totals().get("completed") == "1")

    assert refused == [[]]
    assert deployment.length() == 0
    assert len(deployment.trail.records) == 2


def test_a_partition_that_another_worker_has_claimed_is_left_to_it(deployment: WorkerDeployment) -> None:
    """Its message is done at once, and the partition is drained by the next one after the claim."""
    deployment.commit(*played(5))
    deployment.marks.claim([PARTITION])
    with deployment.working():
        deployment.queue.send([PARTITION])
        until(lambda: deployment.totals().get("completed") == "1")
        length = deployment.length()
        deployment.marks.release([PARTITION])
        deployment.ring()
        until(lambda: deployment.totals().get("completed") == "2")

    assert length == 5
    assert deployment.length() == 0


def test_while_the_database_is_away_one_message_waits_and_then_drains(deployment: WorkerDeployment) -> None:
    """Its mark outlives the pause, so that no second one is queued; it comes back by itself."""
    deployment.commit(*played(3))
    deployment.trail.is_away = True
    with deployment.working():
        deployment.ring()
        until(lambda: deployment.queue.depth().delayed == 1)
        refused = deployment.ring()
        mark_ms = deployment.mark_ms()
        failed = deployment.totals()
        deployment.trail.is_away = False
        until(lambda: deployment.totals().get("completed") == "1")

    assert refused == []
    assert mark_ms > RUNG_MS
    assert failed["failed"] == "1"
    assert failed["last_error"]
    assert deployment.length() == 0
    assert deployment.alerts == []


def test_a_message_that_is_given_up_raises_the_alarm_and_frees_its_partitions(
    deployment: WorkerDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The events stay; the next ring gets through, and drains them."""
    monkeypatch.setattr(dramatiq_actor, "ATTEMPTS", 1)
    deployment.commit(*played(3))
    deployment.trail.is_away = True
    with structlog.testing.capture_logs() as logs, deployment.working():
        deployment.ring()
        until(lambda: deployment.totals().get("exhausted") == "1")
        until(lambda: deployment.mark_ms() == -2)
        dead = deployment.queue.depth().dead
        length = deployment.length()
        deployment.trail.is_away = False
        again = deployment.ring()
        until(lambda: deployment.totals().get("completed") == "1")

    (alarm,) = [log for log in logs if log["log_level"] == "critical"]
    ((what, why),) = deployment.alerts
    assert alarm["partitions"] == [PARTITION]
    assert "audit trail" in what
    assert why
    assert dead == 1
    assert length == 3
    assert again == [PARTITION]
    assert deployment.length() == 0


def test_a_message_is_given_up_after_five_attempts(
    deployment: WorkerDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log and the alert say how many there were."""
    monkeypatch.setattr(dramatiq_actor, "MIN_BACKOFF_MS", 10)
    deployment.commit(*played(3))
    deployment.trail.is_away = True
    attempts: list[int] = []
    deployment.trail.before = lambda: attempts.append(1)
    with structlog.testing.capture_logs() as logs, deployment.working():
        deployment.ring()
        until(lambda: deployment.totals().get("exhausted") == "1")

    (alarm,) = [log for log in logs if log["log_level"] == "critical"]
    ((what, _),) = deployment.alerts
    assert (len(attempts), alarm["attempts"]) == (5, 5)
    assert "5 attempts" in what
    assert deployment.totals()["failed"] == "5"


def test_an_unforeseen_error_is_retried_too(deployment: WorkerDeployment) -> None:
    """A bug must not lose a message, nor go unseen."""

    def fail_once() -> None:
        deployment.trail.before = lambda: None
        raise ValueError("a bug")

    deployment.commit(*played(3))
    deployment.trail.before = fail_once
    with deployment.working():
        deployment.ring()
        until(lambda: deployment.totals().get("completed") == "1")

    assert deployment.totals()["failed"] == "1"
    assert deployment.totals()["last_error"] == "a bug"
    assert deployment.length() == 0


def test_a_message_that_takes_too_long_makes_room_and_rings_again(
    deployment: WorkerDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left after its time gets a new message behind the others."""
    monkeypatch.setattr(drain_work, "BUDGET_S", -1.0)
    deployment.commit(*played(25))
    # The first batch is written only by the second message, which has time.
    with deployment.working():
        deployment.ring()
        until(lambda: int(deployment.totals().get("completed", "0")) >= 1)
        monkeypatch.setattr(drain_work, "BUDGET_S", 20.0)
        until(lambda: deployment.length() == 0)

    assert len(deployment.trail.records) == 25


def test_a_worker_that_is_stopped_finishes_its_batch_and_rings_for_the_rest(deployment: WorkerDeployment) -> None:
    """Nothing waits for the end of a long outbox, and the next worker goes on at once."""
    events = played(25)
    deployment.commit(*events)
    is_writing, may_go_on = threading.Event(), threading.Event()

    def wait() -> None:
        is_writing.set()
        assert may_go_on.wait(10)

    deployment.trail.before = wait
    worker = deployment.worker()
    worker.start()
    deployment.ring()
    assert is_writing.wait(10)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    until(lambda: not any(thread.running for thread in worker.workers))
    may_go_on.set()
    stopping.join()
    worker.broker.client.close()  # type: ignore[attr-defined] # it is a RedisBroker
    written = len(deployment.trail.records)

    assert written == 10
    assert deployment.queue.depth() == QueueDepth(waiting=1, active=0, delayed=0, dead=0)
    deployment.trail.before = lambda: None
    with deployment.working():
        until(lambda: deployment.length() == 0)
    assert len(deployment.trail.records) == 25


def test_a_worker_whose_work_cannot_be_opened_ends(deployment: WorkerDeployment) -> None:
    """Dramatiq would go on without it; no thread is left behind."""
    deployment.open_error = RuntimeError("wrong settings")
    worker = deployment.worker()
    before = threading.active_count()

    with pytest.raises(MiddlewareError, match="wrong settings"):
        worker.start()

    until(lambda: threading.active_count() <= before)
    thread = get_event_loop_thread()
    assert thread is None or not thread.is_alive()
    worker.broker.client.close()  # type: ignore[attr-defined] # it is a RedisBroker


def test_after_a_long_outage_each_partition_has_one_message_at_most(
    deployment: WorkerDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many attempts, messages given up, rings and looks of two servers: nothing piles up."""
    monkeypatch.setattr(dramatiq_actor, "ATTEMPTS", 3)
    monkeypatch.setattr(dramatiq_actor, "MIN_BACKOFF_MS", 10)
    monkeypatch.setattr(dramatiq_actor, "MAX_BACKOFF_MS", 40)
    deployment.trail.is_away = True
    events = iter(played(5_000))
    most = 0

    def outage_is_long_enough() -> bool:
        nonlocal most
        deployment.commit(next(events))
        deployment.ring()
        deployment.ring()
        depth = deployment.queue.depth()
        most = max(most, depth.waiting + depth.delayed)
        return int(deployment.totals().get("exhausted", "0")) >= 5

    with deployment.working():
        until(outage_is_long_enough, 60)
    at_rest = deployment.queue.depth()
    deployment.trail.is_away = False
    with deployment.working():
        deployment.ring()
        until(lambda: deployment.length() == 0)

    assert at_rest.waiting + at_rest.active + at_rest.delayed <= 1
    assert most <= 2, "a retry is queued before the message it stands for is acknowledged"
