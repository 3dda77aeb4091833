"""From requests to commands: syntax is judged here, rules in the domain."""

from typing import Final, NamedTuple, Protocol

from google.protobuf.message import Message

from synckairos.domain.commands import (
    AddParticipant,
    AdjustTime,
    AdvanceClock,
    Complete,
    Create,
    RemoveParticipant,
    Switch,
    Update,
)
from synckairos.domain.controls.requirements import is_controlled
from synckairos.domain.controls.simulation import MAX_LAG_MS
from synckairos.domain.events import SYSTEM, Author
from synckairos.domain.model import MAX_BUDGET_MS, Durability, DurabilityLevel, Mode, OnExpire
from synckairos.domain.specification import (
    MAX_PARTICIPANTS,
    MAX_THRESHOLDS,
    GroupSpec,
    ParticipantSpec,
    SessionSpec,
    label_violations,
    metadata_violations,
    violations,
)
from synckairos.rpc.admission import access
from synckairos.rpc.admission.peers import peer_of
from synckairos.rpc.controls import requests as control_requests
from synckairos.rpc.fields import MAX_ACTOR_BYTES, MAX_INT64, MAX_REASON_BYTES, Fields
from synckairos.rpc.interceptor import Context
from synckairos.rpc.request_ids import REQUEST_ID_HEADER, usable_request_id
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb

ACTOR_HEADER: Final = "x-actor"
UPDATABLE: Final = ("metadata", "labels")
MAX_PATHS: Final = 100
MAX_PERIODS: Final = 1_000


class Mutation(Protocol):
    """The fields of every mutation's request."""

    session_id: str
    request_id: str
    reason: str


class Sender(NamedTuple):
    """What a call says of its caller; empty texts for what is not said.

    `named` is its `x-actor`, `peer` its network address, `call_id` its `x-request-id`, and `subject` the subject of its
    credentials.
    """

    named: str
    peer: str
    call_id: str = ""
    subject: str = ""


class Target(NamedTuple):
    """The fields every mutation shares, checked."""

    session_id: str
    request_id: str
    expected_version: int
    reason: str


def sender(context: Context) -> Sender:
    """Return the sender of a call, by its credentials, its metadata and its connection."""
    known = access.standing()
    metadata = (() if known is None else known.metadata) or context.invocation_metadata() or ()
    named = call_id = ""
    for key, value in metadata:
        if key == ACTOR_HEADER and value and not named:
            named = value if isinstance(value, str) else value.decode(errors="replace")
        elif key == REQUEST_ID_HEADER and not call_id:
            call_id = usable_request_id(value)
    if known is None:
        return Sender(named, peer_of(context), call_id)
    return Sender(named, known.forwarded_for or peer_of(context), call_id, known.identity.subject)


def author(fields: Fields, sender: Sender, reason: str) -> Author:
    """Return the author of a call: the subject of its credentials, who then acts for whomever the call names.

    Without credentials it is whom the call names, else its network peer. The system's own name is refused.
    """
    name = sender.named.strip()
    if name:
        if name.casefold() == SYSTEM.actor:
            fields.refuse(ACTOR_HEADER, f"`{SYSTEM.actor}` is reserved")
        name = fields.text(ACTOR_HEADER, sender.named, MAX_ACTOR_BYTES)
    return Author(sender.subject, reason, name) if sender.subject else Author(name or sender.peer, reason)


def target(fields: Fields, request: Mutation, *, expected_version: int, is_new: bool = False) -> Target:
    """Read the fields every mutation shares; a new session may have no id yet."""
    return Target(
        fields.uuid("session_id", request.session_id, required=not is_new),
        fields.uuid("request_id", request.request_id, required=False),
        fields.between("expected_version", expected_version, 0, MAX_INT64),
        fields.text("reason", request.reason, MAX_REASON_BYTES),
    )


