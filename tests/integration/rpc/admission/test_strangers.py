"""Calls whose callers nobody knows, beside callers who are known: the lean way, by grpc.aio and by HTTP."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import cycle, islice, repeat
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from synckairos.adapters.credentials.api_keys import ApiKeys, read_keys
from synckairos.application.admission.overload import LEAST, STRANGERS_SHARE, Overload
from synckairos.application.authentication import Authentication
from synckairos.application.errors import CredentialsInvalid
from synckairos.application.identity import Identity, Presented
from synckairos.gateway.backend import Request
from synckairos.gateway.backend import Told as Answered
from synckairos.gateway.failures import CallFailed
from synckairos.gateway.local_backend import LocalBackend
from synckairos.rpc.admission.access import Access
from synckairos.rpc.admission.turnstile import Turnstile
from synckairos.rpc.interceptor import CallInterceptor
from synckairos.rpc.server import AUDIT_SERVICE, SESSION_SERVICE, Health, answering_handlers, build_server
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import problem_of
from testing.harness.tokens import write_key
from testing.harness.waiting import eventually
from tests.integration.rpc.admission.test_overload import GET, SWITCH, Watched

STATUS: Final = f"/{AUDIT_SERVICE.full_name}/GetPipelineStatus"
WATCH: Final = f"/{SESSION_SERVICE.full_name}/WatchSession"
MOST: Final = int(LEAST * STRANGERS_SHARE)
"""Strangers that are looked at together."""
WAVES: Final = 5
Metadata = tuple[tuple[str, str], ...]
NONE: Final[Metadata] = ()
WRONG: Final[Metadata] = (("x-api-key", "sk_wrong"),)
UNREADABLE: Final[Metadata] = (("authorization", "Basic dXNlcjpwYXNz"),)
SLOW: Final[Metadata] = (("authorization", "Bearer slow"),)
STRANGERS: Final = list(islice(cycle((NONE, WRONG, UNREADABLE)), 200))


class Slow:
    """Judges tokens as one does whose keys have to be fetched first: not before it is told to."""

    def __init__(self) -> None:
        self.judged = asyncio.Event()

    def recognises(self, presented: Presented) -> bool:
        return bool(presented.bearer)

    async def identify(self, presented: Presented) -> Identity:
        await self.judged.wait()
        raise CredentialsInvalid("nobody's", presented.bearer)


class Answering:
    """All methods of the services, each of which answers at once."""

    def __getattr__(self, name: str) -> Any:
        if not name[0].isupper():
            raise AttributeError(name)
        return self._answer

    async def _answer(self, _request: Any, _context: Any) -> Any:
        return pb.GetSessionResponse()


class Guarded:
    """A server that authenticates, and takes on as few calls as it ever does."""

    def __init__(self, keys: bytes, *, is_lean: bool) -> None:
        self.observed = Watched()
        self.overload = Overload(self.observed, target_s=10.0, most=LEAST, draw=lambda: 0.5)
        self.slow = Slow()
        table = read_keys(keys)
        access = Access(Authentication([self.slow, ApiKeys(lambda: table)]), overload=self.overload)
        turnstile = Turnstile(self.overload, knows=access.knows)
        self.calls = CallInterceptor(self.observed, lambda: "made-up", access, turnstile)
        self.services = {service: [Answering()] for service in (SESSION_SERVICE, AUDIT_SERVICE)}
        self.server = build_server(self.services, self.calls, Health(), may_be_lean=is_lean)
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"


@pytest.fixture
def key(tmp_path: Path) -> str:
    """An API key that the server knows."""
    return write_key(tmp_path / "keys", "known")


@pytest.fixture(params=[True, False], ids=["lean", "stock"])
async def guarded(request: pytest.FixtureRequest, key: str, tmp_path: Path) -> AsyncIterator[Guarded]:
    """A server that serves, and knows that key."""
    assert key
    guarded = Guarded((tmp_path / "keys").read_bytes(), is_lean=request.param)
    await guarded.server.start()
    yield guarded
    guarded.slow.judged.set()
    await guarded.server.stop(None)


@pytest.fixture
async def channel(guarded: Guarded) -> AsyncIterator[grpc.aio.Channel]:
    """A connection to it, that retries nothing."""
    async with grpc.aio.insecure_channel(guarded.address, options=[("grpc.enable_retries", 0)]) as channel:
        yield channel


async def reason(call: Any) -> str:
    """Return why a call was refused; empty if it was not."""
    async with asyncio.timeout(10):
        try:
            await call
        except grpc.aio.AioRpcError as error:
            return problem_of(error).reason
    return ""


async def reasons(channel: grpc.aio.Channel, path: str, several: Sequence[Metadata]) -> list[str]:
    """Return what becomes of calls made at the same time."""
    return await asyncio.gather(*(reason(channel.unary_unary(path)(b"", metadata=one)) for one in several))


async def waiting_strangers(guarded: Guarded, channel: grpc.aio.Channel) -> list[Any]:
    """Return calls of as many strangers as are looked at together, none of which is judged yet."""
    calls = [channel.unary_unary(GET)(b"", metadata=SLOW) for _ in range(MOST)]
    await eventually(lambda: guarded.overload.strangers == MOST)
    return calls


@pytest.mark.parametrize("path", [GET, SWITCH, STATUS])
async def test_a_flood_of_strangers_has_nobody_else_refused(
    guarded: Guarded, channel: grpc.aio.Channel, key: str, path: str
) -> None:
    """Whatever they call and present; what the caller reads goes first where a server is full, and is served."""
    known = (("x-api-key", key),)
    assert await reason(channel.unary_unary(GET)(b"", metadata=known)) == ""
    async with grpc.aio.insecure_channel(guarded.address, options=[("grpc.use_local_subchannel_pool", 1)]) as mine:
        for _ in range(WAVES):
            flood = asyncio.ensure_future(reasons(channel, path, STRANGERS))
            served = []
            while not flood.done():
                served.append(await reason(mine.unary_unary(GET)(b"", metadata=known)))

            assert set(served) == {""}
            assert set(await flood) <= {"CREDENTIALS_MISSING", "CREDENTIALS_INVALID", "OVERLOADED"}

    assert set(guarded.observed.refusals) <= {"overload_stranger"}
    await eventually(lambda: (guarded.overload.under_way, guarded.overload.strangers) == (0, 0))


@pytest.mark.parametrize("path", [GET, SWITCH, STATUS])
async def test_strangers_are_refused_while_enough_others_are_looked_at(
    guarded: Guarded, channel: grpc.aio.Channel, key: str, path: str
) -> None:
    """A call that nobody is refused otherwise as well; who is known goes by."""
    known = (("x-api-key", key),)
    assert await reason(channel.unary_unary(GET)(b"", metadata=known)) == ""
    calls = await waiting_strangers(guarded, channel)

    assert await reasons(channel, path, [SLOW, WRONG, *repeat(SLOW, LEAST)]) == ["OVERLOADED"] * (LEAST + 2)
    assert await reasons(channel, GET, [known] * 8) == [""] * 8
    guarded.slow.judged.set()

    assert [await reason(call) for call in calls] == ["CREDENTIALS_INVALID"] * MOST
    assert set(guarded.observed.refusals) == {"overload_stranger"}
    await eventually(lambda: guarded.overload.strangers == 0)
    assert await reason(channel.unary_unary(path)(b"", metadata=WRONG)) == "CREDENTIALS_INVALID"


async def test_a_stranger_opens_no_stream_either(guarded: Guarded, channel: grpc.aio.Channel) -> None:
    """Streams are let in by nobody but those who find out whose they are."""
    await waiting_strangers(guarded, channel)

    assert await reason(channel.unary_stream(WATCH)(b"", metadata=SLOW).read()) == "OVERLOADED"


async def test_strangers_pass_by_http_as_they_do_by_grpc(key: str, tmp_path: Path) -> None:
    """The HTTP port of a server calls the handlers without gRPC."""
    guarded = Guarded((tmp_path / "keys").read_bytes(), is_lean=True)
    backend = LocalBackend(answering_handlers(guarded.services, guarded.calls), lambda: True)

    async def call(metadata: Metadata) -> str:
        try:
            await asyncio.create_task(backend.unary(Request(GET, b"", metadata, None, "peer"), Answered()))
        except CallFailed as failed:
            return failed.code.name
        return "OK"

    known = (("x-api-key", key),)
    assert await call(known) == "OK"
    strangers = [asyncio.ensure_future(call(SLOW)) for _ in range(MOST)]
    await eventually(lambda: guarded.overload.strangers == MOST)
    assert [await call(SLOW), await call(known)] == ["UNAVAILABLE", "OK"]
    guarded.slow.judged.set()

    assert set(await asyncio.gather(*strangers)) == {"UNAUTHENTICATED"}
