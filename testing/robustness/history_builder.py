"""Builds histories for tests to spoil: the recording of one session on a flawless deployment."""

from itertools import count
from typing import Any, Self
from uuid import UUID

from synckairos.adapters.postgres.trail.snapshot import encode_session
from synckairos.application.streams import frames
from synckairos.application.streams.frames import EndReason, Frame, FrameKind, GapReason
from synckairos.domain import transitions
from synckairos.domain.commands import Caller, Create
from synckairos.domain.creation import create
from synckairos.domain.events import Author, Event
from synckairos.domain.model import Head, Session
from synckairos.domain.timing import Lifetimes
from synckairos.rpc import tokens
from synckairos.rpc.mapping import session_message
from synckairos.rpc.streams.envelopes import envelope
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.robustness.history import Call, Fault, History, Message, Row, Run, Stored, Stream, StreamEnd, digest
from testing.robustness.load.operations import Operation
from testing.robustness.load.watchers import recorded_message

BORN_MS = 1_767_225_600_000
SESSION = "50000000-0000-4000-8000-000000000001"
ANN, BOB = (f"20000000-0000-4000-8000-00000000000{digit}" for digit in "ab")
BANK_MS = 5_000
AUTHOR = Author("umpire", "because")
GONE_S = 1_000.0


class HistoryBuilder:
    """One session told from its creation on; instants are ms since then, on every clock there is.

    An operation is asked for at its instant and answered 10 ms later.
    """

    def __init__(self) -> None:
        self.history = History(Run(1, 60.0, 2, 16, began=0.0, stopped=GONE_S, closed=GONE_S, settled=GONE_S + 20))
        self.events: list[Event] = []
        self._ids = count(1)
        players = [session_pb2.ParticipantSpec(participant_id=one, total_time_ms=BANK_MS) for one in (ANN, BOB)]
        request = pb.CreateSessionRequest(mode=session_pb2.MODE_PER_PARTICIPANT, participants=players)
        self.ask(0, "CreateSession", request)

    @classmethod
    def paused(cls) -> Self:
        """Return one of a session that was started, and is paused: version 3."""
        built = cls()
        built.ask(100, "StartSession", pb.StartSessionRequest())
        built.ask(1_000, "PauseSession", pb.PauseSessionRequest())
        return built

    @property
    def session(self) -> Session:
        """The session as it is now."""
        return self.events[-1].session

    @property
    def rows(self) -> list[Row]:
        """The rows in PostgreSQL."""
        return self.history.rows

    def ask(self, at: int, method: str, request: Any, **more: Any) -> Call:
        """Make a call, and let the rules decide."""
        request.session_id, request.request_id = SESSION, self._id()
        call = Call(
            operation=request.request_id,
            session_id=SESSION,
            method=method,
            request=request.SerializeToString(),
            server=0,
            invoked=at / 1_000,
            returned=(at + 10) / 1_000,
            outcome="ok",
        )
        command = Operation(request.request_id, SESSION, method, [call]).command
        if isinstance(command, Create):
            self._keep([create(SESSION, command.spec, Caller(AUTHOR), BORN_MS * 1_000, self._id)], call.operation)
        else:
            self._decide(command, at, call.operation)
        call.epoch, call.version, call.server_time = self.session.epoch, self.session.version, BORN_MS + at
        call.view = digest(session_message(self.session, call.server_time))
        for name, value in more.items():
            setattr(call, name, value)
        self.history.calls.append(call)
        return call

    def refuse(self, at: int, method: str, request: Any, reason: str, **more: Any) -> Call:
        """Make a call that is refused."""
        request.session_id, request.request_id = SESSION, self._id()
        asked, at_s = request.SerializeToString(), at / 1_000
        call = Call(request.request_id, SESSION, method, asked, 0, at_s, at_s + 0.01, "refused", reason)
        for name, value in more.items():
            setattr(call, name, value)
        self.history.calls.append(call)
        return call

    def fire(self, at: int) -> None:
        """Let a server fire the deadlines that have passed."""
        self._decide(None, at, "")

    def watch(self, *frames_: Frame, token: str = "", is_slow: bool = False) -> list[Message]:
        """Send frames to a watcher, each at its instant, who leaves a second later; return the recorded messages."""
        number = len(self.history.streams) + 1
        self.history.streams.append(Stream(number, 1, 0, 0.0, {SESSION: token}, is_slow))
        messages = []
        for frame in frames_:
            heard = max(frame.at, BORN_MS)
            messages.append(recorded_message(number, envelope(frame), (heard - BORN_MS) / 1_000, heard))
        self.history.messages += messages
        left = messages[-1].at + 1.0 if messages else GONE_S
        self.history.ends.append(StreamEnd(number, left, is_left=True))
        return messages

    def token(self, version: int) -> str:
        """Return the token of a version."""
        session = self.events[version - 1].session
        return tokens.write_resume(SESSION, Head(session.epoch, session.version, session.change_id))

    def snapshot(self, version: int, at: int | None = None) -> Frame:
        """Return the snapshot of a version."""
        session = self.events[version - 1].session
        return frames.snapshot(session, session.updated_at if at is None else BORN_MS + at)

    def event(self, version: int) -> Frame:
        """Return the event of a version."""
        return frames.of_event(self.events[version - 1])

    def mark(self, kind: FrameKind, version: int, at: int) -> Frame:
        """Return a tick or a progress mark."""
        return Frame(kind, SESSION, self.events[version - 1].session, BORN_MS + at)

    def gap(self, version: int, reason: GapReason) -> Frame:
        """Return a gap."""
        session = self.events[version - 1].session
        return frames.gap(session, session.updated_at, reason, 0)

    def end(self, version: int) -> Frame:
        """Return the end."""
        session = self.events[version - 1].session
        return frames.end(SESSION, session, session.updated_at, EndReason.TERMINAL)

    def finish(self) -> History:
        """Give Redis its final contents, and return the history."""
        last = self.session
        events = [(event.session.version, event.session.change_id) for event in self.events[-16:]]
        self.history.stored = [Stored(SESSION, last.epoch, last.version, last.change_id, events)]
        return self.history

    def lose_power(self, at: int, version: int) -> None:
        """Let the store come back at a version, without those after it."""
        seconds = at / 1_000
        loss = Fault("power lost", 0, 0.0, seconds - 1, seconds, BORN_MS + at, BORN_MS + at, cut_at=seconds - 1)
        self.history.faults.append(loss)
        del self.events[version:]

    def _decide(self, command: Any, at: int, request_id: str) -> None:
        outcome = transitions.decide(self.session, command, Caller(AUTHOR), BORN_MS + at, self._id, Lifetimes())
        assert outcome.refusal is None, outcome.refusal
        self._keep(outcome.events, request_id)

    def _keep(self, events: list[Event], request_id: str) -> None:
        for event in events:
            self.events.append(event)
            session, author = event.session, event.author
            self.rows.append(
                Row(
                    session_id=SESSION,
                    epoch=session.epoch,
                    version=session.version,
                    change_id=session.change_id,
                    request_id=request_id,
                    type=event.type.name.lower(),
                    cause=event.cause.name.lower(),
                    actor=author.actor,
                    reason=author.reason,
                    participant_id=event.subject.participant_id or "",
                    group_id=event.subject.group_id or "",
                    occurred_ms=session.updated_at,
                    fired_ms=event.fired_at,
                    is_fork=False,
                    snapshot=encode_session(session),
                )
            )

    def _id(self) -> str:
        return str(UUID(int=next(self._ids), version=4))
