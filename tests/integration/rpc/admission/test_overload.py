"""A server with more calls than it takes on, reached the lean way, by grpc.aio and by HTTP: it says so at once."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from synckairos.application.admission.overload import LEAST, READ_SHARE, Overload
from synckairos.client import SyncKairos
from synckairos.client.errors import Overloaded
from synckairos.gateway.backend import Request, Told
from synckairos.gateway.failures import CallFailed
from synckairos.gateway.local_backend import LocalBackend
from synckairos.rpc.admission.turnstile import ATTEMPTS, Turnstile
from synckairos.rpc.interceptor import CallInterceptor
from synckairos.rpc.request_ids import REQUEST_ID_HEADER
from synckairos.rpc.server import SESSION_SERVICE, Health, answering_handlers, build_server
from synckairos.rpc.statuses import PUSHBACK_HEADER
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.waiting import eventually
from tests.unit.rpc.use_cases import Observed

SWITCH: Final = f"/{SESSION_SERVICE.full_name}/SwitchCycle"
GET: Final = f"/{SESSION_SERVICE.full_name}/GetSession"
UNREADABLE: Final = b"\xff"


class Watched(Observed):
    """Hears of calls and of limits."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: list[str] = []

    def refused(self, limit: str) -> None:
        self.refusals.append(limit)

    def loaded(self, limit: int, queueing_s: float | None) -> None:
        """Nobody looks at it."""


class Stubborn:
    """All methods of the service, none of which answers before it is released."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        if not name[0].isupper():
            raise AttributeError(name)
        return getattr(self, "_stay", None)

    async def _stay(self, _request: Any, _context: Any) -> Any:
        await self.released.wait()
        return pb.GetSessionResponse()


class Busy:
    """A server that takes on as few calls as it ever does."""

    def __init__(self, *, is_lean: bool) -> None:
        self.observed = Watched()
        self.overload = Overload(self.observed, target_s=10.0, most=LEAST, draw=lambda: 0.5)
        self.service = Stubborn()
        self.services = {SESSION_SERVICE: [self.service]}
        self.calls = CallInterceptor(self.observed, lambda: "made-up", None, Turnstile(self.overload))
        self.health = Health()
        self.server = build_server(self.services, self.calls, self.health, may_be_lean=is_lean)
        self.address = ""

    async def fill(self, channel: grpc.aio.Channel, path: str = SWITCH, count: int = LEAST) -> list[Any]:
        """Return calls that are under way."""
        before = self.overload.under_way
        calls = [channel.unary_unary(path)(b"") for _ in range(count)]
        await eventually(lambda: self.overload.under_way == before + count)
        return calls


@pytest.fixture(params=[True, False], ids=["lean", "stock"])
async def busy(request: pytest.FixtureRequest) -> AsyncIterator[Busy]:
    """A server that serves."""
    busy = Busy(is_lean=request.param)
    busy.address = f"127.0.0.1:{busy.server.add_insecure_port('127.0.0.1:0')}"
    await busy.server.start()
    await busy.health.set(is_ready=True)
    yield busy
    busy.service.released.set()
    await busy.server.stop(None)


@pytest.fixture
async def channel(busy: Busy) -> AsyncIterator[grpc.aio.Channel]:
    """A connection to it, that retries nothing."""
    async with grpc.aio.insecure_channel(busy.address, options=[("grpc.enable_retries", 0)]) as channel:
        yield channel


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    """Return how a call was refused."""
    async with asyncio.timeout(10):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
    return caught.value


def told(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str, int, dict[str, Any]]:
    """Return the code, the reason, the ms of RetryInfo, and the trailers."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type] # an error is a call as well
    assert status is not None
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    return error.code(), info.reason, retry.retry_delay.ToMilliseconds(), dict(error.trailing_metadata() or ())


