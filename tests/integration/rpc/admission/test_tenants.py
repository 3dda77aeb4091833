"""Two tenants of one server: the second tries whatever the first has, in every call that there is."""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from synckairos.cli.inspection import inspect
from synckairos.composition.listeners.http_port import SERVICES
from synckairos.composition.redis import opened_redis
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.settings import Settings
from synckairos.v1 import audit_service_pb2 as audit
from synckairos.v1 import audit_service_pb2_grpc, event_pb2, session_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1 import session_service_pb2_grpc as session_grpc
from testing.harness.client import Problem, new_id, problem_of, two_players
from testing.harness.draining import drain
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.processes.trail_accounts import TrailUrls, trail_of_accounts
from testing.harness.tokens import write_key
from tests.unit.rpc.calls import MUTATIONS, mutation

METHODS: Final = {method.name: method for service in SERVICES for method in service.methods}
ABOUT_NOBODY: Final = {"SyncTime", "ParseTimeControl", "SimulateTimeControl", "GetPipelineStatus"}
"""Calls that neither name sessions nor tell of any."""
OF_ONE: Final = {*MUTATIONS, "GetSession", "WatchSession"} - {"CreateSession"}
OF_ONE_AUDITED: Final = {"ListSessionEvents", "GetSessionAudit", "ExplainClock", "RecoverSession"}
LISTS: Final = {"ListSessions", "ListAuditedSessions", "ListParticipantEvents"}
OF_MANY: Final = {"BatchGetSessions", "WatchSessions", "ExecuteCommands", "CreateSession"}
NAMING: Final = {"session_id", "session_ids", "watches", "request_id", "page_token", "resume_token"}
"""Fields that name what belongs to somebody."""
INSIDE: Final = re.compile(r"[a-z0-9_-]+/[0-9a-f]{8}-")
"""How sessions are named inside."""


@dataclass
class Caller:
    """A tenant's own calls."""

    tenant: str
    channel: Any
    key: str

    async def call(self, name: str, request: Any) -> Any:
        """Make a call; return its reply, or what a stream says first."""
        stub: Any = session_grpc.SessionServiceStub(self.channel)
        if not hasattr(stub, name):
            stub = audit_service_pb2_grpc.AuditServiceStub(self.channel)
        metadata, method = (("x-api-key", self.key),), METHODS[name]
        if method.client_streaming:
            stream = getattr(stub, name)(iter([request]), metadata=metadata)
            reply = await stream.read()
        elif method.server_streaming:
            stream = getattr(stub, name)(request, metadata=metadata)
            reply = await stream.read()
            stream.cancel()
        else:
            reply = await getattr(stub, name)(request, metadata=metadata)
        assert not INSIDE.search(str(reply)), "a reply tells of tenants"
        return reply

    async def refused(self, name: str, request: Any) -> Problem:
        """Make a call that must fail; return its error."""
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await self.call(name, request)
        problem = problem_of(refusal.value)
        assert not INSIDE.search(f"{problem}"), "an error tells of tenants"
        return problem


@dataclass
class Belongings:
    """What the first tenant has: a session, the requests that made it, and a token of everything that gives tokens."""

    session: session_pb2.Session
    request_id: str
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def player(self) -> str:
        """A participant of the session."""
        return self.session.participants[0].participant_id


@dataclass
class Tenants:
    """A server, its trail, and two tenants; the second has nothing."""

    settings: Settings
    of_worker: Settings
    first: Caller
    second: Caller

    async def drain(self) -> None:
        """Do the work of a worker."""
        await drain(self.of_worker)

    async def lose(self, tenant: str, session_id: str) -> None:
        """Let the store lose a session."""
        async with opened_redis(self.settings, "lose", limit=1) as redis:
            keys = redis.keys.of(session_id if tenant == "default" else f"{tenant}/{session_id}")
            await redis.connections.run([("DEL", keys.session, keys.events)])


@pytest.fixture(scope="module")
async def urls(postgres_server: PostgresServer) -> AsyncIterator[TrailUrls]:
    """A trail, and the accounts that use it."""
    async with trail_of_accounts(postgres_server) as urls:
        yield urls


@pytest.fixture(params=[("acme", "default"), ("acm", "acme")], ids="-".join)
async def tenants(
    request: pytest.FixtureRequest, redis_server: RedisServer, urls: TrailUrls, tmp_path: Path
) -> AsyncIterator[Tenants]:
    """A server with its own account, and two tenants of it."""
    names, path = request.param, tmp_path / "keys.jsonl"
    keys = [write_key(path, f"key-{name}", tenant=name) for name in names]
    settings = settings_for(redis_server.url, database_url=urls.server, auth_api_keys=str(path))
    of_worker = settings_for(redis_server.url, settings.redis_prefix, database_url=urls.worker)
    async with serving(settings) as server, grpc.aio.insecure_channel(server.address) as channel:
        first, second = (Caller(name, channel, key) for name, key in zip(names, keys, strict=True))
        yield Tenants(settings, of_worker, first, second)


