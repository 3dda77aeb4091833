"""What the checks of streams say of a change of history: told where there was one, and nowhere else."""

import pytest

from synckairos.application.frames import Frame, FrameKind, GapReason
from synckairos.v1 import session_service_pb2 as pb
from testing.robustness.history_builder import GONE_S, HistoryBuilder
from testing.robustness.promises import Promise
from testing.robustness.verdict import broken, judge


class Forked(HistoryBuilder):
    """Version 3 was lost with the power, and made again."""

    def __init__(self) -> None:
        super().__init__()
        self.ask(100, "StartSession", pb.StartSessionRequest())
        self.ask(2_000, "SwitchCycle", pb.SwitchCycleRequest())
        self.lost = self.event(3)
        self.lost_token = self.token(3)
        self.lose_power(2_500, version=2)
        self.ask(3_500, "SwitchCycle", pb.SwitchCycleRequest())
        for row in self.rows[2:]:
            row.is_fork = True
        self.ask(4_000, "CompleteSession", pb.CompleteSessionRequest())

    def told(self, version: int) -> list[Frame]:
        """Return what tells of the fork, and what comes after it."""
        gap, snapshot = self.gap(version, GapReason.FORKED), self.snapshot(version, 3_600)
        return [gap, snapshot, *map(self.event, range(version + 1, 5)), self.end(4)]


def test_a_fork_that_is_told_breaks_nothing() -> None:
    """Who was sent the lost version gets a gap; so does who comes back with its token."""
    built = Forked()
    built.watch(built.snapshot(2), built.lost, *built.told(3))
    built.watch(*built.told(3), token=built.lost_token)
    built.watch(built.event(3), built.event(4), built.end(4), token=built.token(2))

    assert judge(built.finish()) == []


def test_a_fork_that_an_open_stream_is_not_told_of_is_not_reliable() -> None:
    """Version 4 of the new branch seems to follow upon the lost version 3."""
    built = Forked()
    built.watch(built.snapshot(2), built.lost, built.event(4), built.end(4))

    assert broken(built.finish()) == {Promise.RELIABLE}


def test_a_fork_that_a_token_is_not_told_of_is_not_resumable() -> None:
    """The numbers fit, the changes do not."""
    built = Forked()
    built.watch(built.event(4), built.end(4), token=built.lost_token)

    assert broken(built.finish()) == {Promise.RESUMABLE}


@pytest.mark.parametrize(
    ("kind", "promise"), [(FrameKind.PROGRESS, Promise.BOOKMARKABLE), (FrameKind.TICK, Promise.EPHEMERAL)]
)
def test_what_is_no_event_is_of_the_branch_that_was_sent(kind: FrameKind, promise: Promise) -> None:
    """A watcher of the lost version 3 is sent a mark, or a tick, of the new one."""
    built = Forked()
    built.watch(built.snapshot(2), built.lost, built.mark(kind, 3, 3_700), *built.told(4)[:1])

    assert broken(built.finish()) == {promise}


def test_who_has_seen_the_lost_head_only_never_saw_the_end() -> None:
    """The stream stayed open, at the number that the new branch came to."""
    built = Forked()
    del built.rows[4:], built.events[3:], built.history.calls[4:]
    built.watch(built.snapshot(2), built.lost)
    built.history.ends[-1].at = GONE_S + 10

    assert broken(built.finish()) == {Promise.RELIABLE}


def test_a_fork_that_did_not_concern_the_reader_is_not_reliable() -> None:
    """Power was lost, but the version it had is a part of both branches."""
    built = Forked()
    built.watch(*built.told(3), token=built.token(2))

    assert broken(built.finish()) == {Promise.RELIABLE}


def test_another_life_that_is_the_same_is_not_reliable() -> None:
    """The epoch has not changed."""
    built = Forked()
    told = built.told(3)
    told[0].reason = GapReason.EPOCH_CHANGED
    built.watch(*told, token=built.token(2))

    assert broken(built.finish()) == {Promise.RELIABLE}


def test_who_reads_is_not_told_to_be_slow() -> None:
    """A gap is right for who has stopped reading, and for nobody else."""
    built = Forked()
    told = built.told(3)
    told[0].reason = GapReason.SLOW_READER
    built.watch(built.snapshot(2), *told)

    assert broken(built.finish()) == {Promise.RELIABLE}


def test_who_begins_has_no_window_to_pass() -> None:
    """Nothing was missed: there was no position."""
    built = Forked()
    told = built.told(3)
    told[0].reason = GapReason.WINDOW_PASSED
    built.watch(*told)

    assert broken(built.finish()) == {Promise.RESUMABLE}
