"""The beat of streams: ticks and progress marks on whole multiples of the intervals asked for."""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Final

from synckairos.application.background import Background
from synckairos.application.ports import AuthorityClock
from synckairos.application.streams.subscriptions import Subscription
from synckairos.application.streams.topics import Topic

TOPICS_A_TURN: Final = 100
"""Topics ticked before other work gets a turn on the event loop."""
LOOK_S: Final = 1.0
"""Pause between looks at the clock, which may be set meanwhile."""
EARLY_S: Final = 0.001
"""A timer may wake this much early."""


class Beats:
    """One metronome for each interval (ms) in use, for all sessions and subscribers."""

    def __init__(self, clock: AuthorityClock, background: Background) -> None:
        self._clock = clock
        self._background = background
        self._metronomes: set[int] = set()
        self._followers: dict[int, dict[Topic, dict[Subscription, None]]] = {}

    def follow(self, topic: Topic, subscription: Subscription) -> None:
        """Send a subscription the ticks and progress marks of a topic, at its intervals."""
        for interval in subscription.intervals:
            self._followers.setdefault(interval, {}).setdefault(topic, {})[subscription] = None
            if interval not in self._metronomes:
                self._metronomes.add(interval)
                self._background.run(_name(interval), partial(self._beat, interval))

    def unfollow(self, topic: Topic, subscription: Subscription) -> None:
        """Send a subscription no more ticks and progress marks of a topic."""
        for interval in subscription.intervals:
            topics = self._followers.get(interval, {})
            followers = topics.get(topic, {})
            followers.pop(subscription, None)
            if not followers:
                topics.pop(topic, None)
            if not topics and interval in self._metronomes:
                self._metronomes.discard(interval)
                self._background.end(_name(interval))

    def stop(self) -> None:
        """Stop every metronome."""
        while self._metronomes:
            self._background.end(_name(self._metronomes.pop()))

    async def _beat(self, interval: int) -> None:
        """Tick on whole multiples of the interval, each once, until the last follower leaves and this is cancelled."""
        topics, last = self._followers[interval], 0
        while True:
            # The next one may have been sent a moment early.
            last = at = max((self._clock.now_us() // 1_000 // interval + 1) * interval, last + interval)
            while (left := self._clock.until_s(at * 1_000)) > EARLY_S:  # noqa: ASYNC110 - it waits for a clock
                await asyncio.sleep(min(left, LOOK_S))
            for place, topic in enumerate(list(topics)):
                _send(topic, at, interval, topics.get(topic, {}))
                if place % TOPICS_A_TURN == TOPICS_A_TURN - 1:
                    await asyncio.sleep(0)


def _name(interval: int) -> str:
    return f"metronome of {interval} ms"


def _send(topic: Topic, at: int, interval: int, followers: Iterable[Subscription]) -> None:
    tick = topic.tick(at)
    progress = None
    for subscription in followers:
        if not topic.sends_to(subscription):
            continue
        if tick is not None and subscription.tick_interval_ms == interval:
            subscription.put_tick(tick)
        if subscription.progress_interval_ms == interval:
            progress = progress or topic.progress(at)
            if progress is not None:
                subscription.put_progress(progress)