def create(fields: Fields, request: pb.CreateSessionRequest) -> tuple[Target, Create]:
    """Read a CreateSessionRequest completely; an empty session id asks the server to make one."""
    where = target(fields, request, expected_version=0, is_new=True)
    spec = _session(fields, request)
    fields.add(violations(spec, is_controlled=is_controlled(spec)))
    return where, Create(spec)


def _session(fields: Fields, request: pb.CreateSessionRequest) -> SessionSpec:
    return SessionSpec(
        mode=fields.enum("mode", request.mode, Mode),
        participants=tuple(
            _participant(fields, f"participants[{place}]", spec)
            for place, spec in enumerate(fields.bounded("participants", request.participants, MAX_PARTICIPANTS))
        ),
        groups=tuple(
            _group(fields, f"groups[{place}]", group)
            for place, group in enumerate(fields.bounded("groups", request.groups, MAX_PARTICIPANTS))
        ),
        total_time_ms=request.total_time_ms,
        time_per_cycle_ms=request.time_per_cycle_ms,
        increment_ms=request.increment_ms,
        max_time_ms=request.max_time_ms,
        max_cycles=request.max_cycles,
        on_expire=fields.enum("on_expire", request.on_expire, OnExpire),
        warning_thresholds_ms=tuple(
            fields.bounded("warning_thresholds_ms", request.warning_thresholds_ms, MAX_THRESHOLDS)
        ),
        first_participant_id=fields.uuid("first_participant_id", request.first_participant_id, required=False),
        metadata=fields.struct("metadata", request.metadata, present=request.HasField("metadata")),
        labels=fields.labels("labels", request.labels),
        idle_ttl_ms=request.idle_ttl_ms,
        time_control=control_requests.control(fields, "", request),
        session_limit_ms=request.session_limit_ms,
        close_at=fields.instant("close_at", request.close_at, present=request.HasField("close_at")),
        soft_close=control_requests.soft_close(fields, request),
        manual_clock=request.manual_clock,
        durability=_durability(fields, request),
    )


def _durability(fields: Fields, request: pb.CreateSessionRequest) -> Durability | None:
    level = fields.enum("durability", request.durability, DurabilityLevel)
    if level is None:
        if request.durability_replicas:
            fields.refuse("durability_replicas", "is used with durability REPLICAS only")
        return None
    return Durability(level, request.durability_replicas)


def _participant(fields: Fields, path: str, spec: session_pb2.ParticipantSpec) -> ParticipantSpec:
    return ParticipantSpec(
        fields.uuid(f"{path}.participant_id", spec.participant_id),
        spec.participant_index if spec.HasField("participant_index") else None,
        spec.total_time_ms,
        fields.uuid(f"{path}.group_id", spec.group_id, required=False),
        fields.struct(f"{path}.metadata", spec.metadata, present=spec.HasField("metadata")),
        control_requests.control(fields, f"{path}.", spec),
    )


def _group(fields: Fields, path: str, spec: session_pb2.GroupSpec) -> GroupSpec:
    return GroupSpec(
        fields.uuid(f"{path}.group_id", spec.group_id),
        spec.total_time_ms,
        control_requests.control(fields, f"{path}.", spec),
    )


def switch(fields: Fields, request: pb.SwitchCycleRequest) -> Switch:
    """Read the fields of a SwitchCycleRequest beyond the shared ones."""
    return Switch(
        fields.uuid("next_participant_id", request.next_participant_id, required=False),
        fields.uuid("expected_active_participant_id", request.expected_active_participant_id, required=False),
        fields.between("expected_cycle_number", request.expected_cycle_number, 0, MAX_INT64),
        fields.between("lag_ms", request.lag_ms, 0, MAX_LAG_MS),
    )


def complete(fields: Fields, request: pb.CompleteSessionRequest) -> Complete:
    """Read the winner that a CompleteSessionRequest names, if any."""
    return Complete(
        fields.uuid("winner_participant_id", request.winner_participant_id, required=False),
        fields.uuid("winner_group_id", request.winner_group_id, required=False),
    )


