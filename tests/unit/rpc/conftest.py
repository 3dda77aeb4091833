"""The servicers behind the interceptor, on ports in memory."""

from collections.abc import Iterator

import pytest

from synckairos.rpc.audit.servicer import AuditServicer
from synckairos.rpc.controls.servicer import TimeControlServicer
from synckairos.rpc.interceptor import CallInterceptor, CallJournal
from synckairos.rpc.server import AUDIT_SERVICE, SESSION_SERVICE, TIME_CONTROL_SERVICE, TIME_SERVICE
from synckairos.rpc.session_commands import SessionCommands
from synckairos.rpc.session_servicer import SessionServicer
from synckairos.rpc.streams.command_servicer import CommandServicer
from synckairos.rpc.streams.watch_servicer import WatchServicer
from synckairos.rpc.time_servicer import TimeServicer
from tests.unit.rpc.grpc_testing_adapter import Loop, TestServer
from tests.unit.rpc.use_cases import UseCases

MADE_REQUEST_ID = "00000000-0000-4000-8000-0000000000aa"


@pytest.fixture
def loop() -> Iterator[Loop]:
    """An event loop on which nothing may be left running."""
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def use_cases() -> UseCases:
    """The use cases on memory."""
    return UseCases()


@pytest.fixture
def server(loop: Loop, use_cases: UseCases) -> TestServer:
    """Every service."""
    commands = SessionCommands(use_cases.sessions)
    services = {
        SESSION_SERVICE: (
            SessionServicer(commands, use_cases.listing),
            WatchServicer(use_cases.watching, stall_s=5.0),
            CommandServicer(commands, CallJournal(use_cases.observed), lambda: MADE_REQUEST_ID, stall_s=5.0),
        ),
        TIME_SERVICE: (TimeServicer(use_cases.clock),),
        TIME_CONTROL_SERVICE: (TimeControlServicer(),),
        AUDIT_SERVICE: (
            AuditServicer(use_cases.trail, use_cases.pipeline, use_cases.recovery, use_cases.clock.now_us),
        ),
    }
    return TestServer(loop, CallInterceptor(use_cases.observed, lambda: MADE_REQUEST_ID), services)
