"""ExplainClock over real servers: what it says sums to what GetSession shows, for every family and every old mode."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.settings import Settings
from synckairos.v1 import audit_service_pb2 as pb
from synckairos.v1 import session_pb2, session_service_pb2, time_control_pb2
from synckairos.v1.audit_service_pb2_grpc import AuditServiceStub
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import new_id
from testing.harness.draining import drain
from testing.harness.processes.databases import own_database
from testing.harness.processes.in_process import serving, settings_for

SPENT_MS = (4_000, 2_500, 11_000, 700, 6_000, 3_100, 9_000, 100)


@pytest.fixture
async def settings(redis_server: RedisServer, postgres_server: PostgresServer) -> AsyncIterator[Settings]:
    """A server with a trail."""
    async with own_database(postgres_server) as url:
        await apply_migrations(url, migrations_folder())
        yield settings_for(redis_server.url, database_url=url)


@pytest.fixture
async def channel(settings: Settings) -> AsyncIterator[Any]:
    """A client of it."""
    async with serving(settings) as server, grpc.aio.insecure_channel(server.address) as channel:
        yield channel


def stage(base_ms: int, turns: int = 0, **family: Any) -> time_control_pb2.TimeStage:
    """Return a stage of one family."""
    return time_control_pb2.TimeStage(base_ms=base_ms, turns=turns, **family)


FAMILIES: dict[str, list[time_control_pb2.TimeStage]] = {
    "absolute": [stage(60_000)],
    "fischer": [stage(30_000, fischer={"increment_ms": 2_000, "cap_ms": 31_000})],
    "before the turn": [stage(30_000, fischer={"increment_ms": 2_000, "before_turn": True})],
    "simple delay": [stage(30_000, simple_delay={"delay_ms": 3_000})],
    "bronstein": [stage(30_000, bronstein={"delay_ms": 3_000})],
    "byo-yomi": [stage(5_000, byo_yomi={"periods": 5, "period_ms": 5_000})],
    "canadian": [stage(5_000, canadian={"turns": 2, "period_ms": 20_000})],
    "per turn": [stage(20_000, per_turn={"turn_ms": 5_000})],
    "hourglass": [stage(30_000, hourglass={})],
    "penalty": [stage(5_000, penalty={"limit_ms": 60_000, "unit_ms": 1_000, "points": 10})],
    "stages": [stage(20_000, 2, byo_yomi={"periods": 2, "period_ms": 5_000}), stage(30_000)],
}


def with_control(name: str) -> session_service_pb2.CreateSessionRequest:
    """Describe three participants with a manual clock and a family, with lag compensated."""
    lag = time_control_pb2.LagCompensation(start_ms=200, gain_ms=50, max_ms=500)
    return session_service_pb2.CreateSessionRequest(
        session_id=new_id(),
        mode=session_pb2.MODE_PER_PARTICIPANT,
        participants=[session_pb2.ParticipantSpec(participant_id=new_id()) for _ in range(3)],
        time_control=time_control_pb2.TimeControl(stages=FAMILIES[name], lag_compensation=lag),
        manual_clock=True,
    )


def in_mode(mode: session_pb2.Mode.ValueType) -> session_service_pb2.CreateSessionRequest:
    """Describe a session of a mode with a manual clock, as before there were time controls."""
    request = session_service_pb2.CreateSessionRequest(session_id=new_id(), mode=mode, manual_clock=True)
    teams = [new_id(), new_id()]
    for place in range(3):
        one = request.participants.add(participant_id=new_id())
        if mode == session_pb2.MODE_PER_PARTICIPANT:
            one.total_time_ms = 60_000
        if mode == session_pb2.MODE_PER_GROUP:
            one.group_id = teams[place % 2]
    if mode == session_pb2.MODE_PER_GROUP:
        request.groups.extend(session_pb2.GroupSpec(group_id=team, total_time_ms=60_000) for team in teams)
    if mode in (session_pb2.MODE_PER_PARTICIPANT, session_pb2.MODE_PER_GROUP):
        request.increment_ms = 1_500
    if mode == session_pb2.MODE_PER_CYCLE:
        request.time_per_cycle_ms = 20_000
    if mode == session_pb2.MODE_GLOBAL:
        request.total_time_ms = 60_000
        request.soft_close.CopyFrom(
            time_control_pb2.SoftClose(
                window_ms=50_000, extend_ms=40_000, policy=time_control_pb2.SOFT_CLOSE_POLICY_RESET
            )
        )
    if mode == session_pb2.MODE_COUNT_UP:
        request.max_time_ms = 60_000
    return request


async def play(stub: Any, request: session_service_pb2.CreateSessionRequest) -> session_pb2.Session:
    """Play a session to a pause in the middle of a turn, with lag and an adjustment; return it as it shows itself."""
    sid = request.session_id
    has_lag = request.HasField("time_control")
    await stub.CreateSession(request)
    await stub.StartSession(session_service_pb2.StartSessionRequest(session_id=sid))
    for spent_ms in SPENT_MS:
        await stub.AdvanceClock(session_service_pb2.AdvanceClockRequest(session_id=sid, by_ms=spent_ms))
        switch = session_service_pb2.SwitchCycleRequest(session_id=sid, lag_ms=70 if has_lag else 0)
        await stub.SwitchCycle(switch)
    adjustment = session_service_pb2.AdjustTimeRequest(session_id=sid, delta_ms=7_000, reason="noise")
    if request.mode == session_pb2.MODE_PER_PARTICIPANT:
        adjustment.participant_id = request.participants[1].participant_id
    if request.mode == session_pb2.MODE_PER_GROUP:
        adjustment.group_id = request.groups[1].group_id
    await stub.AdjustTime(adjustment)
    await stub.AdvanceClock(session_service_pb2.AdvanceClockRequest(session_id=sid, by_ms=1_300))
    await stub.PauseSession(session_service_pb2.PauseSessionRequest(session_id=sid))
    reply = await stub.GetSession(session_service_pb2.GetSessionRequest(session_id=sid))
    session: session_pb2.Session = reply.session
    return session


def balances(session: session_pb2.Session) -> list[tuple[dict[str, str], int]]:
    """Return what every clock of a session shows, by the fields of a request that name its holder."""
    if session.mode == session_pb2.MODE_PER_PARTICIPANT:
        return [({"participant_id": one.participant_id}, one.time_remaining_ms) for one in session.participants]
    if session.mode == session_pb2.MODE_PER_GROUP:
        return [({"group_id": one.group_id}, one.time_remaining_ms) for one in session.groups]
    is_cycle = session.mode == session_pb2.MODE_PER_CYCLE
    return [({}, session.cycle_remaining_ms if is_cycle else session.remaining_ms)]


async def explained(stub: Any, size: int = 500, **request: Any) -> tuple[list[pb.ClockLine], int]:
    """Return an account, read in pages of this size."""
    lines: list[pb.ClockLine] = []
    token = ""
    while True:
        reply = await stub.ExplainClock(pb.ExplainClockRequest(**request, page_size=size, page_token=token))
        lines += reply.lines
        token = reply.next_page_token
        if not token:
            return lines, reply.balance_ms


async def check(channel: Any, settings: Settings, request: session_service_pb2.CreateSessionRequest) -> set[int]:
    """Play a session and check the account of every clock at every version; return the kinds of its lines."""
    session = await play(SessionServiceStub(channel), request)
    audit = AuditServiceStub(channel)
    await drain(settings)
    listed = await audit.ListSessionEvents(
        pb.ListSessionEventsRequest(session_id=session.session_id, page_size=100)
    )  # fmt: skip
    kinds: set[int] = set()
    for seen in [*(event.session for event in listed.events), session]:
        for holder, shown in balances(seen):
            lines, balance = await explained(audit, session_id=seen.session_id, version=seen.version, **holder)
            assert sum(line.amount_ms for line in lines) == balance == lines[-1].balance_ms
            assert balance == shown
            assert all(line.kind != pb.CLOCK_LINE_KIND_RECOVERED for line in lines)
            kinds |= {line.kind for line in lines}
    for holder, _ in balances(session):
        pages = [await explained(audit, size, session_id=session.session_id, **holder) for size in (2, 500)]
        assert pages[0] == pages[1]
    return kinds


BASE, SPENT, GRANT, SPARED, REFILLED, STAGE, TRANSFER, LAG, EXTENDED, ADJUSTED = (
    pb.CLOCK_LINE_KIND_BASE, pb.CLOCK_LINE_KIND_SPENT, pb.CLOCK_LINE_KIND_GRANT, pb.CLOCK_LINE_KIND_DELAY_SPARED,
    pb.CLOCK_LINE_KIND_REFILLED, pb.CLOCK_LINE_KIND_STAGE, pb.CLOCK_LINE_KIND_TRANSFER,
    pb.CLOCK_LINE_KIND_LAG_CREDITED, pb.CLOCK_LINE_KIND_EXTENDED, pb.CLOCK_LINE_KIND_ADJUSTED,
)  # fmt: skip
ALWAYS = {BASE, SPENT, ADJUSTED}


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("absolute", {LAG}),
        ("fischer", {LAG, GRANT}),
        ("before the turn", {LAG, GRANT}),
        ("simple delay", {LAG, SPARED}),
        ("bronstein", {LAG, SPARED}),
        ("byo-yomi", {LAG, REFILLED}),
        ("canadian", {LAG, REFILLED}),
        ("per turn", {LAG, REFILLED}),
        ("hourglass", {LAG, TRANSFER}),
        ("penalty", {LAG}),
        ("stages", {LAG, STAGE}),
    ],
)
async def test_a_clock_of_every_family_is_explained(
    channel: Any, settings: Settings, name: str, kinds: set[int]
) -> None:
    """At every version, to the millisecond."""
    assert await check(channel, settings, with_control(name)) == ALWAYS | kinds


@pytest.mark.parametrize(
    ("mode", "kinds"),
    [
        (session_pb2.MODE_PER_PARTICIPANT, {GRANT}),
        (session_pb2.MODE_PER_GROUP, {GRANT}),
        (session_pb2.MODE_PER_CYCLE, {REFILLED}),
        (session_pb2.MODE_GLOBAL, {EXTENDED}),
        (session_pb2.MODE_COUNT_UP, set()),
    ],
)
async def test_a_clock_of_every_mode_is_explained(
    channel: Any, settings: Settings, mode: session_pb2.Mode.ValueType, kinds: set[int]
) -> None:
    """As those without time controls."""
    assert await check(channel, settings, in_mode(mode)) == ALWAYS | kinds
