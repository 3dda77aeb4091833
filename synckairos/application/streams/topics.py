"""One watched session in this process: the state that all its subscribers have been sent, and its next states.

Everything here is synchronous: a hint or a reading is judged and its frames are queued before anything else runs.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from synckairos.application.ports import AuthorityClock, Since
from synckairos.application.streams import frames
from synckairos.application.streams.frames import EndReason, Frame, FrameKind, GapReason
from synckairos.application.streams.subscriptions import Subscription
from synckairos.domain import timing
from synckairos.domain.controls.phases import moments_between, stands_until
from synckairos.domain.events import Event
from synckairos.domain.model import Head, Session


class Replay(NamedTuple):
    """The beginning of a resumed stream: missed events, or the reason why they cannot be replayed."""

    events: Sequence[Event] = ()
    gap: GapReason | None = None
    min_version: int = 0


def replay_from(position: Head, since: Since, current: Session) -> Replay:
    """Compare a position with the store: same life, same history, still in the window."""
    if position.epoch != current.epoch:
        return Replay(gap=GapReason.EPOCH_CHANGED)
    if position.version > current.version:
        return Replay(gap=GapReason.FORKED)
    oldest = since.events[0].session if since.events else None
    if position.version == current.version:
        return Replay(gap=None if position.change_id == current.change_id else GapReason.FORKED)
    if oldest is None or oldest.epoch != position.epoch or oldest.version > position.version + 1:
        return Replay(gap=GapReason.WINDOW_PASSED, min_version=oldest.version if oldest else 0)
    if oldest.version == position.version:
        followed, events = oldest.change_id, since.events[1:]
    elif since.before:
        followed, events = since.before, since.events
    else:
        # An older version wrote the event, without what it followed: a fork could not be told.
        return Replay(gap=GapReason.WINDOW_PASSED, min_version=oldest.version)
    if followed != position.change_id:
        return Replay(gap=GapReason.FORKED, min_version=oldest.version)
    return Replay(events=events)


class Topic:
    """A watched session; `users` counts the subscriptions that have joined or are joining."""

    def __init__(self, session_id: str, clock: AuthorityClock, on_gap: Callable[[GapReason], None]) -> None:
        """`on_gap` hears of every gap that a subscriber is told of."""
        self.session_id = session_id
        self.users = 0
        self.is_stale = False
        self.doubts = 0
        """How often `doubt` was called; a reading clears only the doubts that are older than itself."""
        self._cleared = 0
        self._clock = clock
        self._on_gap = on_gap
        self._session: Session | None = None
        self._subscribers: dict[Subscription, int] = {}
        self._warned_until = 0
        self._warning: asyncio.TimerHandle | None = None

    @property
    def session(self) -> Session | None:
        """The version that every subscriber has been sent; None before the first reading."""
        return self._session

    @property
    def subscribers(self) -> Sequence[Subscription]:
        """The subscriptions that are sent what happens."""
        return tuple(self._subscribers)

    @property
    def is_in_doubt(self) -> bool:
        """Whether no reading since the last doubt has confirmed or corrected what the subscribers were sent."""
        return self._cleared != self.doubts

    def doubt(self) -> None:
        """Take no hint until a reading begun from now on has been compared with what the subscribers were sent.

        A store that comes back without its last moments may reach a version again before the feed is connected: the
        next hint would seem to follow upon what was sent, but it belongs to another branch.
        """
        self.doubts += 1

    def clear_doubt(self, doubts: int) -> None:
        """Take hints again: a reading begun at this count of doubts has been compared with what they were sent."""
        self._cleared = max(self._cleared, doubts)

    def is_at(self, head: Head) -> bool:
        """Whether the subscribers have been sent this version."""
        session = self._session
        return session is not None and session.head == head

    def begin(self, session: Session, now: int) -> None:
        """Take the first reading, as of an instant (ms), unless there has been one."""
        if self._session is None:
            self._move_to(session, now)

    def add(self, subscription: Subscription, told_until: int) -> None:
        """Send the subscription what happens after an instant (ms); nothing more if the session has ended.

        Thresholds crossed up to that instant are not told again; those crossed since, while it was still joining, are
        told now.
        """
        self._subscribers[subscription] = told_until
        if self._session is None:
            return
        for at, passed in moments_between(self._session, told_until, self._warned_until):
            self._send(subscription, frames.moment(self._session, at, passed))
        self._end_if_over(self._session)

    def sends_to(self, subscription: Subscription) -> bool:
        """Whether the subscription is still sent what happens: it has neither left nor been sent the end."""
        return subscription in self._subscribers

    def remove(self, subscription: Subscription) -> None:
        """Send the subscription nothing more."""
        self._subscribers.pop(subscription, None)

    def close(self) -> None:
        """Stop the timer, once the last subscription has left."""
        if self._warning is not None:
            self._warning.cancel()

    def take(self, event: Event) -> bool:
        """Take in an event that came as a hint; False if the store must be read to go on."""
        current = self._session
        if current is None or self.is_in_doubt:
            return False
        fresh = event.session
        if fresh.epoch != current.epoch:
            return fresh.epoch < current.epoch
        if fresh.version == current.version + 1:
            self._apply(event)
            return True
        if fresh.version == current.version and fresh.change_id != current.change_id:
            # Until the store has been read, the next hint would pass for the next event.
            self.doubt()
            return False
        return fresh.version <= current.version

    def reconcile(self, since: Since, doubts: int) -> None:
        """Bring the subscribers to a reading of the store: by the missed events, else by a gap and a snapshot.

        `doubts` is the count at which the reading was begun.
        """
        current, session = self._session, since.session
        if current is None or session is None:
            return
        self.clear_doubt(doubts)
        replay = replay_from(current.head, since, session)
        if replay.gap is None:
            for event in replay.events:
                self._apply(event)
            return
        at = timing.own_time(session, self._clock.now_us() // 1_000)
        gap, snapshot = frames.gap(session, at, replay.gap, replay.min_version), frames.snapshot(session, at)
        for subscription in self._subscribers:
            subscription.put_gap(gap, snapshot)
            self._on_gap(replay.gap)
        # Thresholds crossed before are in the snapshot.
        self._move_to(session, at)
        self._end_if_over(session)

    def vanish(self) -> None:
        """End the topic of a session that has left the store without a last event."""
        self._end(EndReason.DELETED)

    def give_up(self, retry_after_ms: int) -> None:
        """Tell all subscribers to come back, perhaps elsewhere: this process cannot read the session now."""
        self._end(EndReason.UNAVAILABLE, retry_after_ms)

    def dismiss(self, subscription: Subscription, reason: EndReason, retry_after_ms: int = 0) -> None:
        """Tell one subscriber why it has to come back, unless it has been told of the session's end."""
        if subscription not in self._subscribers:
            return
        at = self._clock.now_us() // 1_000
        self._send(subscription, frames.end(self.session_id, self._session, at, reason, retry_after_ms))
        del self._subscribers[subscription]

    def tick(self, at: int) -> Frame | None:
        """Return the tick of the running clock at an instant (ms); None if no clock runs or its budget is over."""
        session = self._session
        if session is None or session.resumed_at is None or at <= session.updated_at or session.manual_at is not None:
            return None
        return self._tick(session, at)

    def _tick(self, session: Session, at: int) -> Frame | None:
        deadline = timing.deadline_at(session)
        if deadline is not None and at >= deadline:
            return None
        return Frame(FrameKind.TICK, self.session_id, session, at)

    def progress(self, at: int) -> Frame | None:
        """Return the mark that everything up to an instant (ms) was sent; None before the first reading."""
        if self._session is None:
            return None
        return Frame(FrameKind.PROGRESS, self.session_id, self._session, timing.own_time(self._session, at))

    def _send(self, subscription: Subscription, frame: Frame) -> None:
        if subscription.put(frame):
            self._on_gap(GapReason.SLOW_READER)

    def _apply(self, event: Event) -> None:
        self._warn(event.session.updated_at)
        frame = frames.of_event(event)
        for subscription in self._subscribers:
            self._send(subscription, frame)
        self._move_to(event.session)
        if event.session.manual_at is not None:
            self._pass_to(event.session, event.session.manual_at)
        self._end_if_over(event.session)

    def _pass_to(self, session: Session, at: int) -> None:
        """Send what a manual clock has passed in this version up to an instant, and its tick if that comes last."""
        at = stands_until(session, at) or at
        told_at = self._warn(at)
        if session.resumed_at is None or at <= session.updated_at:
            return
        for subscription in self._subscribers:
            interval = subscription.tick_interval_ms
            tick = self._tick(session, at // interval * interval) if interval else None
            if tick is not None and tick.at > session.updated_at and tick.at >= told_at:
                subscription.put_tick(tick)

    def _move_to(self, session: Session, now: int = 0) -> None:
        before, self._session = self._session, session
        until = timing.own_time(session, now) if now else session.updated_at
        if before is not None and _have_one_deadline(before, session):
            # The crossings are the same, and some may have been told before this version arrived.
            self._warned_until = max(self._warned_until, until)
        else:
            self._warned_until = until
            self._subscribers = dict.fromkeys(self._subscribers, until)
        self._schedule_warning()

    def _end_if_over(self, session: Session) -> None:
        if session.deleted:
            self._end(EndReason.DELETED)
        elif session.is_terminal:
            self._end(EndReason.TERMINAL)

    def _end(self, reason: EndReason, retry_after_ms: int = 0) -> None:
        frame = frames.end(self.session_id, self._session, self._clock.now_us() // 1_000, reason, retry_after_ms)
        subscribers, self._subscribers = self._subscribers, {}
        for subscription in subscribers:
            self._send(subscription, frame)

    def _warn(self, until: int) -> int:
        """Tell what the clock passes up to an instant (ms); return the instant of the last of it, 0 for nothing."""
        session, last = self._session, 0
        if session is None:
            return last
        for at, passed in moments_between(session, self._warned_until, until):
            frame, last = frames.moment(session, at, passed), at
            for subscription, told_until in self._subscribers.items():
                if at > told_until:
                    self._send(subscription, frame)
        self._warned_until = max(self._warned_until, stands_until(session, until) or until)
        return last

    def _schedule_warning(self) -> None:
        if self._warning is not None:
            self._warning.cancel()
            self._warning = None
        session = self._session
        if session is None or session.resumed_at is None or session.manual_at is not None:
            return
        upcoming = next(moments_between(session, self._warned_until, None), None)
        if upcoming is not None:
            delay = self._clock.until_s(upcoming[0] * 1_000)
            self._warning = asyncio.get_running_loop().call_later(delay, self._on_warning, upcoming[0])

    def _on_warning(self, crossing: int) -> None:
        self._warn(max(crossing, self._clock.now_us() // 1_000))
        self._schedule_warning()


def _have_one_deadline(one: Session, other: Session) -> bool:
    """Whether two versions cross their thresholds at the same instants of the same turn."""
    turns = [(session.epoch, session.cycle_number, timing.clock_deadline_at(session)) for session in (one, other)]
    return turns[0] == turns[1]
