"""Spans over a real Redis and a real PostgreSQL: one trace from the caller to the row, or none."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg
import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import DatabaseOptions
from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.adapters.postgres.trail.export import PostgresAuditExport
from synckairos.adapters.postgres.trail.lines import encode_record
from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.adapters.redis.outbox import RedisOutbox
from synckairos.application.trail.audit import ExportQuery
from synckairos.application.trail.traced import TracedTrail
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.settings import Settings
from synckairos.tracing import OpenTelemetry
from synckairos.v1 import audit_service_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.audit_service_pb2_grpc import AuditServiceStub
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import new_id, problem_of, running_session, two_players
from testing.harness.draining import drain
from testing.harness.processes.databases import own_database
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.waiting import eventually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
SERVICE = "synckairos.v1.SessionService"


def carried(trace: str = TRACE, flags: str = "01") -> tuple[tuple[str, str], ...]:
    """Return the metadata of a caller that has a trace of its own."""
    return (("traceparent", f"00-{trace}-{CALLER}-{flags}"),)


class Place(NamedTuple):
    """A traced server, and the spans of everything that is done in this process."""

    settings: Settings
    tracing: OpenTelemetry
    spans: InMemorySpanExporter
    channel: Any

    @property
    def stub(self) -> Any:
        """The sessions' service."""
        return SessionServiceStub(self.channel)

    def named(self, name: str) -> list[ReadableSpan]:
        """Return the spans of a name."""
        return [span for span in self.spans.get_finished_spans() if span.name == name]

    async def one(self, name: str) -> ReadableSpan:
        """Return the only span of a name, once it has ended, which may be after the reply."""
        await eventually(lambda: self.named(name))
        (span,) = self.named(name)
        return span

    async def entries(self) -> list[Any]:
        """Return the records in the outboxes."""
        connections = RedisConnections(self.settings.redis_url.get_secret_value(), limit=1)
        outbox = RedisOutbox(connections, Keys(self.settings.redis_prefix))
        try:
            return [entry.record for entry in (await outbox.read(range(PARTITIONS), 10_000)).entries]
        finally:
            await connections.close()


@asynccontextmanager
async def traced_server(settings: Settings) -> AsyncIterator[Place]:
    """Serve, and keep the spans."""
    spans, provider = InMemorySpanExporter(), TracerProvider(sampler=ParentBasedTraceIdRatio(0.0))
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracing = OpenTelemetry(provider)
    try:
        async with serving(settings, tracing) as server, grpc.aio.insecure_channel(server.address) as channel:
            yield Place(settings, tracing, spans, channel)
    finally:
        tracing.close()


@pytest.fixture
async def place(redis_server: RedisServer) -> AsyncIterator[Place]:
    """A server that traces what its callers trace, and nothing by itself."""
    async with traced_server(settings_for(redis_server.url)) as place:
        yield place


@pytest.fixture
async def place_with_trail(redis_server: RedisServer, postgres_server: PostgresServer) -> AsyncIterator[Place]:
    """The same, with a trail."""
    async with own_database(postgres_server) as url:
        await apply_migrations(url, migrations_folder())
        async with traced_server(settings_for(redis_server.url, database_url=url, database_tls="disable")) as place:
            yield place


def below(span: ReadableSpan) -> str:
    """Return the id of the span above."""
    assert span.parent is not None
    return f"{span.parent.span_id:016x}"


def id_of(span: ReadableSpan) -> str:
    """Return the id of a span."""
    return f"{span.get_span_context().span_id:016x}"


async def test_a_trace_leads_from_the_caller_to_the_row_and_back_out(place_with_trail: Place) -> None:
    """The call, its transaction, the wait in the outbox and the write: each below the one before."""
    place, session_id = place_with_trail, new_id()

    await place.stub.CreateSession(two_players(session_id), metadata=carried())
    await drain(place.settings, through=lambda trail: TracedTrail(trail, place.tracing))

    call, transaction, wait, write = [
        await place.one(name) for name in (f"{SERVICE}/CreateSession", "transaction", "outbox", "audit write")
    ]
    assert {f"{span.context.trace_id:032x}" for span in place.spans.get_finished_spans()} == {TRACE}
    assert [below(one) for one in (call, transaction, wait, write)] == [CALLER, id_of(call), id_of(call), id_of(wait)]
    assert call.attributes is not None
    assert call.attributes["rpc.response.status_code"] == "OK"
    traceparent = f"00-{TRACE}-{id_of(call)}-01"
    assert await told_by_the_row(place, session_id) == {"traceparent": traceparent}
    assert await told_by_the_export(place, session_id) == traceparent
    asked = audit_service_pb2.ListSessionEventsRequest(session_id=session_id)
    (event,) = (await AuditServiceStub(place.channel).ListSessionEvents(asked)).events
    assert event.traceparent == traceparent


