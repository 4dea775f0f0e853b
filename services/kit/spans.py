"""Spans by OpenTelemetry, sent by OTLP over gRPC. Loaded only where there is a collector (tracing.py)."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version

import grpc
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.kit.tracing import TRACE_HEADER

# A collector that does not answer must not hold a process up that ends.
FLUSH_SECONDS = 1.0
SEND_SECONDS = 5

Attributes = Mapping[str, str | int]


class Spans:
    """Makes spans and sends them, in batches and from a thread of its own."""

    def __init__(self, process: str, endpoint: str, *, percent: float) -> None:
        resource = Resource({"service.name": f"segops-{process}", "service.version": version("segops-platform")})
        # What the edge decided for a request holds in all services.
        sampler = ParentBasedTraceIdRatio(percent / 100)
        self._provider = TracerProvider(resource=resource, sampler=sampler, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"), timeout=SEND_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("segops")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, attributes: Attributes) -> Iterator[None]:
        """A span within the current one, if there is one."""
        if not trace.get_current_span().get_span_context().is_valid:
            yield
            return
        kind = SpanKind.CLIENT if "db.system.name" in attributes else SpanKind.INTERNAL
        with self._current(name, kind=kind, attributes=attributes):
            yield

    @contextmanager
    def work(self, name: str, links: Iterable[str], attributes: Attributes) -> Iterator[None]:
        """A trace of its own."""
        contexts = (trace.get_current_span(self._extract(link)).get_span_context() for link in links)
        linked = [Link(context) for context in contexts if context.is_valid]
        with self._current(name, context=Context(), links=linked, attributes=attributes):
            yield

    @contextmanager
    def served(self, name: str, sent: str | None) -> Iterator[None]:
        """A span within the one of the caller."""
        context = self._extract(sent) if sent else Context()
        with self._current(name, kind=SpanKind.SERVER, context=context):
            yield

    def tell(self, attributes: Attributes, *, is_fault: bool) -> None:
        """Adds attributes to the current span, and whether it is a fault of ours."""
        span = trace.get_current_span()
        span.set_attributes(attributes)
        if is_fault:
            span.set_status(Status(StatusCode.ERROR))

    def headers(self) -> Mapping[str, str]:
        """The current span as a header."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier

    def trace_id(self) -> str | None:
        """The trace of the current span; None outside any."""
        context = trace.get_current_span().get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid else None

    def flush(self) -> None:
        """Sends what waits, or gives up after a second."""
        flushing = threading.Thread(target=self._provider.force_flush, daemon=True)
        flushing.start()
        flushing.join(FLUSH_SECONDS)

    def _extract(self, header: str) -> Context:
        return self._propagator.extract({TRACE_HEADER: header}, context=Context())

    @contextmanager
    def _current(
        self,
        name: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        context: Context | None = None,
        links: Sequence[Link] = (),
        attributes: Attributes | None = None,
    ) -> Iterator[None]:
        # An exception's own text may hold what a client sent.
        with self._tracer.start_as_current_span(
            name,
            context=context,
            kind=kind,
            links=links,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except grpc.aio.AbortError:
                # A refusal; `tell` says which.
                raise
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR))
                span.set_attribute("error.type", type(error).__qualname__)
                raise