async def given(tenants: Tenants) -> Belongings:
    """Let the first tenant have everything there is to have."""
    first, request_id = tenants.first, new_id()
    made = await first.call("CreateSession", two_players(request_id=request_id))
    its = Belongings(made.session, request_id)
    for name in ("StartSession", "SwitchCycle", "PauseSession", "ResumeSession"):
        its.session = (await first.call(name, pb_request(name, its.session.session_id))).session
    await first.call("CreateSession", two_players())
    await tenants.drain()
    its.tokens["WatchSession"] = (await first.call("WatchSession", about(its, "WatchSession"))).resume_token
    for name in sorted(PAGED):
        its.tokens[name] = (await first.call(name, about(its, name))).next_page_token
    assert all(its.tokens.values())
    return its


PAGED: Final[Mapping[str, Callable[[Belongings], Any]]] = {
    "ListSessions": lambda _: pb.ListSessionsRequest(page_size=1),
    "ListAuditedSessions": lambda _: audit.ListAuditedSessionsRequest(page_size=1),
    "ListParticipantEvents": lambda its: audit.ListParticipantEventsRequest(participant_id=its.player, page_size=1),
    "ListSessionEvents": lambda its: audit.ListSessionEventsRequest(session_id=its.session.session_id, page_size=1),
    "ExplainClock": lambda its: audit.ExplainClockRequest(
        session_id=its.session.session_id, participant_id=its.player, page_size=1
    ),
}


def about(its: Belongings, name: str, **more: Any) -> Any:
    """Return the request of a call about what the first tenant has."""
    session_id = its.session.session_id
    if name in PAGED:
        request = PAGED[name](its)
    elif name in MUTATIONS:
        request = mutation(name, session_id=session_id, request_id=its.request_id)
    else:
        kind = {
            "GetSession": pb.GetSessionRequest,
            "WatchSession": pb.WatchSessionRequest,
            "GetSessionAudit": audit.GetSessionAuditRequest,
            "RecoverSession": audit.RecoverSessionRequest,
        }[name]
        request = kind(session_id=session_id)
    for path, value in more.items():
        setattr(request, path, value)
    return request


def test_every_call_has_its_place() -> None:
    """A new one does not go untried."""
    assert set(METHODS) == ABOUT_NOBODY | OF_ONE | OF_ONE_AUDITED | LISTS | OF_MANY
    assert {name for name, method in METHODS.items() if NAMING & set(method.input_type.fields_by_name)} == (
        OF_ONE | OF_ONE_AUDITED | LISTS | OF_MANY - {"ExecuteCommands"}
    )
    paged = {name for name, method in METHODS.items() if "page_token" in method.input_type.fields_by_name}
    assert paged == set(PAGED)


