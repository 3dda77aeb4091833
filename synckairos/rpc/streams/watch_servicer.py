"""SessionService's streams: join sessions, write their frames, leave."""

import asyncio
from collections.abc import Sequence
from typing import Final

from synckairos.application.concurrency import all_of
from synckairos.application.errors import Draining
from synckairos.application.streams.frames import EndReason
from synckairos.application.streams.subscriptions import Subscription, WaitingBytes
from synckairos.application.streams.watching import Watching
from synckairos.domain.model import Head
from synckairos.rpc import requests, tokens
from synckairos.rpc.admission import access
from synckairos.rpc.fields import Fields
from synckairos.rpc.interceptor import Context
from synckairos.rpc.streams.outlets import Outlet, Outlets
from synckairos.rpc.streams.writing import StreamWriter, open_stream
from synckairos.rpc.token_signatures import UNSIGNED, Signatures
from synckairos.v1 import session_service_pb2 as pb

TICK_MS: Final = (100, 60_000)
PROGRESS_MS: Final = (100, 3_600_000)
MAX_WATCHES: Final = 1_000
JOIN_AT_ONCE: Final = 32


class WatchServicer:
    """WatchSession and WatchSessions; frames are encoded once for all subscribers of a session."""

    def __init__(self, watching: Watching, stall_s: float, signatures: Signatures = UNSIGNED) -> None:
        self._watching = watching
        self._stall_s = stall_s
        self._signatures = signatures
        self._is_draining = False
        self._waiting = WaitingBytes()
        self._outlets = Outlets(signatures)

    async def WatchSession(self, request: pb.WatchSessionRequest, context: Context) -> None:  # noqa: N802 - the contract's name
        """Stream one session."""
        fields = Fields()
        subscription = self._subscription(fields, request)
        session_id = access.qualified(fields.uuid("session_id", request.session_id))
        position = self._position(fields, "resume_token", session_id, request.resume_token)
        fields.check()
        self._refuse_if_draining()
        await self._watching.join(session_id, position, subscription)
        await self._serve(subscription, [session_id], context)

    async def WatchSessions(self, request: pb.WatchSessionsRequest, context: Context) -> None:  # noqa: N802 - the contract's name
        """Stream many sessions."""
        fields = Fields()
        subscription = self._subscription(fields, request)
        watches = list(request.watches)
        given = requests.session_ids(fields, "watches[{}].session_id", [w.session_id for w in watches], MAX_WATCHES)
        ids = [access.qualified(one) for one in given]
        positions = [
            self._position(fields, f"watches[{place}].resume_token", session_id, watch.resume_token)
            for place, (session_id, watch) in enumerate(zip(ids, watches, strict=False))
        ]
        fields.check()
        self._refuse_if_draining()
        joined: list[str] = []
        try:
            await self._join_all(ids, positions, subscription, joined)
        except BaseException:
            for session_id in joined:
                self._watching.leave(session_id, subscription)
            subscription.close()
            raise
        await self._serve(subscription, joined, context, open_ends=len(ids), batches=request.accept_batches)

    def drain(self) -> None:
        """Refuse new streams from now on."""
        self._is_draining = True

    def _refuse_if_draining(self) -> None:
        if self._is_draining:
            raise Draining("this server is shutting down")

    async def _join_all(
        self, ids: Sequence[str], positions: Sequence[Head | None], subscription: Subscription, joined: list[str]
    ) -> None:
        """Join every session; the first failure not confined to one session ends the attempt."""
        places = asyncio.Semaphore(JOIN_AT_ONCE)

        async def join(session_id: str, position: Head | None) -> None:
            async with places:
                if await self._watching.join_among(session_id, position, subscription):
                    joined.append(session_id)

        await all_of([join(session_id, position) for session_id, position in zip(ids, positions, strict=True)])

    async def _serve(
        self,
        subscription: Subscription,
        session_ids: Sequence[str],
        context: Context,
        *,
        open_ends: int = 1,
        batches: bool = False,
    ) -> None:
        """Write queued frames until every session has ended; then leave the sessions without waiting."""

        def dismiss(_why: Exception) -> None:
            self._watching.dismiss(session_ids, subscription, EndReason.CREDENTIALS_EXPIRED)

        known = access.standing()
        try:
            if known is not None:
                known.on_loss(dismiss)
            await open_stream(context)
            async with StreamWriter(context, self._stall_s) as writer:
                await Outlet(subscription, self._outlets, open_ends, batches=batches).run(writer)
        finally:
            for session_id in session_ids:
                self._watching.leave(session_id, subscription)
            subscription.close()

    def _subscription(self, fields: Fields, request: pb.WatchSessionRequest | pb.WatchSessionsRequest) -> Subscription:
        return Subscription(
            fields.interval("tick_interval_ms", request.tick_interval_ms, *TICK_MS),
            fields.interval("progress_interval_ms", request.progress_interval_ms, *PROGRESS_MS),
            everywhere=self._waiting,
            on_dropped_tick=self._watching.note_dropped_tick,
        )

    def _position(self, fields: Fields, path: str, session_id: str, token: str) -> Head | None:
        if not token:
            return None
        try:
            return tokens.read_resume(session_id, token, self._signatures)
        except tokens.InvalidToken as error:
            fields.refuse(path, str(error))
            return None
