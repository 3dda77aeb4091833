"""Watching sessions: subscribe first, then read, then send, so that nothing is missed between.

Hints are only hints: the store is read after a skipped version, after every reconnect, and by a slow poll.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from synckairos.application.background import Background
from synckairos.application.errors import CatchingUp, OfOneSession, TransientError
from synckairos.application.observers import WatchObserver
from synckairos.application.ports import AuthorityClock, Hint, SessionFeed, Since
from synckairos.application.retry_delays import NOT_FOLLOWED_MS
from synckairos.application.sessions import Sessions, View
from synckairos.application.streams import frames
from synckairos.application.streams.beats import Beats
from synckairos.application.streams.frames import EndReason, Frame, FrameKind, GapReason
from synckairos.application.streams.subscriptions import Subscription
from synckairos.application.streams.topics import Topic, replay_from
from synckairos.domain.errors import SessionNotFound
from synckairos.domain.model import Head, Session
from synckairos.domain.timing import own_time

POLL_S: Final = 1.5
POLL_BATCH: Final = 256
MAX_LEVELLING: Final = 20
"""The most readings for a joiner to catch up with a session that keeps changing."""

_log = structlog.get_logger(__name__)


class Watching:
    """The watched sessions of this process, each with one state for all its subscribers."""

    def __init__(
        self,
        sessions: Sessions,
        feed: SessionFeed,
        clock: AuthorityClock,
        observer: WatchObserver,
        require: Callable[[], None] = lambda: None,
        background: Background | None = None,
    ) -> None:
        """`require` raises StoreUnavailable, at once, while the store is known to be away."""
        self._require = require
        self._sessions = sessions
        self._feed = feed
        self._clock = clock
        self._observer = observer
        self._topics: dict[str, Topic] = {}
        self._beats = Beats(clock, background or Background())
        self._reading: set[asyncio.Task[None]] = set()
        self._poll_now = asyncio.Event()
        self._retry_after_ms: Callable[[], int] | None = None
        self._open = 0

    async def join(self, session_id: str, position: Head | None, subscription: Subscription) -> None:
        """Let a subscription follow a session, from a position if it can be replayed, else from a snapshot.

        A session that has been deleted is followed to its end from a position that can be replayed.
        Raises SessionNotFound, CatchingUp, StoreUnavailable; the subscription does not follow it then.
        """
        self._require()
        topic = self._topics.get(session_id)
        if topic is None:
            topic = self._topics[session_id] = Topic(session_id, self._clock, self._on_gap)
        topic.users += 1
        try:
            await self._feed.subscribe(session_id)
            view = await self._look(session_id, position)
            topic.begin(view.session, view.now)
            if topic.is_stale:
                # A hint has overtaken the reading.
                topic.is_stale = False
                self._read(topic)
            since = await self._level(topic, view.session, position)
        except BaseException:
            self._release(topic)
            raise
        topic.add(subscription, self._greet(topic, position, since, view.now, subscription))
        self._beats.follow(topic, subscription)
        if self._retry_after_ms is not None:
            topic.dismiss(subscription, EndReason.DRAINING, self._retry_after_ms())
        self._count(+1)

    async def join_among(self, session_id: str, position: Head | None, subscription: Subscription) -> bool:
        """Join as one of many; return whether the subscription follows the session, and end it for the stream if not.

        Raises errors that concern every session, such as StoreUnavailable.
        """
        try:
            await self.join(session_id, position, subscription)
        except SessionNotFound:
            reason, pause_ms = EndReason.NOT_FOUND, 0
        except Exception as error:
            if not isinstance(error, OfOneSession):
                raise
            _log.warning("session_not_followed", session_id=session_id, problem=str(error))
            reason, pause_ms = EndReason.UNAVAILABLE, NOT_FOLLOWED_MS
        else:
            return True
        subscription.put(frames.end(session_id, None, self._clock.now_us() // 1_000, reason, pause_ms))
        return False

    def leave(self, session_id: str, subscription: Subscription) -> None:
        """Let a subscription that joined stop following a session."""
        topic = self._topics.get(session_id)
        if topic is None:
            return
        topic.remove(subscription)
        self._beats.unfollow(topic, subscription)
        self._count(-1)
        self._release(topic)

    def dismiss(self, session_ids: Iterable[str], subscription: Subscription, reason: EndReason) -> None:
        """Tell a subscription why it has to come back for those of these sessions that have not ended."""
        for session_id in session_ids:
            topic = self._topics.get(session_id)
            if topic is not None:
                topic.dismiss(subscription, reason)

    def hint(self, hint: Hint) -> None:
        """Take in a hint."""
        if not hint.session_id:
            for each in self._topics.values():
                each.doubt()
            self._poll_now.set()
            return
        topic = self._topics.get(hint.session_id)
        if topic is not None and (hint.event is None or not topic.take(hint.event)):
            self._read(topic)

    async def poll(self) -> None:
        """Compare what was sent with the store, for ever: every POLL_S, and whenever hints may have been lost."""
        while True:
            try:
                async with asyncio.timeout(POLL_S):
                    await self._poll_now.wait()
            except TimeoutError:
                pass
            self._poll_now.clear()
            try:
                await self._compare()
            except TransientError as error:
                _log.debug("poll_waits", reason=error.reason)
            except Exception:
                _log.exception("poll_failed")

    def drain(self, retry_after_ms: Callable[[], int]) -> None:
        """Tell every subscriber, present and future, to come back elsewhere, each after a pause of its own."""
        self._retry_after_ms = retry_after_ms
        for topic in list(self._topics.values()):
            for subscription in topic.subscribers:
                topic.dismiss(subscription, EndReason.DRAINING, retry_after_ms())

    async def stop(self) -> None:
        """Stop the metronomes and the readings."""
        self._beats.stop()
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        for topic in self._topics.values():
            topic.close()

    async def _look(self, session_id: str, position: Head | None) -> View:
        """Return the session as of now; a deleted one only if all events since the position can be replayed."""
        try:
            return await self._sessions.get(session_id)
        except SessionNotFound:
            if position is None:
                raise
            since = await self._feed.since(session_id, position.version)
            if since.session is None or replay_from(position, since, since.session).gap is not None:
                raise
            return View(since.session, since.session.updated_at)

    async def _level(self, topic: Topic, session: Session, position: Head | None) -> Since | None:
        """Bring the topic to the state of the store, read again until both agree; `session` is the first reading.

        Return the events that the store retains from the position on, if there is one. A topic that is ahead of the
        reading is read again, too: a hint has overtaken it, or the store came back without its last moments.
        """
        for _ in range(MAX_LEVELLING):
            seen = topic.session
            if seen is not None and (topic.is_in_doubt or not topic.is_at(session.head)):
                if not topic.is_in_doubt and (session.epoch, session.version) <= (seen.epoch, seen.version):
                    # Hints have overtaken the reading, or belong to another branch: they may move the topic no further.
                    topic.doubt()
                session = await self._advance(topic, seen)
                continue
            if position is None:
                return None
            since = await self._feed.since(topic.session_id, position.version)
            session = since.session or session
            if all(map(topic.take, since.events)) and topic.is_at(session.head):
                return since
        text = f"session {topic.session_id} changes faster than it can be read"
        raise CatchingUp(text, session_id=topic.session_id)

    async def _advance(self, topic: Topic, seen: Session) -> Session:
        """Read the store and return the session; bring the topic to it unless it has moved from `seen` meanwhile."""
        doubts = topic.doubts
        since = await self._feed.since(topic.session_id, seen.version)
        if since.session is None:
            # The session is gone, or the whole store is: reading it tells which.
            return (await self._sessions.get(topic.session_id)).session
        if topic.session is seen:
            topic.reconcile(since, doubts)
        return since.session

    def _greet(
        self, topic: Topic, position: Head | None, since: Since | None, now: int, subscription: Subscription
    ) -> int:
        """Send the beginning of a stream; return the instant (ms) up to which it tells of the session."""
        session = topic.session
        if session is None:
            return now
        now = own_time(session, now)
        if position is not None and since is not None:
            replay = replay_from(position, since, session)
            if replay.gap is None:
                progress = Frame(FrameKind.PROGRESS, topic.session_id, session, now)
                subscription.begin([*map(frames.of_event, replay.events)] or [progress])
                # A subscriber that missed the last version missed all warnings since; otherwise this is unknown.
                return session.updated_at if replay.events else now
            self._on_gap(replay.gap)
            gap = frames.gap(session, now, replay.gap, replay.min_version)
            subscription.put_gap(gap, frames.snapshot(session, now))
        else:
            subscription.put(frames.snapshot(session, now))
        return now

    def _read(self, topic: Topic) -> None:
        """Read what was missed: one reading at a time, and another one if more was missed meanwhile."""
        if topic.is_stale:
            return
        topic.is_stale = True
        if topic.session is None:
            return  # the joining subscriber reads
        task = asyncio.ensure_future(self._catch_up(topic))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _catch_up(self, topic: Topic) -> None:
        try:
            topic.is_stale = False
            session = topic.session
            if session is None:
                return
            doubts = topic.doubts
            since = await self._feed.since(topic.session_id, session.version)
            if since.session is None:
                await self._sessions.get(topic.session_id)
            elif topic.session is session:
                topic.reconcile(since, doubts)
            else:
                self._read(topic)
        except SessionNotFound:
            topic.vanish()
        except Exception as error:
            self._after_failure(topic, error)

    def _after_failure(self, topic: Topic, error: Exception) -> None:
        """Wait for a store that is away; end a session that cannot be followed instead of letting it stand still."""
        if isinstance(error, OfOneSession):
            _log.warning("session_not_followed", session_id=topic.session_id, problem=str(error))
        elif isinstance(error, TransientError):
            _log.debug("catch_up_waits", session_id=topic.session_id, reason=error.reason)
            return
        else:
            _log.error("catch_up_failed", session_id=topic.session_id, exc_info=error)
        topic.give_up(NOT_FOLLOWED_MS)

    async def _compare(self) -> None:
        topics = [topic for topic in self._topics.values() if topic.session is not None and topic.subscribers]
        for start in range(0, len(topics), POLL_BATCH):
            batch = [(topic, topic.doubts) for topic in topics[start : start + POLL_BATCH]]
            heads = await self._feed.heads([topic.session_id for topic, _ in batch])
            for (topic, doubts), head in zip(batch, heads, strict=True):
                if head is not None and topic.is_at(head):
                    topic.clear_doubt(doubts)
                else:
                    self._read(topic)

    def _release(self, topic: Topic) -> None:
        topic.users -= 1
        if topic.users == 0:
            topic.close()
            self._topics.pop(topic.session_id, None)
            self._feed.unsubscribe(topic.session_id)

    def note_dropped_tick(self) -> None:
        """Note that a subscription's tick gave way to a newer one before it was read."""
        self._observer.tick_dropped()

    def _on_gap(self, reason: GapReason) -> None:
        self._observer.gap(reason.name)

    def _count(self, change: int) -> None:
        self._open += change
        self._observer.watchers(self._open)