async def test_one_too_many_is_refused_unread(busy: Busy, channel: grpc.aio.Channel) -> None:
    """With a pause that gRPC's retries are told as well, under the request id it came with; and it is counted."""
    await busy.fill(channel)

    error = await refusal(channel.unary_unary(SWITCH)(UNREADABLE, metadata=((REQUEST_ID_HEADER, "mine"),)))

    code, reason, pause_ms, trailers = told(error)
    assert (code, reason, pause_ms) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED", 1_000)
    assert (trailers[PUSHBACK_HEADER], trailers[REQUEST_ID_HEADER]) == ("1000", "mine")
    assert busy.observed.refusals == ["overload_change"]
    assert busy.observed.calls[-1][:3] == ("SwitchCycle", "UNAVAILABLE", "OVERLOADED")


async def test_grpc_is_told_not_to_retry_for_ever(busy: Busy, channel: grpc.aio.Channel) -> None:
    """A call that gRPC has retried by itself is refused for good; what RetryInfo says stays."""
    await busy.fill(channel)

    error = await refusal(channel.unary_unary(SWITCH)(b"", metadata=((ATTEMPTS, "1"),)))

    _, _, pause_ms, trailers = told(error)
    assert (trailers[PUSHBACK_HEADER], pause_ms) == ("-1", 1_000)


async def test_reads_are_refused_before_changes_and_health_never(busy: Busy, channel: grpc.aio.Channel) -> None:
    """Where no read is let in any more, changes still are."""
    await busy.fill(channel, GET, int(LEAST * READ_SHARE))

    assert told(await refusal(channel.unary_unary(GET)(b"")))[1] == "OVERLOADED"
    await busy.fill(channel, SWITCH, LEAST - int(LEAST * READ_SHARE))
    assert told(await refusal(channel.unary_unary(SWITCH)(b"")))[1] == "OVERLOADED"
    await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())

    assert busy.observed.refusals == ["overload_read", "overload_change"]


async def test_every_call_leaves_room_when_it_is_over(busy: Busy, channel: grpc.aio.Channel) -> None:
    """Answered, cancelled at once, cancelled under way, or past its deadline."""
    calls = await busy.fill(channel)
    for call in calls[:8]:
        call.cancel()
    await eventually(lambda: busy.overload.under_way == LEAST - 8)
    for _ in range(8):
        channel.unary_unary(SWITCH)(b"").cancel()
    await refusal(channel.unary_unary(SWITCH)(b"", timeout=0.05))

    busy.service.released.set()

    await asyncio.gather(*calls[8:])
    await eventually(lambda: busy.overload.under_way == 0)


async def test_a_client_waits_as_long_as_it_is_told(busy: Busy, channel: grpc.aio.Channel) -> None:
    """gRPC's own retry comes after the pause; if that is refused as well, the caller hears of it."""
    busy.overload._pause_s = 0.3
    await busy.fill(channel)
    loop = asyncio.get_running_loop()
    async with await SyncKairos.connect(busy.address) as client:
        began = loop.time()
        with pytest.raises(Overloaded) as caught:
            await client.switch_cycle("11111111-1111-4111-8111-111111111111")
        took = loop.time() - began

    assert len(busy.observed.refusals) == 2
    assert 0.3 <= took < 5
    assert caught.value.retry_after_s == pytest.approx(0.3)


async def test_calls_by_http_pass_the_gate_as_well() -> None:
    """The HTTP port of a server calls the handlers without gRPC."""
    busy = Busy(is_lean=True)
    busy.overload.under_way = LEAST
    backend = LocalBackend(answering_handlers(busy.services, busy.calls), lambda: True)
    request = Request(SWITCH, UNREADABLE, (), None, "peer")

    with pytest.raises(CallFailed) as caught:
        await backend.unary(request, Told())
    busy.overload.under_way = 0
    busy.service.released.set()
    await asyncio.create_task(backend.unary(dataclasses.replace(request, message=b""), Told()))

    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    await eventually(lambda: busy.overload.under_way == 0)