async def test_what_the_first_has_the_second_does_not_find(tenants: Tenants) -> None:
    """By its id alone, by its id and its request's, and by its id of a lost session: as if it had never been."""
    its, second = await given(tenants), tenants.second
    session_id, nothing = its.session.session_id, new_id()

    for name in sorted(OF_ONE | OF_ONE_AUDITED):
        problem = await second.refused(name, about(its, name))
        unknown = await second.refused(name, about(its, name, session_id=nothing))
        assert (problem.code, problem.reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND"), name
        assert problem.metadata == {"session_id": session_id}, name
        assert problem.text == unknown.text.replace(nothing, session_id), name
    for name in LISTS:
        assert not str(await second.call(name, about(its, name))).replace("server_time", "").count(session_id), name
    batch = await second.call("BatchGetSessions", pb.BatchGetSessionsRequest(session_ids=[session_id]))
    watched = await second.call("WatchSessions", of_many(session_id))
    deleted = await second.call("DeleteSession", about(its, "DeleteSession", allow_missing=True))
    await tenants.lose(tenants.first.tenant, session_id)
    lost = await second.refused("RecoverSession", about(its, "RecoverSession"))
    recovered = await tenants.first.call("RecoverSession", about(its, "RecoverSession"))

    assert (list(batch.sessions), list(batch.missing_session_ids)) == ([], [session_id])
    assert (watched.session_id, watched.end.reason) == (session_id, event_pb2.END_REASON_NOT_FOUND)
    assert not deleted.HasField("session")
    assert not deleted.replayed
    assert lost.reason == "SESSION_NOT_FOUND"
    assert (recovered.session.session_id, recovered.session.version) == (session_id, its.session.version + 1)


def of_many(session_id: str, token: str = "") -> pb.WatchSessionsRequest:
    """Return the request for a stream of one session."""
    return pb.WatchSessionsRequest(watches=[pb.SessionWatch(session_id=session_id, resume_token=token)])


async def test_no_command_finds_it_either(tenants: Tenants) -> None:
    """Each kind of command of a stream; last the one that makes the second have one of that id, too."""
    its = await given(tenants)
    (kinds,) = pb.ExecuteCommandsRequest.DESCRIPTOR.oneofs

    for kind in sorted(kinds.fields, key=lambda one: one.name == "create_session"):
        name = kind.message_type.name.removesuffix("Request")
        command: Any = pb.ExecuteCommandsRequest(command_id="1", **{kind.name: about(its, name)})
        answer = await tenants.second.call("ExecuteCommands", command)
        if name == "CreateSession":
            assert (answer.result.replayed, answer.result.session.version) == (False, 1)
        else:
            assert "SESSION_NOT_FOUND" in str(answer.status), name


async def test_the_second_may_have_what_has_the_same_names(tenants: Tenants) -> None:
    """An id, a request id, both: each tenant has its own, which no call of the other's changes, and no stream tells."""
    its, first, second = await given(tenants), tenants.first, tenants.second
    session_id = its.session.session_id
    stub: Any = session_grpc.SessionServiceStub(first.channel)
    request = pb.WatchSessionRequest(session_id=session_id)
    stream = stub.WatchSession(request, metadata=(("x-api-key", first.key),))
    frames = [await stream.read()]

    made = await second.call("CreateSession", two_players(session_id, request_id=its.request_id))
    by_request = pb.CreateSessionRequest(mode=session_pb2.MODE_COUNT_UP, request_id=its.request_id)
    of_request = [(await one.call("CreateSession", by_request)).session.session_id for one in (first, second, second)]
    for name in ("StartSession", "PauseSession", "CancelSession", "DeleteSession"):
        await second.call(name, pb_request(name, session_id))
    there = await first.call("GetSession", about(its, "GetSession"))
    await first.call("PauseSession", pb_request("PauseSession", session_id))
    frames.append(await stream.read())
    stream.cancel()

    assert (made.replayed, made.session.session_id, made.session.version) == (False, session_id, 1)
    assert of_request[1] == of_request[2] != of_request[0]
    assert (there.session.session_id, there.session.version) == (session_id, its.session.version)
    assert [frame.WhichOneof("payload") for frame in frames] == ["snapshot", "event"]
    assert {frame.session_id for frame in frames} == {session_id}
    assert frames[1].version == its.session.version + 1


def pb_request(name: str, session_id: str) -> Any:
    """Return the shortest request of a mutation."""
    return MUTATIONS[name][0](session_id=session_id)


async def test_the_tokens_of_the_first_are_forged_ones_to_the_second(tenants: Tenants) -> None:
    """Though it has a session of that id itself; to the first they go on to be good."""
    its, first, second = await given(tenants), tenants.first, tenants.second
    session_id = its.session.session_id
    made = await second.call("CreateSession", two_players(session_id))
    own = Belongings(made.session, new_id())
    await second.call("CreateSession", two_players())
    await tenants.drain()

    for name in PAGED:
        whole = PAGED[name](its)
        whole.page_token = its.tokens[name]
        problem = await second.refused(name, whole)
        unsigned = PAGED[name](own)
        unsigned.page_token = its.tokens[name][:-22]
        assert (problem.reason, set(problem.fields)) == ("INVALID_FIELD", {"page_token"}), name
        assert (await second.refused(name, unsigned)).reason == "INVALID_FIELD", name
        assert await first.call(name, whole), name
    resumed = pb.WatchSessionRequest(session_id=session_id, resume_token=its.tokens["WatchSession"])
    alone = await second.refused("WatchSession", resumed)
    among = await second.refused("WatchSessions", of_many(session_id, resumed.resume_token))
    goes_on = await first.call("WatchSession", resumed)

    assert (alone.reason, set(alone.fields)) == ("INVALID_FIELD", {"resume_token"})
    assert (among.reason, set(among.fields)) == ("INVALID_FIELD", {"watches[0].resume_token"})
    assert goes_on.WhichOneof("payload") == "progress"


async def test_an_id_with_a_tenant_is_no_id(tenants: Tenants) -> None:
    """Whoever knows how sessions are named inside gets nowhere by it."""
    its = await given(tenants)
    inside = f"{tenants.first.tenant}/{its.session.session_id}"

    for name in sorted(OF_ONE | OF_ONE_AUDITED):
        problem = await tenants.second.refused(name, about(its, name, session_id=inside))
        assert (problem.reason, "session_id" in problem.fields) == ("INVALID_FIELD", True), name


async def test_an_operator_looks_at_any_tenants_session(tenants: Tenants) -> None:
    """In the store itself, where it is named with its tenant."""
    its = await given(tenants)

    found = json.loads(await inspect(tenants.settings, f"{tenants.first.tenant}/{its.session.session_id}"))

    assert found["session"]["version"] == its.session.version
    assert f":session:{tenants.first.tenant}/{its.session.session_id}" in found["key"]
    assert found["next_boundary"] is not None
