"""The asynchronous client: every call of the contract as a method, watches, and streams of commands."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

import grpc

from synckairos.client.command_stream import PATIENCE_S, WINDOW
from synckairos.client.commands import Commands
from synckairos.client.connection import Connection
from synckairos.client.credentials import Token
from synckairos.client.requests import audit, creation, driving, reading, time_controls
from synckairos.client.server_clock import PERIOD_S, ServerClock
from synckairos.client.time_calls import TimeCalls
from synckairos.client.unary import Unary
from synckairos.client.watching import Watch, watch_many, watch_one
from synckairos.v1 import audit_service_pb2, session_service_pb2, time_control_service_pb2, time_service_pb2

CONNECT_S: Final = 10.0


class SyncKairos:
    """A client of one deployment, to be shared by all tasks of an event loop.

    Calls raise the classes of `synckairos.client.errors`. Each has 10 s, and every mutation a request_id of its own:
    with it gRPC repeats the call where no server can be reached or one is stopping, as the service config says.
    """

    create_session = Unary(creation.create_session, session_service_pb2.CreateSessionResponse)
    get_session = Unary(reading.get_session, session_service_pb2.GetSessionResponse)
    batch_get_sessions = Unary(reading.batch_get_sessions, session_service_pb2.BatchGetSessionsResponse)
    list_sessions = Unary(reading.list_sessions, session_service_pb2.ListSessionsResponse)
    start_session = Unary(driving.start_session, session_service_pb2.StartSessionResponse)
    switch_cycle = Unary(driving.switch_cycle, session_service_pb2.SwitchCycleResponse)
    pause_session = Unary(driving.pause_session, session_service_pb2.PauseSessionResponse)
    resume_session = Unary(driving.resume_session, session_service_pb2.ResumeSessionResponse)
    complete_session = Unary(driving.complete_session, session_service_pb2.CompleteSessionResponse)
    cancel_session = Unary(driving.cancel_session, session_service_pb2.CancelSessionResponse)
    add_participant = Unary(driving.add_participant, session_service_pb2.AddParticipantResponse)
    remove_participant = Unary(driving.remove_participant, session_service_pb2.RemoveParticipantResponse)
    adjust_time = Unary(driving.adjust_time, session_service_pb2.AdjustTimeResponse)
    advance_clock = Unary(driving.advance_clock, session_service_pb2.AdvanceClockResponse)
    update_session = Unary(driving.update_session, session_service_pb2.UpdateSessionResponse)
    delete_session = Unary(driving.delete_session, session_service_pb2.DeleteSessionResponse)

    list_session_events = Unary(audit.list_session_events, audit_service_pb2.ListSessionEventsResponse)
    list_participant_events = Unary(audit.list_participant_events, audit_service_pb2.ListParticipantEventsResponse)
    get_session_audit = Unary(audit.get_session_audit, audit_service_pb2.GetSessionAuditResponse)
    list_audited_sessions = Unary(audit.list_audited_sessions, audit_service_pb2.ListAuditedSessionsResponse)
    recover_session = Unary(audit.recover_session, audit_service_pb2.RecoverSessionResponse)
    explain_clock = Unary(audit.explain_clock, audit_service_pb2.ExplainClockResponse)
    get_pipeline_status = Unary(audit.get_pipeline_status, audit_service_pb2.GetPipelineStatusResponse)

    parse_time_control = Unary(time_controls.parse_time_control, time_control_service_pb2.ParseTimeControlResponse)
    simulate_time_control = Unary(
        time_controls.simulate_time_control, time_control_service_pb2.SimulateTimeControlResponse
    )
    sync_time = Unary(reading.sync_time, time_service_pb2.SyncTimeResponse)

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @classmethod
    async def connect(
        cls,
        address: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        token: Token | None = None,
        allow_insecure_token: bool = False,
        actor: str = "",
        within_s: float = CONNECT_S,
    ) -> Self:
        """Return a client once a server answers; raises Unreachable if none does so in `within_s` seconds.

        `address` is `host:port`, or any name of gRPC's (`ipv4:10.0.0.1:50051,10.0.0.2:50051`, `dns:///name:port`). With
        `credentials` the connection is encrypted. A `token` is sent as `authorization: Bearer …`; without encryption
        only to this machine (ValueError), unless `allow_insecure_token`. `actor` names the caller in events and in the
        audit trail.
        """
        connection = Connection.open(address, credentials, token, allow_insecure=allow_insecure_token)
        client = cls(connection.with_options(replace(connection.options, actor=actor)))
        try:
            await connection.ready(within_s)
        except BaseException:
            await client.close()
            raise
        return client

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self.close()

    async def close(self) -> None:
        """Close the connection; what is under way raises Unreachable, watches and later calls RuntimeError."""
        await self.connection.channel.close()

    def with_options(self, *, timeout_s: float | None = None, actor: str | None = None) -> Self:
        """Return a client on the same connection whose calls have less than 10 s, or another actor."""
        options = self.connection.options
        if timeout_s is not None:
            options = replace(options, timeout_s=timeout_s)
        if actor is not None:
            options = replace(options, actor=actor)
        return type(self)(self.connection.with_options(options))

    def watch(
        self,
        session_id: str,
        *,
        tick_interval_ms: int = 0,
        progress_interval_ms: int = 0,
        resume_token: str = "",
    ) -> Watch[session_service_pb2.WatchSessionResponse]:
        """Iterate over the updates of a session until its end: a snapshot first, then every event, ticks as asked.

        `resume_token`, of an update seen earlier, has the iteration begin with what was missed since.
        """
        return watch_one(self.connection, session_id, resume_token, tick_interval_ms, progress_interval_ms)

    def watch_many(
        self,
        session_ids: Iterable[str] | Mapping[str, str],
        *,
        tick_interval_ms: int = 0,
        progress_interval_ms: int = 0,
    ) -> Watch[session_service_pb2.WatchSessionsResponse]:
        """Iterate over the updates of up to 1 000 sessions until all have ended, over one stream.

        A mapping names the sessions with the resume_tokens to go on from. An unknown session ends with NOT_FOUND.
        """
        tokens = session_ids if isinstance(session_ids, Mapping) else dict.fromkeys(session_ids, "")
        return watch_many(self.connection, tokens, tick_interval_ms, progress_interval_ms)

    def commands(self, *, window: int = WINDOW, timeout_s: float = PATIENCE_S) -> Commands:
        """Return a stream of commands, of which at most `window` wait for their answers, each up to `timeout_s`."""
        return Commands(self.connection, window, timeout_s)

    def sync_clock(self, *, period_s: float = PERIOD_S) -> ServerClock:
        """Return the server's clock as this machine can know it; `async with` sets it, and again every `period_s`."""
        return ServerClock(TimeCalls(self.connection), period_s)
