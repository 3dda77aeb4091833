"""What is stored of time controls is what was told: replayed, read elsewhere, and from the trail."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any, NamedTuple

import grpc
import pytest

from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.settings import Settings
from synckairos.v1 import audit_service_pb2, event_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.audit_service_pb2_grpc import AuditServiceStub
from testing.harness.client import Recording, Stub, connect, watching
from testing.harness.draining import drain
from testing.harness.playing.played_sessions import PlayedSession
from testing.harness.processes.databases import own_database
from testing.harness.processes.in_process import serving, settings_for
from tests.integration.controls.drawn_controls import seeds
from tests.integration.controls.random_play import drawn_session, move

MOVES = 20


class Servers(NamedTuple):
    """Two servers on one Redis, with a trail."""

    settings: Settings
    stub: Stub
    other: Stub
    audit: Any


@pytest.fixture
async def servers(redis_server: RedisServer, postgres_server: PostgresServer) -> AsyncIterator[Servers]:
    """Two servers whose trail is written when a test says so."""
    async with own_database(postgres_server) as url:
        await apply_migrations(url, migrations_folder())
        settings = settings_for(redis_server.url, database_url=url, event_window=1_000)
        async with (
            serving(settings) as one,
            serving(settings) as second,
            connect(one.address) as stub,
            connect(second.address) as other,
            grpc.aio.insecure_channel(second.address) as channel,
        ):
            yield Servers(settings, stub, other, AuditServiceStub(channel))


async def played(servers: Servers, seed: int) -> tuple[PlayedSession, Recording]:
    """Play a random session, and record what one server tells of it."""
    draw = Random(seed)
    game = await drawn_session(draw, servers.stub)
    watch = servers.stub.WatchSession(pb.WatchSessionRequest(session_id=game.id))
    async with watching(watch) as stream:
        await stream.until(lambda one: one.of("snapshot"))
        for _ in range(MOVES):
            await move(draw, game)
        if game.is_live:
            await game.call("CancelSession")
        await stream.until_end()
    return game, stream


def audited(event: event_pb2.Event) -> audit_service_pb2.AuditEvent:
    """Return what the trail says of an event, as far as a stream says it too."""
    known = {
        name: getattr(event, name)
        for name in (
            "type", "cause", "actor", "on_behalf_of", "reason", "change_id", "participant_id", "group_id",
            "time_elapsed_ms", "extended_ms", "advanced_ms", "occurred_at", "session",
        )
    }  # fmt: skip
    made = audit_service_pb2.AuditEvent(**known, version=event.session.version)
    for name in ("time_remaining_ms",):
        if event.HasField(name):
            setattr(made, name, getattr(event, name))
    for name in ("turn", "fired_at"):
        if event.HasField(name):
            getattr(made, name).CopyFrom(getattr(event, name))
    return made


def as_streamed(event: audit_service_pb2.AuditEvent) -> audit_service_pb2.AuditEvent:
    """Return an event of the trail without what no stream says."""
    bare = audit_service_pb2.AuditEvent()
    bare.CopyFrom(event)
    for name in (
        "event_id", "session_id", "epoch", "cycle_number", "request_id", "peer", "changed_fields", "recorded_at",
        "lateness_ms", "call_id",
    ):  # fmt: skip
        bare.ClearField(name)  # type: ignore[arg-type] # all of them are fields
    return bare


async def check(servers: Servers, seed: int, game: PlayedSession, stream: Recording) -> None:
    """Compare the stream with all that was stored."""
    token = stream.messages[0].resume_token
    watch = servers.other.WatchSession(pb.WatchSessionRequest(session_id=game.id, resume_token=token))
    async with watching(watch) as replayed:
        await replayed.until_end()
    assert replayed.of("event") == stream.of("event"), seed
    elsewhere = await servers.other.GetSession(pb.GetSessionRequest(session_id=game.id))
    assert elsewhere.session == stream.of("event")[-1].event.session == await game.get(), seed

    listed = await servers.audit.ListSessionEvents(
        audit_service_pb2.ListSessionEventsRequest(session_id=game.id, page_size=500)
    )
    told = [audited(message.event) for message in stream.of("event")]
    assert [as_streamed(event) for event in listed.events][-len(told) :] == told, seed


async def test_what_is_stored_is_what_was_told(servers: Servers) -> None:
    """Random sessions: their events from the retained ones, their last state on another server, and their trail."""
    games = await asyncio.gather(*(played(servers, seed) for seed in seeds(20, 200)))
    await drain(servers.settings)

    for seed, (game, stream) in enumerate(games):
        await check(servers, seed, game, stream)
