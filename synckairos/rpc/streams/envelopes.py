"""Frames as the bytes of WatchSessionResponse, encoded once for all subscribers.

WatchSessionsResponse has the same fields under the same numbers, so the same bytes serve both streams.
"""

from synckairos.application.streams.frames import Frame, FrameKind
from synckairos.domain import clocks, timing
from synckairos.domain.tenancy import bare_id
from synckairos.rpc import tokens
from synckairos.rpc.controls.mapping import phase_started
from synckairos.rpc.mapping import event_message, session_message, tick_message
from synckairos.rpc.timestamps import timestamp
from synckairos.rpc.token_signatures import UNSIGNED, Signatures
from synckairos.v1 import event_pb2
from synckairos.v1.session_service_pb2 import WatchSessionResponse


def encoded(frame: Frame, signatures: Signatures = UNSIGNED) -> bytes:
    """Return the frame's bytes; they are made on the first call."""
    if frame.encoded is None:
        frame.encoded = envelope(frame, signatures).SerializeToString()
    result: bytes = frame.encoded
    return result


def envelope(frame: Frame, signatures: Signatures = UNSIGNED) -> WatchSessionResponse:
    """Return the frame as a message."""
    session = frame.session
    message = WatchSessionResponse(session_id=bare_id(frame.session_id), server_time=timestamp(frame.at))
    if session is not None:
        message.epoch = session.epoch
        message.version = session.version
        if frame.kind is not FrameKind.GAP:
            # A client that leaves between a gap and its snapshot has seen no state to continue from.
            head = session.head
            message.resume_token = tokens.write_resume(frame.session_id, head, signatures)
    _fill(message, frame)
    return message


def _fill(message: WatchSessionResponse, frame: Frame) -> None:
    session = frame.session
    match frame.kind:
        case FrameKind.END:
            reason = frame.reason.value if frame.reason is not None else 0
            message.end.CopyFrom(event_pb2.End(reason=reason, retry_after_ms=frame.value))  # type: ignore[arg-type] # the numbers are the contract's
        case FrameKind.GAP:
            reason = frame.reason.value if frame.reason is not None else 0
            message.gap.CopyFrom(event_pb2.Gap(reason=reason, min_version=frame.value))  # type: ignore[arg-type] # the numbers are the contract's
        case FrameKind.EVENT if frame.event is not None:
            message.event.CopyFrom(event_message(frame.event))
        case FrameKind.SNAPSHOT if session is not None:
            message.snapshot.CopyFrom(session_message(session, frame.at))
        case FrameKind.TICK if session is not None:
            message.tick.CopyFrom(tick_message(session, frame.at))
        case FrameKind.PROGRESS if session is not None:
            message.progress.CopyFrom(event_pb2.Progress(version=session.version))
        case FrameKind.WARNING if session is not None:
            active = session.active_participant
            left = clocks.remaining(timing.running_clock(session), timing.uncharged(session, frame.at))
            message.warning.CopyFrom(
                event_pb2.Warning(
                    threshold_ms=frame.value,
                    remaining_ms=left or 0,
                    participant_id=active.participant_id if active else "",
                    group_id=(active.group_id or "") if active else "",
                    cycle_number=session.cycle_number,
                )
            )
        case FrameKind.PHASE if session is not None and frame.phase is not None:
            message.phase.CopyFrom(phase_started(session, frame.at, frame.phase))
        case _:
            raise AssertionError(f"a {frame.kind.name} frame without its session or event")
