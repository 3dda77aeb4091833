"""The verbs of `synckairos session`: each makes the call of its name."""

from typing import Annotated, Any

import typer
from google.protobuf.message import Message

from synckairos.cli.sessions.commands import Asking, SessionId, changing
from synckairos.cli.sessions.connection import refuse
from synckairos.cli.sessions.values import duration, durations, ids_of, json_object, labels, participant

Participant = Annotated[str, typer.Argument(metavar="PARTICIPANT", help="NAME, UUID or NAME=UUID.")]


@changing
async def start(asking: Asking, session_id: SessionId) -> Message:
    """Start the first cycle of a pending session.

    \b
    Example:
      synckairos session start $SESSION
    """
    return await asking.client.start_session(session_id, **asking.fields)


@changing
async def switch(
    asking: Asking,
    session_id: SessionId,
    to: Annotated[str, typer.Option(metavar="UUID", help="Who is next; default: the next in the rotation.")] = "",
    if_active: Annotated[str, typer.Option(metavar="UUID", help="Refuse if it is the turn of somebody else.")] = "",
    if_cycle: Annotated[int, typer.Option(min=0, metavar="N", help="Refuse if another cycle runs (per-cycle).")] = 0,
    lag: Annotated[str | None, typer.Option(metavar="DURATION", help="The player's lag, if it is compensated.")] = None,
) -> Message:
    """End the running turn and start the next one; a bid of an auction, a lap of a stopwatch.

    \b
    Examples:
      synckairos session switch $SESSION
      synckairos session switch $SESSION --if-active $PLAYER --reason "e4"
    """
    return await asking.client.switch_cycle(
        session_id,
        next_participant_id=to,
        expected_active_participant_id=if_active,
        expected_cycle_number=if_cycle,
        lag_ms=duration(lag) if lag is not None else 0,
        **asking.fields,
    )


@changing
async def pause(asking: Asking, session_id: SessionId) -> Message:
    """Stop the running clock; nothing is charged.

    \b
    Example:
      synckairos session pause $SESSION --reason rain
    """
    return await asking.client.pause_session(session_id, **asking.fields)


@changing
async def resume(asking: Asking, session_id: SessionId) -> Message:
    """Let a paused clock run on from where it stood.

    \b
    Example:
      synckairos session resume $SESSION
    """
    return await asking.client.resume_session(session_id, **asking.fields)


@changing
async def complete(
    asking: Asking,
    session_id: SessionId,
    winner: Annotated[str, typer.Option(metavar="UUID", help="The participant who has won.")] = "",
    winning_group: Annotated[str, typer.Option(metavar="UUID", help="The group that has won.")] = "",
) -> Message:
    """End a session as completed, with a winner if there is one.

    \b
    Example:
      synckairos session complete $SESSION --winner $PLAYER
    """
    if winner and winning_group:
        raise refuse("--winner and --winning-group exclude each other")
    return await asking.client.complete_session(
        session_id, winner_participant_id=winner or None, winner_group_id=winning_group or None, **asking.fields
    )


@changing
async def cancel(asking: Asking, session_id: SessionId) -> Message:
    """End a session that has not ended, without a result.

    \b
    Example:
      synckairos session cancel $SESSION --reason "no show"
    """
    return await asking.client.cancel_session(session_id, **asking.fields)


