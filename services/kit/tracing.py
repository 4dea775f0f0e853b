"""Traces: spans of what a process does, sent to a collector where the settings name one.

Without one nothing of OpenTelemetry is loaded, and a span costs a look at a variable. No span holds what a client sent:
names are those of RPCs, statements are without parameters, and exceptions are told by their kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from services.kit.settings import Settings

if TYPE_CHECKING:
    from services.kit.spans import Spans

# The W3C's header, in which the edge and calling services say of which trace a call is.
TRACE_HEADER = "traceparent"

_NOTHING: AbstractContextManager[None] = nullcontext()
_spans: Spans | None = None


def configure(process: str, settings: Settings) -> None:
    """Begins to make and send spans, where the settings say to whom."""
    global _spans  # noqa: PLW0603 - one for the process, as logging is
    if settings.otlp_endpoint:
        from services.kit.spans import Spans  # noqa: PLC0415 - not loaded else

        _spans = Spans(process, settings.otlp_endpoint, percent=settings.trace_percent)


def finish() -> None:
    """Sends what was not sent yet, as far as that takes no longer than a second."""
    if _spans:
        _spans.flush()


def is_on() -> bool:
    """Whether spans are made."""
    return _spans is not None


def span(name: str, /, **attributes: str | int) -> AbstractContextManager[None]:
    """A span around the block, within the current one; where there is none, as in a health check, none is made."""
    return _spans.span(name, attributes) if _spans else _NOTHING


def work(name: str, /, *, links: Iterable[str] = (), **attributes: str | int) -> AbstractContextManager[None]:
    """A trace of its own around the block. `links` are the trace headers of requests for which it is done."""
    return _spans.work(name, links, attributes) if _spans else _NOTHING


def served(name: str, sent: str | None) -> AbstractContextManager[None]:
    """A span around the answer to a call that came with this trace header."""
    return _spans.served(name, sent) if _spans else _NOTHING


def tell(attributes: Mapping[str, str | int], *, is_fault: bool) -> None:
    """Adds attributes to the current span, and whether it is a fault of ours."""
    if _spans:
        _spans.tell(attributes, is_fault=is_fault)


def headers() -> Mapping[str, str]:
    """What a call within the current span takes along."""
    return _spans.headers() if _spans else {}


def trace_id() -> str | None:
    """The trace of the current span, for logs."""
    return _spans.trace_id() if _spans else None
