"""Plays examples/scenario.json against a server and prints what it sees: play.py ADDRESS SESSION_ID."""

import asyncio
import json
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any
from uuid import uuid4

from synckairos.client import SyncKairos, SyncKairosError, Watch
from synckairos.v1.event_pb2 import EndReason, EventType
from synckairos.v1.session_pb2 import MODE_PER_PARTICIPANT, ParticipantSpec, Session, Status
from synckairos.v1.session_service_pb2 import WatchSessionResponse
from synckairos.v1.time_control_pb2 import ClockPhaseKind


async def play(client: SyncKairos, session_id: str, scenario: dict[str, Any]) -> None:
    """Create a session, play its turns while watching it, make three mistakes, and complete it."""
    created = await client.create_session(
        MODE_PER_PARTICIPANT,
        session_id=session_id,
        participants=[ParticipantSpec(participant_id=one) for one in scenario["participants"]],
        time_control_text=scenario["time_control"],
        manual_clock=True,  # It stands until advance_clock moves it: every figure is exact.
    )
    session = created.session
    show("created", session)
    follower = Follower(client, session_id, scenario["tick_interval_ms"])
    await follower.read_to(session.version)

    session = (await client.start_session(session_id)).session
    show("started", session)
    await follower.read_to(session.version)

    for number, turn in enumerate(scenario["turns"], start=1):
        if turn.get("drop_stream"):
            print("the stream is dropped")
            await follower.drop()
        advanced = await client.advance_clock(session_id, by_ms=turn["spend_ms"])
        await follower.read_to(advanced.session.version, tick=True)

        # Too late, this is refused instead of ending another turn; sent again, it is applied once.
        move = {"expected_active_participant_id": session.active_participant_id, "request_id": str(uuid4())}
        session = (await client.switch_cycle(session_id, **move)).session
        show(f"turn {number}", session)
        if turn.get("send_again"):
            again = await client.switch_cycle(session_id, **move)
            print(f"sent again: replayed {str(again.replayed).lower()}, version {again.session.version}")
        if turn.get("resume_stream"):
            print("the stream is resumed")
            follower.resume()
        await follower.read_to(session.version)

    waiting = scenario["participants"][1]
    await show_refusal(client.create_session(MODE_PER_PARTICIPANT, total_time_ms=1))
    await show_refusal(client.switch_cycle(session_id, expected_version=1))
    await show_refusal(client.switch_cycle(session_id, expected_active_participant_id=waiting))

    session = (await client.complete_session(session_id)).session
    show("completed", session)
    await follower.read_to(session.version + 1)  # There is none: this reads to the end.


class Follower:
    """Follows a session and shows what it is told; the watch itself outlives servers and connections."""

    def __init__(self, client: SyncKairos, session_id: str, tick_interval_ms: int) -> None:
        self.client = client
        self.session_id = session_id
        self.tick_interval_ms = tick_interval_ms
        self.version = 0  # of what was told last
        self.token = ""
        self.watch: Watch[WatchSessionResponse] | None = None
        self.resume()

    def resume(self) -> None:
        """Watch from where it left off, at first from a snapshot on."""
        self.watch = self.client.watch(self.session_id, tick_interval_ms=self.tick_interval_ms, resume_token=self.token)

    async def drop(self) -> None:
        """Stop watching."""
        if self.watch is not None:
            await self.watch.aclose()
        self.watch = None

    async def read_to(self, version: int, *, tick: bool = False) -> None:
        """Show what comes up to a version, and a tick after it if wanted."""
        while self.watch is not None and (self.version < version or tick):
            update = await anext(self.watch, None)
            if update is None:
                break
            self.show(update)
            tick = tick and not update.HasField("tick")

    def show(self, update: WatchSessionResponse) -> None:
        """Print an update, and remember it as the place to go on from."""
        match update.WhichOneof("payload"):
            case "snapshot":
                print(f"  snapshot of version {update.version}")
            case "event":
                if update.version != self.version + 1:
                    raise RuntimeError(f"version {update.version} comes after {self.version}")
                event = update.event
                print(f"  event {update.version}: {EventType.Name(event.type)}, {event.time_remaining_ms} ms left")
            case "phase":
                phase = update.phase.phase
                print(f"  phase: {ClockPhaseKind.Name(phase.kind)}, {phase.periods_left} periods left")
            case "tick":
                tick = update.tick
                print(f"  tick: {tick.active_participant_id} has {tick.remaining_ms // 1_000} s")
            case "end":
                print(f"  end: {EndReason.Name(update.end.reason)}")
        self.version = update.version
        self.token = update.resume_token or self.token


def show(what: str, session: Session) -> None:
    """Print where a session stands."""
    clocks = [f"{one.time_remaining_ms} ms with {one.clock.periods_left} periods" for one in session.participants]
    print(f"{what}: version {session.version}, {', '.join([Status.Name(session.status), *clocks])}")


async def show_refusal(call: Awaitable[object]) -> None:
    """Take an error apart by its details; its message is for people alone."""
    try:
        await call
    except SyncKairosError as error:
        metadata = [f"{key}={value}" for key, value in sorted(error.metadata.items())]
        print("refused:", error.reason, *metadata, *(field.path for field in error.fields))


async def main(address: str, session_id: str, scenario: dict[str, Any]) -> None:
    """Play over one connection."""
    async with await SyncKairos.connect(address) as client:
        await play(client, session_id, scenario)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: play.py ADDRESS SESSION_ID")
    asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(Path("examples/scenario.json").read_text())))
