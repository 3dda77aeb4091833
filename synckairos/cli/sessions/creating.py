"""`synckairos session create`: the options that describe a session, and the request they come to."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from google.protobuf import json_format
from google.protobuf.message import Message

from synckairos.cli.sessions.commands import Asking, creating
from synckairos.cli.sessions.connection import refuse
from synckairos.cli.sessions.values import (
    NewId,
    duration,
    durations,
    groups,
    ids_of,
    is_id,
    json_object,
    labels,
    part_of,
    participant,
    random_id,
)
from synckairos.cli.views.words import NAME
from synckairos.v1 import session_pb2, time_control_pb2
from synckairos.v1 import session_service_pb2 as pb

Texts = list[str] | None


class ModeName(StrEnum):
    """The modes by the words of the command line."""

    per_participant = "per-participant"
    per_cycle = "per-cycle"
    per_group = "per-group"
    global_ = "global"
    count_up = "count-up"


class AtZero(StrEnum):
    """What happens at zero, by the words of the command line."""

    end_session = "end-session"
    eliminate = "eliminate"
    advance = "advance"
    notify = "notify"


def _option(help_: str, *names: str, metavar: str | None = None) -> Any:  # noqa: ANN401 - as Typer has it
    return typer.Option(*names, metavar=metavar, help=help_, show_default=False)


def _duration(help_: str, *names: str) -> Any:  # noqa: ANN401 - as Typer has it
    return _option(help_, *names, metavar="DURATION")


class NewSession(NamedTuple):
    """The options of `session create`. Durations are in seconds, or as in 1.5m and 2h."""

    mode: Annotated[ModeName | None, _option("Whose clock runs; default: what the other options need.")] = None
    name: Annotated[str, _option("A name, kept in the metadata.")] = ""
    participant: Annotated[
        Texts, _option("NAME, UUID or NAME=UUID; once for each, in order of turns.", "-p", "--participant")
    ] = None
    group: Annotated[
        Texts, _option("A group and its members, such as red:ann,bob; once for each.", "-g", "--group")
    ] = None
    control: Annotated[
        str, _option("The time control of every holder, such as 5+3, 600|5x30.", "-c", "--control", metavar="CONTROL")
    ] = ""
    bank: Annotated[str | None, _duration("Every holder's bank, without a time control.")] = None
    increment: Annotated[str | None, _duration("Granted after every turn, with --bank.")] = None
    total: Annotated[str | None, _duration("The countdown of a global session.")] = None
    cycle: Annotated[str | None, _duration("The budget of every cycle (per-cycle).")] = None
    max_time: Annotated[str | None, _duration("The limit of a bank or of a stopwatch.")] = None
    max_cycles: Annotated[int, _option("Leaving this cycle completes the session (per-cycle).", metavar="N")] = 0
    at_zero: Annotated[AtZero | None, _option("What happens when time is up; default: the mode's own.")] = None
    soft_close: Annotated[
        str,
        _option(
            "Late bids move the end (global): 10+15, in the last 10 s a bid adds 15 s; 10=15 leaves 15 s.",
            metavar="TIMES",
        ),
    ] = ""
    warn: Annotated[Texts, _duration("Warn with so much time left; once for each.")] = None
    limit: Annotated[str | None, _duration("The running time after which the session ends.")] = None
    idle: Annotated[str | None, _duration("How long it lives without a call.")] = None
    label: Annotated[Texts, _option("A label to list by; once for each.", metavar="KEY=VALUE")] = None
    data: Annotated[str, _option("Metadata, a JSON object.", "--metadata", metavar="JSON")] = ""
    durability: Annotated[
        str, _option("What its changes are safe from, if that is more: fsync or replicas:N.", metavar="LEVEL")
    ] = ""
    manual_clock: Annotated[
        bool, _option("A clock that stands until `session advance` moves it.", "--manual-clock")
    ] = False
    session_id: Annotated[str, _option("The session's id; default: a new one.", "--id", metavar="UUID")] = ""
    file: Annotated[
        str, _option("A CreateSessionRequest as JSON to begin with; - for standard input.", metavar="FILE")
    ] = ""
    start: Annotated[bool, _option("Start it at once.", "--start")] = False


MODES: Final = {word: session_pb2.Mode.Value(f"MODE_{word.replace('-', '_').upper()}") for word in ModeName}
LEVELS: Final = {
    word: session_pb2.Durability.Value(f"DURABILITY_{word.upper()}") for word in ("memory", "fsync", "replicas")
}
_AT_ZERO: Final = {word: session_pb2.OnExpire.Value(f"ON_EXPIRE_{word.replace('-', '_').upper()}") for word in AtZero}


@creating(NewSession)
async def create(asking: Asking, options: NewSession) -> Message:
    """Create a session. Durations are in seconds, or as in 1.5m and 2h.

    \b
    Examples:
      synckairos session create -c "300+3" -p ann -p bob --start
      synckairos session create -c "600|5x30" -p black -p white --name "Board 1"
      synckairos session create --total 2h --name "Algebra II" --warn 10m --start
      synckairos session create --total 60 --soft-close 10+15 --name "Lot 7" --start
      synckairos session create -g red:ann,bob -g blue:carl,dora --bank 10m
      synckairos session create --mode count-up -p runner --start
    """
    request_id = asking.fields.get("request_id")
    request = request_of(options, ids_of(request_id))
    for name, value in asking.fields.items():
        setattr(request, name, value)
    reply = await asking.client.connection.unary(request, pb.CreateSessionResponse)
    if not options.start:
        return reply
    start_id = part_of(request_id, "start") if request_id and is_id(request_id) else ""
    return await asking.client.start_session(reply.session.session_id, request_id=start_id)


def request_of(options: NewSession, new_id: NewId = random_id) -> pb.CreateSessionRequest:
    """Return the request that the options come to, on top of the one in their file."""
    request = _read(options.file) if options.file else pb.CreateSessionRequest()
    _fill_holders(request, options, new_id)
    _fill_times(request, options)
    _fill_data(request, options)
    if options.mode is not None or not request.mode:
        request.mode = MODES[options.mode or _mode_of(request)]
    if options.at_zero is not None:
        request.on_expire = _AT_ZERO[options.at_zero]
    return request


def _read(file: str) -> pb.CreateSessionRequest:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return json_format.Parse(text, pb.CreateSessionRequest())
    except (OSError, UnicodeDecodeError, json_format.ParseError) as error:
        raise refuse(f"{file} is no CreateSessionRequest: {error}") from None


def _fill_holders(request: pb.CreateSessionRequest, options: NewSession, new_id: NewId) -> None:
    found, members = groups(options.group or (), new_id=new_id)
    single = [participant(text, new_id=new_id) for text in options.participant or ()]
    if options.bank is not None:
        if not found and not single:
            raise refuse("--bank is each holder's: name them with --participant or --group")
        for holder in found or single:
            holder.total_time_ms = duration(options.bank)
    request.groups.extend(found)
    request.participants.extend([*members, *single])


def _fill_times(request: pb.CreateSessionRequest, options: NewSession) -> None:
    times = durations(
        increment_ms=options.increment,
        total_time_ms=options.total,
        time_per_cycle_ms=options.cycle,
        max_time_ms=options.max_time,
        session_limit_ms=options.limit,
        idle_ttl_ms=options.idle,
    )
    for name, value in times.items():
        setattr(request, name, value)
    request.warning_thresholds_ms.extend(map(duration, options.warn or ()))
    if options.max_cycles:
        request.max_cycles = options.max_cycles
    if options.control:
        request.time_control_text = options.control
    if options.soft_close:
        request.soft_close.CopyFrom(_soft_close(options.soft_close))


def _fill_data(request: pb.CreateSessionRequest, options: NewSession) -> None:
    if options.data:
        request.metadata.update(json_object(options.data))
    if options.name:
        request.metadata.update({NAME: options.name})
    request.labels.update(labels(options.label or ()))
    if options.session_id:
        request.session_id = options.session_id
    if options.manual_clock:
        request.manual_clock = True
    if options.durability:
        level, _, replicas = options.durability.partition(":")
        if level not in LEVELS or bool(replicas) != (level == "replicas") or not (replicas or "0").isdecimal():
            raise refuse(f"{options.durability} is no durability: memory, fsync or replicas:N")
        request.durability, request.durability_replicas = LEVELS[level], int(replicas or 0)


def _soft_close(text: str) -> time_control_pb2.SoftClose:
    """Return what `WINDOW+EXTENSION` (a late bid adds) or `WINDOW=LEFT` (it leaves at least) says."""
    for mark, policy in (
        ("+", time_control_pb2.SOFT_CLOSE_POLICY_ADD),
        ("=", time_control_pb2.SOFT_CLOSE_POLICY_RESET),
    ):
        window, found, extension = text.partition(mark)
        if found:
            return time_control_pb2.SoftClose(window_ms=duration(window), extend_ms=duration(extension), policy=policy)
    raise refuse(f"{text} is no soft close, such as 10+15: within the last 10 s a bid adds 15 s; 10=15 leaves 15 s")


def _mode_of(request: pb.CreateSessionRequest) -> ModeName:
    """Return the mode that the fields of a request belong to."""
    if request.groups:
        return ModeName.per_group
    if request.time_per_cycle_ms:
        return ModeName.per_cycle
    if request.total_time_ms:
        return ModeName.global_
    if request.WhichOneof("control") or any(one.total_time_ms for one in request.participants):
        return ModeName.per_participant
    raise refuse("whose clock runs? give --control or --bank with participants, --total, --cycle, or --mode")
