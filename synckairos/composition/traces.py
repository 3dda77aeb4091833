"""Whether calls are traced: OpenTelemetry is imported only where its own variables ask for it."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from synckairos.tracing import OpenTelemetry

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
EXPORTER: Final = "OTEL_TRACES_EXPORTER"
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN: Final = "http/protobuf"
CLOSE_S: Final = 5.0

_log = structlog.get_logger(__name__)


class TracingError(Exception):
    """Traces are asked for in a way that cannot be had."""


def is_traced(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the OTEL_… variables ask for traces: by naming OTLP as their exporter, or where it sends to."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    named = environment.get(EXPORTER, "").strip()
    return named == "otlp" or (not named and any(environment.get(name) for name in ENDPOINTS))


async def open_tracing(service: str, stack: AsyncExitStack) -> "OpenTelemetry | None":
    """Return the tracing of this process until the stack ends, None where nobody asks for it; raises TracingError."""
    if not is_traced():
        return None
    # Takes a while: a server that is starting answers its probes meanwhile.
    tracing: OpenTelemetry = (await asyncio.to_thread(_module)).opened(service)

    async def close() -> None:
        # A thread that nothing waits for longer: an executor's would keep the process.
        closing = Thread(target=tracing.close, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, CLOSE_S)
        if closing.is_alive():
            _log.warning("traces_lost", problem=f"nobody took the last ones within {CLOSE_S:g} s")

    stack.push_async_callback(close)
    _log.info("tracing", service=service)
    return tracing


def asked_receiver() -> str:
    """Send nothing to whoever takes the traces, and return what is wrong with that; raises TracingError."""
    return str(_module().asked_receiver())


def _module() -> Any:  # noqa: ANN401 - a module
    protocol = next((os.environ[name] for name in PROTOCOLS if os.environ.get(name)), SPOKEN)
    if protocol != SPOKEN:
        raise TracingError(f"traces leave by OTLP over HTTP: set {PROTOCOLS[1]} to {SPOKEN}, not {protocol}")
    try:
        from synckairos import tracing  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise TracingError(
            f"traces need {error.name}: install the extra (pip install 'synckairos[otel]'), or set {EXPORTER}=none"
        ) from error
    return tracing
