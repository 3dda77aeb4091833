"""Traces of whole processes: what reaches a receiver of OTLP, what the log says, and that off is off."""

import json
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from synckairos.devstack import PostgresServer, RedisServer
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import connect, new_id, two_players
from testing.harness.processes.child_process import environment_with
from testing.harness.processes.commands import run_command
from testing.harness.processes.databases import own_database
from testing.harness.processes.deployment import Deployment
from testing.harness.waiting import eventually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = (("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"),)


class Received(NamedTuple):
    """A span that has arrived."""

    service: str
    name: str
    trace: str


class Receiver(ThreadingHTTPServer):
    """Takes traces as a collector does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Posted)
        self.spans: list[Received] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Posted(BaseHTTPRequestHandler):
    """A request with spans."""

    server: Receiver

    def do_POST(self) -> None:
        """Take them."""
        assert self.path == "/v1/traces"
        told = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
        for group in told.resource_spans:
            named = {pair.key: pair.value.string_value for pair in group.resource.attributes}
            for scope in group.scope_spans:
                self.server.spans += [
                    Received(named["service.name"], span.name, span.trace_id.hex()) for span in scope.spans
                ]
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver that the environment names."""
    with Receiver() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
        yield server
        server.shutdown()


async def test_a_receiver_of_otlp_gets_the_trace_of_a_call_and_the_log_names_it(
    receiver: Receiver, own_redis: RedisServer, postgres_server: PostgresServer, server_directory: Path
) -> None:
    """From both kinds of processes; a call that its caller does not trace leaves nothing."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(own_database(postgres_server))
        deployment = Deployment(server_directory, own_redis, postgres_server, url)
        stack.push_async_callback(deployment.stop)
        await deployment.migrate()
        server = deployment.start_server(log_level="debug")
        deployment.start_worker()
        async with connect(server.address) as stub:
            await stub.CreateSession(two_players(new_id()))
            session_id = new_id()
            await stub.CreateSession(two_players(session_id), metadata=CALLER)
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.StartSession(
                    pb.StartSessionRequest(session_id=session_id, expected_version=7), metadata=CALLER
                )
        await eventually(lambda: "audit write" in {span.name for span in receiver.spans}, seconds=60)
        server.stop()

    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    (refused,) = [line for line in lines if line["event"] == "call_refused"]
    assert refused["trace_id"] == TRACE
    assert {span.trace for span in receiver.spans} == {TRACE}
    assert {(span.service, span.name) for span in receiver.spans} == {
        ("synckairos-server", "synckairos.v1.SessionService/CreateSession"),
        ("synckairos-server", "synckairos.v1.SessionService/StartSession"),
        ("synckairos-server", "transaction"),
        ("synckairos-worker", "outbox"),
        ("synckairos-worker", "audit write"),
    }


SERVE = """
import asyncio, json, sys
from synckairos.composition.server import Server
from synckairos.composition.worker import open_work
from synckairos.settings import load_settings

async def main():
    server = Server(load_settings())
    await server.start()
    await server.stop()

asyncio.run(main())
# Redis' client takes the part of it that is for metrics, where that is installed.
tracing = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "synckairos.tracing")
print(json.dumps([name for name in sys.modules if name.startswith(tracing)]))
"""


async def test_off_means_that_nothing_of_it_is_imported(redis_server: RedisServer, tmp_path: Path) -> None:
    """Neither by a server that has started and stopped, nor by what a worker is made of."""
    settings = {"listen": "127.0.0.1:0", "redis_prefix": "off", "drain_delay_s": "0"}

    ended = await run_command(sys.executable, "-c", SERVE, cwd=tmp_path, **environment_with(redis_server.url, settings))

    assert json.loads(ended.stdout.splitlines()[-1]) == []


async def test_traces_that_cannot_be_had_stop_the_start(redis_server: RedisServer, tmp_path: Path) -> None:
    """The message says what to set."""
    environment = environment_with(redis_server.url, {"listen": "127.0.0.1:0"})
    environment |= {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}

    ended = await run_command(sys.executable, "-m", "synckairos", "serve", cwd=tmp_path, **environment)

    assert ended.returncode == 1
    assert "set OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf" in ended.stderr