async def told_by_the_row(place: Place, session_id: str) -> Any:
    """Return the metadata of a session's only event."""
    assert place.settings.database_url is not None
    connection = await asyncpg.connect(place.settings.database_url.get_secret_value())
    try:
        found = await connection.fetchval("SELECT metadata FROM sync_events WHERE session_id = $1", session_id)
    finally:
        await connection.close()
    return json.loads(found)


async def told_by_the_export(place: Place, session_id: str) -> Any:
    """Return what the line of a session's only event says."""
    assert place.settings.database_url is not None
    database = Database(DatabaseOptions(place.settings.database_url.get_secret_value(), pool_min=0))
    try:
        records = [one async for one in PostgresAuditExport(database).records(ExportQuery((session_id,)))]
    finally:
        await database.close()
    (line,) = map(encode_record, records)
    return json.loads(line)["traceparent"]


async def test_calls_that_share_a_transaction_are_linked_to_it(place: Place) -> None:
    """It is below the first of them; the others are its links, and link back."""
    session_id = (await running_session(place.stub)).session_id
    # So many at once that a quick machine does not answer each before the next arrives.
    traces = [f"{number:032x}" for number in range(1, 65)]

    await asyncio.gather(
        *(
            place.stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id), metadata=carried(trace))
            for trace in traces
        )
    )

    calls = {id_of(span): span for span in place.named(f"{SERVICE}/SwitchCycle")}
    transactions = place.named("transaction")
    assert len(calls) == len(traces)
    assert len(transactions) < len(traces)
    served = [[below(one), *(f"{link.context.span_id:016x}" for link in one.links)] for one in transactions]
    assert sorted(call for calls_of_one in served for call in calls_of_one) == sorted(calls)
    for transaction, (_, *others) in zip(transactions, served, strict=True):
        assert transaction.attributes is not None
        assert transaction.attributes["synckairos.calls"] == 1 + len(others)
        for other in others:
            assert [f"{link.context.span_id:016x}" for link in calls[other].links] == [id_of(transaction)]
    assert {record.trace[3:35] for record in await place.entries() if record.trace} == set(traces)


@pytest.mark.parametrize("metadata", [(), carried(flags="00"), (("traceparent", "00-bad-1-01"),)])
async def test_a_call_that_nobody_records_leaves_nothing(place: Place, metadata: Any) -> None:
    """Neither spans nor anything in the entry."""
    await place.stub.CreateSession(two_players(new_id()), metadata=metadata)

    assert place.spans.get_finished_spans() == ()
    assert [record.trace for record in await place.entries()] == [""]


async def test_a_refused_call_says_why(place: Place) -> None:
    """By its code and its reason; a refusal is not the server's fault."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await place.stub.GetSession(pb.GetSessionRequest(session_id=new_id()), metadata=carried())

    call = await place.one(f"{SERVICE}/GetSession")
    assert call.attributes is not None
    assert call.attributes["rpc.response.status_code"] == "NOT_FOUND"
    assert call.attributes["synckairos.reason"] == problem_of(raised.value).reason
    assert call.status.is_unset


async def test_each_command_of_a_stream_has_a_span_below_the_stream(place: Place) -> None:
    """They are measured like calls, and traced like them; the trail names the command's."""
    session_id = new_id()
    stream = place.stub.ExecuteCommands(metadata=carried())
    for command in (
        pb.ExecuteCommandsRequest(command_id="1", create_session=two_players(session_id)),
        pb.ExecuteCommandsRequest(command_id="2", start_session=pb.StartSessionRequest(session_id=session_id)),
    ):
        await stream.write(command)
    await stream.done_writing()
    async for _ in stream:
        pass

    whole = await place.one(f"{SERVICE}/ExecuteCommands")
    commands = [await place.one(f"{SERVICE}/{name}") for name in ("CreateSession", "StartSession")]
    assert [below(command) for command in commands] == [id_of(whole)] * 2
    named = [f"00-{TRACE}-{id_of(command)}-01" for command in commands]
    assert [record.trace for record in await place.entries()] == named


def test_the_sampler_decides_about_each_call_by_itself() -> None:
    """By the id that the trace then has: half of them, not all or none."""
    spans, provider = InMemorySpanExporter(), TracerProvider(sampler=ParentBasedTraceIdRatio(0.5))
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracing = OpenTelemetry(provider)
    try:
        for _ in range(64):
            span = tracing.call(f"/{SERVICE}/GetSession", ())
            if span is not None:
                with span:
                    assert tracing.current()
    finally:
        tracing.close()

    ids = {one.context.trace_id for one in spans.get_finished_spans()}
    assert 0 < len(ids) == len(spans.get_finished_spans()) < 64