def add_participant(fields: Fields, request: pb.AddParticipantRequest) -> AddParticipant:
    """Read the fields of an AddParticipantRequest beyond the shared ones."""
    return AddParticipant(_participant(fields, "participant", request.participant))


def remove_participant(fields: Fields, request: pb.RemoveParticipantRequest) -> RemoveParticipant:
    """Read the fields of a RemoveParticipantRequest beyond the shared ones."""
    return RemoveParticipant(fields.uuid("participant_id", request.participant_id))


def adjust_time(fields: Fields, request: pb.AdjustTimeRequest) -> AdjustTime:
    """Read the fields of an AdjustTimeRequest beyond the shared ones."""
    delta_ms = set_ms = at_least_ms = set_periods = None
    match request.WhichOneof("amount"):
        case "delta_ms":
            delta_ms = fields.between("delta_ms", request.delta_ms, -MAX_BUDGET_MS, MAX_BUDGET_MS)
            if delta_ms == 0:
                fields.refuse("delta_ms", "must not be 0")
        case "set_ms":
            set_ms = fields.between("set_ms", request.set_ms, 0, MAX_BUDGET_MS)
        case "at_least_ms":
            at_least_ms = fields.between("at_least_ms", request.at_least_ms, 1, MAX_BUDGET_MS)
        case "set_periods":
            set_periods = fields.between("set_periods", request.set_periods, 1, MAX_PERIODS)
        case None:
            fields.refuse("delta_ms", "one of delta_ms, set_ms, at_least_ms and set_periods is required")
    if not request.reason:
        fields.refuse("reason", "is required")
    return AdjustTime(
        fields.uuid("participant_id", request.participant_id, required=False),
        fields.uuid("group_id", request.group_id, required=False),
        delta_ms,
        set_ms,
        at_least_ms,
        set_periods,
    )


def advance_clock(fields: Fields, request: pb.AdvanceClockRequest) -> AdvanceClock:
    """Read the fields of an AdvanceClockRequest beyond the shared ones."""
    return AdvanceClock(fields.between("by_ms", request.by_ms, 1, MAX_BUDGET_MS))


def update(fields: Fields, request: pb.UpdateSessionRequest) -> Update:
    """Read what an UpdateSessionRequest adds."""
    has_metadata = request.HasField("metadata")
    paths = set(fields.bounded("update_mask", request.update_mask.paths, MAX_PATHS))
    for path in sorted(paths.difference(UPDATABLE)):
        fields.refuse("update_mask", f"{path[:64]!r} cannot be updated, only {' and '.join(UPDATABLE)}")
    if not paths:
        paths = {name for name, is_set in (("metadata", has_metadata), ("labels", bool(request.labels))) if is_set}
    if not paths:
        fields.refuse("update_mask", "nothing to update: neither metadata nor labels is set")
    metadata = fields.struct("metadata", request.metadata, present=has_metadata)
    labels = fields.labels("labels", request.labels)
    fields.add(metadata_violations(metadata))
    fields.add(label_violations(labels))
    return Update(
        metadata=metadata if "metadata" in paths else None,
        labels=labels if "labels" in paths else None,
        remove_metadata="metadata" in paths and metadata is None,
    )


def session_ids(fields: Fields, path: str, ids: list[str], limit: int) -> list[str]:
    """Read a list of 1 to `limit` different session ids."""
    if not 1 <= len(ids) <= limit:
        fields.refuse(path.split("[", 1)[0], f"must have 1 to {limit} entries, has {len(ids)}")
    read: list[str] = []
    seen: set[str] = set()
    for place, value in enumerate(ids[: limit + 1]):
        session_id = fields.uuid(path.format(place), value)
        if session_id and session_id in seen:
            fields.refuse(path.format(place), "is given twice")
        seen.add(session_id)
        read.append(session_id)
    return read


def fingerprint_material(request: Message) -> bytes:
    """Return the material of a request's fingerprint: its type and its deterministic bytes."""
    return request.DESCRIPTOR.full_name.encode() + b"\0" + request.SerializeToString(deterministic=True)