@changing
async def adjust(
    asking: Asking,
    session_id: SessionId,
    participant_id: Annotated[str, typer.Option("--participant", metavar="UUID", help="Whose clock.")] = "",
    group_id: Annotated[str, typer.Option("--group", metavar="UUID", help="Which group's clock.")] = "",
    add: Annotated[str | None, typer.Option(metavar="DURATION", help="Add to the time left; -30 takes away.")] = None,
    to: Annotated[str | None, typer.Option(metavar="DURATION", help="Set the time left.")] = None,
    at_least: Annotated[str | None, typer.Option(metavar="DURATION", help="Lift the time left up to this.")] = None,
    periods: Annotated[int | None, typer.Option(min=1, metavar="N", help="Set the periods left (byo-yomi).")] = None,
) -> Message:
    """Change the time left on a clock; --reason is required. In modes with one clock, name nobody.

    \b
    Examples:
      synckairos session adjust $SESSION --participant $PLAYER --add 2m --reason "lost connection"
      synckairos session adjust $SESSION --to 10m --reason "late start"
    """
    fields: dict[str, Any] = durations(delta_ms=add, set_ms=to, at_least_ms=at_least)
    if periods is not None:
        fields["set_periods"] = periods
    if len(fields) != 1:
        raise refuse("one of --add, --to, --at-least and --periods is needed")
    if participant_id and group_id:
        raise refuse("--participant and --group exclude each other")
    target: dict[str, Any] = {"participant_id": participant_id or None, "group_id": group_id or None}
    return await asking.client.adjust_time(session_id, **{"reason": "", **asking.fields}, **fields, **target)


@changing
async def add(
    asking: Asking,
    session_id: SessionId,
    who: Participant,
    time: Annotated[
        str | None, typer.Option(metavar="DURATION", help="The participant's bank, in a session without a control.")
    ] = None,
    control: Annotated[str, typer.Option(metavar="CONTROL", help="A time control of its own, for odds.")] = "",
    group: Annotated[str, typer.Option(metavar="UUID", help="The group it joins (per-group).")] = "",
) -> Message:
    """Add a participant, last in the rotation.

    \b
    Example:
      synckairos session add $SESSION carol --time 10m
    """
    joining = participant(who, group_id=group, new_id=ids_of(asking.fields.get("request_id")))
    if time is not None:
        joining.total_time_ms = duration(time)
    if control:
        joining.time_control_text = control
    return await asking.client.add_participant(session_id, participant=joining, **asking.fields)


@changing
async def remove(
    asking: Asking,
    session_id: SessionId,
    participant_id: Annotated[str, typer.Argument(metavar="PARTICIPANT", help="The participant's UUID.")],
) -> Message:
    """Remove a participant; if it was its turn, the next one begins.

    \b
    Example:
      synckairos session remove $SESSION $PLAYER --reason "left"
    """
    return await asking.client.remove_participant(session_id, participant_id=participant_id, **asking.fields)


@changing
async def update(
    asking: Asking,
    session_id: SessionId,
    data: Annotated[
        str | None, typer.Option("--metadata", metavar="JSON", help="The new metadata; an empty text removes them.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="The new labels, all of them; once for each.")
    ] = None,
    no_labels: Annotated[bool, typer.Option("--no-labels", help="Remove the labels.")] = False,
) -> Message:
    """Replace the metadata or the labels.

    \b
    Example:
      synckairos session update $SESSION --label event=open --label round=3
    """
    fields: dict[str, Any] = {}
    paths = []
    if data is not None:
        paths.append("metadata")
        if data:
            fields["metadata"] = json_object(data)
    if label or no_labels:
        paths.append("labels")
        fields["labels"] = labels(label or ())
    if not paths:
        raise refuse("--metadata, --label or --no-labels is needed")
    return await asking.client.update_session(session_id, update_mask=paths, **fields, **asking.fields)


@changing
async def advance(
    asking: Asking,
    session_id: SessionId,
    by: Annotated[str, typer.Argument(metavar="DURATION", help="By how much, such as 90, 1.5m or 2h.")],
) -> Message:
    """Advance the clock of a session created with --manual-clock, for tests.

    \b
    Example:
      synckairos session advance $SESSION 3m
    """
    return await asking.client.advance_clock(session_id, by_ms=duration(by), **asking.fields)


@changing
async def delete(
    asking: Asking,
    session_id: SessionId,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Succeed if there is no such session.")
    ] = False,
) -> Message:
    """Delete a session in any state; its id stays taken for a day.

    \b
    Example:
      synckairos session delete $SESSION
    """
    return await asking.client.delete_session(session_id, allow_missing=allow_missing, **asking.fields)
