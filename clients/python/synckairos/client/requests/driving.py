"""The requests that drive a session that exists.

Each takes the `expected_version` that the session must be at (0: any), a `reason` for the audit trail, and a
`request_id` where a call repeats one that an earlier run of the program made; without it, every call gets a fresh one.
"""

from collections.abc import Mapping, Sequence

from google.protobuf.field_mask_pb2 import FieldMask

from synckairos.client.requests.values import Json, at_most_one, optional, struct
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_pb2 import ParticipantSpec


def start_session(
    session_id: str,
    *,
    expected_version: int = 0,
    reason: str = "",
    request_id: str = "",
) -> pb.StartSessionRequest:
    """Start the first cycle of a pending session."""
    return pb.StartSessionRequest(
        session_id=session_id,
        request_id=request_id,
        expected_version=expected_version,
        reason=reason,
    )


def switch_cycle(
    session_id: str,
    *,
    next_participant_id: str = "",
    expected_active_participant_id: str = "",
    expected_cycle_number: int = 0,
    lag_ms: int = 0,
    expected_version: int = 0,
    reason: str = "",
    request_id: str = "",
) -> pb.SwitchCycleRequest:
    """End the running turn, charge it, grant the increment and start the next turn.

    Raises TurnAdvanced unless it is the turn of `expected_active_participant_id`, or the cycle `expected_cycle_number`;
    ParticipantExpired or SessionExpired if its time was up. `lag_ms` is what was measured on the player's network.
    """
    return pb.SwitchCycleRequest(
        session_id=session_id,
        request_id=request_id,
        expected_version=expected_version,
        reason=reason,
        next_participant_id=next_participant_id,
        expected_active_participant_id=expected_active_participant_id,
        expected_cycle_number=expected_cycle_number,
        lag_ms=lag_ms,
    )


def pause_session(
    session_id: str,
    *,
    expected_version: int = 0,
    reason: str = "",
    request_id: str = "",
) -> pb.PauseSessionRequest:
    """Stop the running clock; nothing is charged, granted or counted."""
    return pb.PauseSessionRequest(
        session_id=session_id,
        request_id=request_id,
        expected_version=expected_version,
        reason=reason,
    )


def resume_session(
    session_id: str,
    *,
    expected_version: int = 0,
    reason: str = "",
    request_id: str = "",
) -> pb.ResumeSessionRequest:
    """Let a paused clock run on from where it stood."""
    return pb.ResumeSessionRequest(
        session_id=session_id,
        request_id=request_id,
        expected_version=expected_version,
        reason=reason,
    )


def complete_session(
    session_id: str,
    *,
    winner_participant_id: str | None = None,
    winner_group_id: str | None = None,
    expected_version: int = 0,
    reason: str = "",
    request_id: str = "",
) -> pb.CompleteSessionRequest:
    """End a running or paused session as completed, with a winner if one is named."""
    at_most_one(winner_participant_id=winner_participant_id, winner_group_id=winner_group_id)
    return pb.CompleteSessionRequest(
        session_id=session_id,
        request_id=request_id,
        expected_version=expected_version,
        reason=reason,
        winner_participant_id=optional(winner_participant_id),
        winner_group_id=optional(winner_group_id),
    )


def cancel_session(
    session_id: str,
    *,
    expected_version: int = 0,
    reason: str = "",
    request_id: str = "",
) -> pb.CancelSessionRequest:
    """End a session that has not ended; a running turn is charged first."""
    return pb.CancelSessionRequest(
        session_id=session_id,
        request_id=request_id,
        expected_version=expected_version,
        reason=reason,
    )


def add_participant(
    session_id: str,
    participant: ParticipantSpec,
    *,
    expected_version: int = 0,
    reason: str = "",
    request_id: str = "",
) -> pb.AddParticipantRequest:
    """Add a participant, last in the rotation. Raises ParticipantAlreadyExists, GroupNotFound."""
    return pb.AddParticipantRequest(
        session_id=session_id,
        request_id=request_id,
        expected_version=expected_version,
        reason=reason,
        participant=participant,
    )


def remove_participant(
    session_id: str,
    participant_id: str,
    *,
    expected_version: int = 0,
    reason: str = "",
    request_id: str = "",
) -> pb.RemoveParticipantRequest:
    """Remove a participant; the turn of an active one is charged, and the next one starts."""
    return pb.RemoveParticipantRequest(
        session_id=session_id,
        request_id=request_id,
        expected_version=expected_version,
        reason=reason,
        participant_id=participant_id,
    )


def adjust_time(
    session_id: str,
    *,
    reason: str,
    participant_id: str | None = None,
    group_id: str | None = None,
    delta_ms: int | None = None,
    set_ms: int | None = None,
    at_least_ms: int | None = None,
    set_periods: int | None = None,
    expected_version: int = 0,
    request_id: str = "",
) -> pb.AdjustTimeRequest:
    """Change the time left on a clock, in ms: by `delta_ms`, to `set_ms`, up to `at_least_ms`, or to `set_periods`.

    The clock is that of the participant or the group, or, where neither has one, the session's. The reason is required.
    """
    at_most_one(participant_id=participant_id, group_id=group_id)
    at_most_one(delta_ms=delta_ms, set_ms=set_ms, at_least_ms=at_least_ms, set_periods=set_periods)
    return pb.AdjustTimeRequest(
        session_id=session_id,
        request_id=request_id,
        expected_version=expected_version,
        reason=reason,
        participant_id=optional(participant_id),
        group_id=optional(group_id),
        delta_ms=optional(delta_ms),
        set_ms=optional(set_ms),
        at_least_ms=optional(at_least_ms),
        set_periods=optional(set_periods),
    )


def advance_clock(
    session_id: str,
    by_ms: int,
    *,
    expected_version: int = 0,
    reason: str = "",
    request_id: str = "",
) -> pb.AdvanceClockRequest:
    """Advance the clock of a session created with `manual_clock`, by 1 ms to 28 days; no other clock moves it.

    Raises InvalidField with `largest_step_ms` in its metadata for more than 100 boundaries on the way.
    """
    return pb.AdvanceClockRequest(
        session_id=session_id,
        request_id=request_id,
        expected_version=expected_version,
        reason=reason,
        by_ms=by_ms,
    )


def update_session(
    session_id: str,
    *,
    metadata: Json | None = None,
    labels: Mapping[str, str] | None = None,
    update_mask: Sequence[str] = (),
    expected_version: int = 0,
    reason: str = "",
    request_id: str = "",
) -> pb.UpdateSessionRequest:
    """Replace metadata or labels, all of them.

    `update_mask` names what to replace; empty: what is given. To remove metadata, name it there and give none.
    """
    return pb.UpdateSessionRequest(
        session_id=session_id,
        request_id=request_id,
        expected_version=expected_version,
        reason=reason,
        metadata=struct(metadata),
        labels=labels,
        update_mask=FieldMask(paths=update_mask) if update_mask else None,
    )


def delete_session(
    session_id: str,
    *,
    allow_missing: bool = False,
    expected_version: int = 0,
    reason: str = "",
    request_id: str = "",
) -> pb.DeleteSessionRequest:
    """Delete a session in any state; the answer has its last one. The id stays taken for 24 hours."""
    return pb.DeleteSessionRequest(
        session_id=session_id,
        request_id=request_id,
        expected_version=expected_version,
        reason=reason,
        allow_missing=allow_missing,
    )
