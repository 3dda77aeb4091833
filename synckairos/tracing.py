"""Traces by OpenTelemetry: the one module that imports it, and itself imported only where traces are wanted.

What is traced and where it goes is said by OpenTelemetry's own variables (OTEL_…), which its SDK reads. Spans leave by
OTLP over HTTP, from a thread of the SDK's; what it cannot take in time is dropped, and no call ever waits for it.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from logging.handlers import BufferingHandler
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import structlog
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from synckairos.application.tracing import Attributes

if TYPE_CHECKING:
    from contextvars import Token

CARRIED: Final = ("traceparent", "tracestate")
FAULTS: Final = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""The codes that are the server's fault, by OpenTelemetry's conventions for gRPC."""
NOWHERE: Final = Context()

_propagator: Final = TraceContextTextMapPropagator()
_Processor: TypeAlias = Callable[[Any, str, Any], Any]


class OpenTelemetry:
    """The spans of one process."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._sampler = provider.sampler
        self._ids = provider.id_generator = _Drawn()
        self._tracer = provider.get_tracer("synckairos", version("synckairos"))
        self._open: dict[str, Span] = {}
        """The recorded calls under way."""
        self._log: list[_Processor] = structlog.get_config()["processors"]
        self._log.insert(0, _with_ids)

    def close(self) -> None:
        """Send what is left, and stop; takes as long as the exporter's timeout if nobody takes it."""
        self._log.remove(_with_ids)
        self._provider.shutdown()

    def call(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> AbstractContextManager[None] | None:
        """Return the span of a call by its full name, below the caller's or the one of now; None if it has none.

        A call that is not recorded has one only if its caller names a trace: the log names it, too.
        """
        carried = {name: value for name, value in metadata if name in CARRIED}
        above = _propagator.extract(carried, NOWHERE) if carried else None
        if above is None and not self._begins_trace(method):
            return None
        span = self._tracer.start_span(method[1:], above, SpanKind.SERVER)
        if not span.is_recording():
            return None if above is None else _Attached(above)
        service, _, name = method[1:].rpartition("/")
        span.set_attributes({"rpc.system.name": "grpc", "rpc.service": service, "rpc.method": name})
        return _Active(span, self._open)

    def _begins_trace(self, method: str) -> bool:
        """Whether a call that nobody names a trace for is recorded, at a third of the price of a span that is not."""
        if self._open and trace.get_current_span().is_recording():
            return True
        drawn = self._ids.draw()
        if self._sampler.should_sample(NOWHERE, drawn, method[1:], SpanKind.SERVER).decision is Decision.DROP:
            return False
        self._ids.drawn = drawn
        return True

    def ended(self, code: str, reason: str) -> None:
        """Note how the call of now has ended."""
        if not self._open:
            return
        span = trace.get_current_span()
        if not span.is_recording():
            return
        span.set_attribute("rpc.response.status_code", code)
        if reason:
            span.set_attribute("synckairos.reason", reason)
        if code in FAULTS:
            span.set_status(Status(StatusCode.ERROR, reason or code))

    def current(self) -> str:
        """Return the traceparent of the call of now; empty unless it is recorded."""
        if not self._open:
            return ""
        span = trace.get_current_span()
        return traceparent_of(span.get_span_context()) if span.is_recording() else ""

    @contextmanager
    def shared(self, name: str, of: Sequence[str], attributes: Attributes) -> Iterator[None]:
        """Make a span for work done for several others: below the first, and linked to the rest.

        Those under way in this process get a link back. Without any, there is none.
        """
        found = [found for one in of if (found := self._context_of(one)) is not None]
        if not found:
            self.leave()
            yield
            return
        above, *others = found
        with self._tracer.start_as_current_span(
            name, _below(above), SpanKind.CLIENT, dict(attributes), [Link(other) for other in others]
        ) as span:
            for one in of[1:]:
                if one in self._open:
                    self._open[one].add_link(span.get_span_context())
            yield

    def leave(self) -> None:
        """Let the task of now be outside of all spans."""
        contexts.attach(NOWHERE)

    def waited(self, name: str, since: Sequence[tuple[str, int]]) -> list[str]:
        """Make a span below each traceparent from an instant (ms since 1970) until now; return theirs."""
        now = time.time_ns()
        made: list[str] = []
        for traceparent, at in since:
            above = self._context_of(traceparent)
            if above is not None:
                # The instants are another machine's.
                span = self._tracer.start_span(
                    name, _below(above), SpanKind.CONSUMER, start_time=min(at * 1_000_000, now)
                )
                span.end(now)
                made.append(traceparent_of(span.get_span_context()))
        return made

    def _context_of(self, traceparent: str) -> SpanContext | None:
        """Return the context of a span, with all that is known of it if it is a call of this process."""
        span = self._open.get(traceparent)
        if span is None:
            span = trace.get_current_span(_propagator.extract({"traceparent": traceparent}, NOWHERE))
        found = span.get_span_context()
        return found if found.is_valid else None


class _Drawn(RandomIdGenerator):
    """Gives a trace the id that its sampling was asked about."""

    drawn = 0

    def draw(self) -> int:
        """Return a new id, to be asked about."""
        return super().generate_trace_id()

    def generate_trace_id(self) -> int:
        """Return the id that is to be recorded, once; else a new one."""
        drawn, self.drawn = self.drawn, 0
        return drawn or self.draw()


class _Attached:
    """A context that is the one of now while a call lasts."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._token: Token[Context] | None = None

    def __enter__(self) -> None:
        self._token = contexts.attach(self._context)

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            contexts.detach(self._token)


class _Active(_Attached):
    """A span that is recorded while its call lasts."""

    __slots__ = ("_key", "_open", "_span")

    def __init__(self, span: Span, among: dict[str, Span]) -> None:
        super().__init__(trace.set_span_in_context(span, NOWHERE))
        self._span = span
        self._open = among
        self._key = traceparent_of(span.get_span_context())

    def __enter__(self) -> None:
        self._open[self._key] = self._span
        super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        del self._open[self._key]
        self._span.end()


def opened(service: str) -> OpenTelemetry:
    """Return the tracing that the OTEL_… variables ask for; `service` is its name unless they give one."""
    told = {"service.name": service, "service.version": version("synckairos")}
    resource = Resource.create(told).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OpenTelemetry(provider)


def asked_receiver(patience_s: float = 2.0) -> str:
    """Send no spans to the receiver of the OTEL_… variables; return what is wrong, empty if it took them."""
    log = logging.getLogger(OTLPSpanExporter.__module__)
    # The exporter tells of its failures nowhere else.
    heard = BufferingHandler(capacity=sys.maxsize)
    log.addHandler(heard)
    try:
        outcome = OTLPSpanExporter(timeout=patience_s).export(())
    finally:
        log.removeHandler(heard)
    if outcome is SpanExportResult.SUCCESS:
        return ""
    return heard.buffer[0].getMessage() if heard.buffer else "no answer"


def traceparent_of(found: SpanContext) -> str:
    """Return the name of a span as W3C Trace Context writes it."""
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def _below(above: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(above), NOWHERE)


def _with_ids(_logger: object, _method: str, event: Any) -> Any:  # noqa: ANN401 - structlog's own type is as loose
    """Add the ids of the call of now to a line of the log."""
    span = trace.get_current_span()
    found = span.get_span_context()
    # What a call has begun may outlive it, and is not the call's any more.
    if found.is_valid and (span.is_recording() or isinstance(span, NonRecordingSpan)):
        event["trace_id"], event["span_id"] = f"{found.trace_id:032x}", f"{found.span_id:016x}"
    return event
