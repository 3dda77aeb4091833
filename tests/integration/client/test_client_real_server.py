"""The client and a real server: what is refused, repeated, asked for by other services, and sent in batches."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from synckairos.client import SessionClock, SyncKairos, errors
from synckairos.devstack import RedisServer
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import new_id
from testing.harness.processes.in_process import serving, settings_for


@pytest.fixture(scope="module")
async def client(redis_server: RedisServer) -> AsyncIterator[SyncKairos]:
    """A client of a server without an audit trail."""
    async with serving(settings_for(redis_server.url)) as server, await SyncKairos.connect(server.address) as client:
        yield client


async def game(client: SyncKairos) -> str:
    """Create and start a session of two players; return its id."""
    players = [session_pb2.ParticipantSpec(participant_id=new_id(), total_time_ms=600_000) for _ in range(2)]
    created = await client.create_session(session_pb2.MODE_PER_PARTICIPANT, participants=players)
    await client.start_session(created.session.session_id)
    return created.session.session_id


async def test_what_was_given_arrives(client: SyncKairos) -> None:
    """Metadata, labels, an instant, a control as a text."""
    close_at = datetime(2027, 1, 1, tzinfo=UTC)
    players = [session_pb2.ParticipantSpec(participant_id=new_id()) for _ in range(2)]

    created = await client.create_session(
        session_pb2.MODE_PER_PARTICIPANT,
        participants=players,
        time_control_text="600|5x30",
        close_at=close_at,
        metadata={"board": 7},
        labels={"event": "final"},
    )
    found = await client.list_sessions(labels={"event": "final"}, statuses=[session_pb2.STATUS_PENDING])

    assert created.session.close_at.ToDatetime(UTC) == close_at
    assert created.session.metadata["board"] == 7
    assert created.session.participants[0].clock.periods_left == 5
    assert [session.session_id for session in found.sessions] == [created.session.session_id]


async def test_the_other_services_answer(client: SyncKairos) -> None:
    """Time controls and the time; the trail says that there is none."""
    parsed = await client.parse_time_control("600|5x30")
    simulated = await client.simulate_time_control("60", turns=[{"spent_ms": 61_000}])
    sent = datetime.now(UTC)
    sampled = await client.sync_time(client_transmit_time=sent)

    with pytest.raises(errors.AuditUnavailable) as away:
        await client.get_session_audit(new_id())

    assert parsed.text == "600|5x30"
    assert simulated.flagged_holder == 0
    assert sampled.client_transmit_time.ToDatetime(UTC) == sent
    assert away.value.retry_after_s == 0.5


async def test_refusals_of_a_real_server_are_typed(client: SyncKairos) -> None:
    """By calls and by commands alike."""
    async with client.commands() as commands:
        session_id = await game(client)
        unknown = new_id()
        active = (await client.get_session(session_id)).session.active_participant_id
        for caller in (client, commands):
            with pytest.raises(errors.VersionConflict) as conflict:
                await caller.switch_cycle(session_id, expected_version=1)
            with pytest.raises(errors.TurnAdvanced) as advanced:
                await caller.switch_cycle(session_id, expected_active_participant_id=new_id())
            with pytest.raises(errors.InvalidField) as wrong:
                await caller.adjust_time(session_id, reason="", delta_ms=1)
            with pytest.raises(errors.SessionNotFound) as missing:
                await caller.pause_session(unknown)

            assert (conflict.value.expected, conflict.value.actual) == (1, 2)
            assert advanced.value.active == active
            assert "reason" in {violation.path for violation in wrong.value.fields}
            assert missing.value.session_id == unknown


async def test_a_repeated_request_id_is_applied_once(client: SyncKairos) -> None:
    """A program that comes back after its own end repeats what it may have done already."""
    session_id, request_id = await game(client), new_id()

    replies = [await client.switch_cycle(session_id, request_id=request_id) for _ in range(2)]

    assert [reply.replayed for reply in replies] == [False, True]
    assert isinstance(replies[0], pb.SwitchCycleResponse)
    assert {reply.session.version for reply in replies} == {3}


async def test_a_thousand_commands_and_what_a_watch_of_many_says(client: SyncKairos) -> None:
    """Batches both ways: every session is shown from its first version to its last."""
    ids = [new_id() for _ in range(200)]

    async with client.commands(window=64) as commands:
        await asyncio.gather(
            *(commands.create_session(session_pb2.MODE_GLOBAL, session_id=one, total_time_ms=60_000) for one in ids)
        )
        async with client.watch_many(ids) as watch:
            shown = [await anext(watch) for _ in ids]
            for verb in (
                commands.start_session,
                commands.switch_cycle,
                commands.pause_session,
                commands.cancel_session,
            ):
                await asyncio.gather(*map(verb, ids))
            shown += [update async for update in watch]

    said = [[update.version for update in shown if update.session_id == one] for one in ids]
    assert said == [[1, 2, 3, 4, 5, 5]] * len(ids)


async def test_an_id_may_be_written_in_capitals(client: SyncKairos) -> None:
    """Servers answer in small letters."""
    session_id = await game(client)

    one, many = client.watch(session_id.upper()), client.watch_many([session_id.upper()])
    seen = [await asyncio.wait_for(anext(watch), 10) for watch in (one, many)]

    assert [update.session_id for update in seen] == [session_id] * 2


async def test_a_clock_of_a_session_needs_no_further_call(client: SyncKairos) -> None:
    """What the server says later is what the clock had computed; the time is the same, but for the way of a reply."""
    async with client.sync_clock() as clock, client.watch(await game(client)) as watch:
        shown = SessionClock(await anext(watch))
        later = await client.get_session(shown.session.session_id)
        view = shown.at(later.server_time.ToMilliseconds())
        said = clock.now_ms() - later.server_time.ToMilliseconds()

    running = view.running
    assert running is not None
    assert {running.remaining_ms} == {one.time_remaining_ms for one in later.session.participants if one.is_active}
    assert abs(said) <= 2_000
