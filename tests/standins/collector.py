"""An OpenTelemetry collector as far as traces are sent to it: OTLP over gRPC (opentelemetry-proto, trace/v1)."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SentSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status


@dataclass(frozen=True, kw_only=True)
class Span:
    """A span as it was sent; ids are in hexadecimal, `parent` is empty for the first of a trace."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    is_error: bool
    attributes: Mapping[str, str]
    links: Sequence[str]

    @classmethod
    def of(cls, service: str, sent: SentSpan) -> Self:
        return cls(
            service=service,
            name=sent.name,
            trace=sent.trace_id.hex(),
            id=sent.span_id.hex(),
            parent=sent.parent_span_id.hex(),
            is_error=sent.status.code == Status.STATUS_CODE_ERROR,
            attributes=_read(sent.attributes),
            links=[link.trace_id.hex() for link in sent.links],
        )


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps all spans, and all that came with them as text."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Span] = []
        self.received = ""

    def Export(  # noqa: N802 - the RPC's name
        self, request: pb.ExportTraceServiceRequest, context: Any
    ) -> pb.ExportTraceServiceResponse:
        self.received += str(request)
        for resource in request.resource_spans:
            service = _read(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                self.spans += [Span.of(service, span) for span in scope.spans]
        return pb.ExportTraceServiceResponse()

    def trace_of(self, request_id: str) -> list[Span]:
        """The spans of the trace of a request, once Envoy has sent its own."""
        traces = {span.trace for span in self.spans if span.attributes.get("guid:x-request-id") == request_id}
        return [span for span in self.spans if span.trace in traces]


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens at its `url` within the block."""
    collector, server = Collector(), grpc.server(ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    collector.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None)


def _read(attributes: Any) -> dict[str, str]:
    read: dict[str, str] = {}
    for attribute in attributes:
        assert isinstance(attribute, KeyValue)
        kind = attribute.value.WhichOneof("value")
        read[attribute.key] = str(getattr(attribute.value, kind)) if kind else ""
    return read
