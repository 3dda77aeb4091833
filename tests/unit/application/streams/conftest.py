"""A topic with one subscriber, on a clock that stands."""

from collections.abc import Iterator
from typing import Any

import pytest

from synckairos.application.streams.frames import GapReason
from synckairos.application.streams.subscriptions import Subscription
from synckairos.application.streams.topics import Topic
from synckairos.domain.model import Session
from testing.harness.fakes.fake_clock import FakeClock
from testing.harness.playing.plays import SID


class Stage:
    """A topic with one subscriber, on a clock that stands."""

    def __init__(self, session: Session) -> None:
        self.clock = FakeClock(session.updated_at * 1_000)
        self.gaps = list[GapReason]()
        self.topic = Topic(SID, self.clock, self._note)
        self.topic.begin(session, session.updated_at)
        self.subscription = Subscription(limit=1_000)
        self.topic.add(self.subscription, session.updated_at)

    def _note(self, reason: GapReason) -> None:
        self.gaps.append(reason)

    def told(self) -> list[tuple[str, Any]]:
        """Return what was queued since: the kind, and what is telling about it."""
        return [
            (
                frame.kind.name,
                frame.reason.name if frame.reason else frame.value or (frame.session and frame.session.version),
            )
            for frame in self.subscription.take()
        ]


@pytest.fixture
def staged() -> Iterator[Any]:
    """Makes stages and stops their timers."""
    stages: list[Stage] = []

    def stage(session: Session) -> Stage:
        stages.append(Stage(session))
        return stages[-1]

    yield stage
    for one in stages:
        one.topic.close()
