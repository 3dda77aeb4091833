"""A gateway in a process of its own, put together: browsers before it, a gRPC port behind it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from synckairos.application.background import Background
from synckairos.composition.client_tls import opened_client_tls
from synckairos.composition.ending import stop_requested
from synckairos.composition.listeners.exposure import require_protection
from synckairos.composition.listeners.http_port import bound_socket, http_server, require_gateway, url_of
from synckairos.composition.listeners.tls import opened_tls
from synckairos.composition.metrics import metrics_served
from synckairos.composition.reloading import Reloading
from synckairos.settings import Settings
from synckairos.telemetry import Metrics

CLOSE_S: Final = 5.0
LOOK_S: Final = 2.0
"""Pause between two looks at whether the servers behind it serve."""

_log = structlog.get_logger(__name__)


class _Backing:
    """Whether what is behind the gateway serves, as of the latest look."""

    def __init__(self, ask: Callable[[], Awaitable[bool]]) -> None:
        self._ask = ask
        self.is_serving = False

    async def follow(self) -> None:
        """Look for ever."""
        while True:
            is_serving = await self._ask()
            if is_serving is not self.is_serving:
                _log.info("backend_state", serving=is_serving)
            self.is_serving = is_serving
            await asyncio.sleep(LOOK_S)


async def serve_gateway(settings: Settings, backend: str, listen: str) -> None:
    """Pass calls on to the gRPC port at `backend` until told to stop.

    Raises AddressInUseError, ExposedError, GatewayMissingError, UnusableFilesError.
    """
    require_gateway()
    require_protection(settings, {"SYNCKAIROS_HTTP_LISTEN": listen})
    from synckairos.gateway.channel_backend import ChannelBackend  # noqa: PLC0415 - an extra
    from synckairos.gateway.measured_backend import MeasuredBackend  # noqa: PLC0415 - an extra

    metrics = Metrics()
    tls = opened_tls(settings, metrics.reloaded)
    own = opened_client_tls(settings, metrics.reloaded)
    reloading = Reloading()
    stop = stop_requested(settings.drain_delay_s + settings.drain_grace_s + CLOSE_S, reloading.ask)
    async with contextlib.AsyncExitStack() as stack:
        bound = stack.enter_context(bound_socket(listen))
        channels = ChannelBackend(backend, own.current)
        stack.push_async_callback(channels.close)
        background = Background(metrics.task_ended)
        stack.push_async_callback(background.stop)
        own.on_change(lambda: channels.renew(own.current))
        reloading.add(own)
        if tls is not None:
            reloading.add(tls.files)
        background.run("files", reloading.run)
        backing = _Backing(channels.is_serving)
        background.run("backend", backing.follow)
        measured = MeasuredBackend(channels, metrics)
        metrics.passing_on(lambda: measured.under_way)
        probed = metrics_served(
            metrics.registry, settings.gateway_metrics_listen, lambda: backing.is_serving and not stop.is_set()
        )
        stack.enter_context(probed)
        http = http_server(measured, settings, bound, tls)
        await http.start()
        stack.push_async_callback(http.stop)
        _log.info("gateway_serving", url=url_of(bound, has_tls=tls is not None), backend=backend)
        await stop.wait()
        _log.info("stopping")
