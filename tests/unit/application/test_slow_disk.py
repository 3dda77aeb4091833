"""When the disk of the store counts as slow: what Redis tells of its log, looked at once a second."""

import pytest

from synckairos.application.slow_disk import DiskWatch
from tests.unit.application.pipeline.observed_pipeline import ObservedPipeline

Look = tuple[int, int, bool]
"""Syncs under way, writes ever held back, and whether the latest write went well."""
WELL: Look = (0, 5, True)
SYNCING: Look = (1, 5, True)


@pytest.mark.parametrize(
    ("looks", "slow"),
    [
        ([WELL] * 4, [False] * 4),
        ([SYNCING, SYNCING, WELL, SYNCING, SYNCING], [False] * 5),
        ([SYNCING, SYNCING, SYNCING, WELL, WELL, WELL], [False, False, True, True, True, False]),
        ([WELL, (0, 6, True), (0, 6, True), (0, 6, True), (0, 6, True)], [False, True, True, True, False]),
        ([(0, 5, False), WELL, WELL, WELL], [True, True, True, False]),
        ([WELL, (0, 0, True), (0, 1, True)], [False, False, True]),
    ],
    ids=["well", "a sync now and then", "a sync that lasts", "a write held back", "a write that failed", "restarted"],
)
def test_the_disk_is_slow_from_the_first_sign_to_three_good_looks(looks: list[Look], slow: list[bool]) -> None:
    """A sync under way is nothing unusual, three in a row are; a write that was held back, or failed, is so at once."""
    watch, told = DiskWatch(ObservedPipeline()), []
    for pending, delayed, is_written in looks:
        watch.note(0, pending, delayed, is_written=is_written)
        told.append(watch.is_slow)

    assert told == slow
