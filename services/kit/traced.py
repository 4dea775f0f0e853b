"""Spans where a process meets others: around the RPCs it answers, and the statements it sends to PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import grpc

from services.kit import tracing
from services.kit.caller import current_request
from services.kit.tracing import TRACE_HEADER

if TYPE_CHECKING:
    # Not for processes without PostgreSQL.
    from sqlalchemy.ext.asyncio import AsyncEngine

# What is the server's fault; other refusals are answers.
FAULTS = [code.value[0] for code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN)]
# In the words of OpenTelemetry's conventions.
DATABASE, STATEMENT = "db.system.name", "db.query.text"


def rpc(method: str, behaviour: Any, *, is_stream: bool) -> Any:
    """The behaviour of an RPC, with a span around each call; the same when no spans are made."""
    if not tracing.is_on():
        return behaviour
    name = method.removeprefix("/")

    async def unary(sent: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        with tracing.served(name, _sent_trace(context)):
            try:
                return await behaviour(sent, context)
            finally:
                _tell(context)

    async def stream(sent: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        with tracing.served(name, _sent_trace(context)):
            try:
                async for response in behaviour(sent, context):
                    yield response
            finally:
                _tell(context)

    return stream if is_stream else unary


def statement(text: str) -> AbstractContextManager[None]:
    """A span around a statement; `text` without parameters."""
    return tracing.span(text.split(maxsplit=1)[0], **{DATABASE: "postgresql", STATEMENT: text})


def statements(engine: AsyncEngine) -> None:
    """Makes a span around each statement of an engine, when spans are made at all."""
    if not tracing.is_on():
        return
    from sqlalchemy import event  # noqa: PLC0415 - not for processes without PostgreSQL

    # One connection sends one statement at a time.
    def begin(connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        connection.info["span"] = statement(text)
        connection.info["span"].__enter__()

    def end(connection: Any, *_: Any) -> None:
        connection.info.pop("span").__exit__(None, None, None)

    def fail(failed: Any) -> None:
        if failed.connection is not None and (span := failed.connection.info.pop("span", None)):
            error = failed.original_exception
            try:
                span.__exit__(type(error), error, error.__traceback__)
            except type(error):
                return

    event.listen(engine.sync_engine, "before_cursor_execute", begin)
    event.listen(engine.sync_engine, "after_cursor_execute", end)
    event.listen(engine.sync_engine, "handle_error", fail)


def _number(context: grpc.aio.ServicerContext[Any, Any]) -> int:
    """The number of a call's status, which nobody sets for OK."""
    code: Any = context.code()
    return int(code.value[0]) if isinstance(code, grpc.StatusCode) else int(code or 0)


def _sent_trace(context: grpc.aio.ServicerContext[Any, Any]) -> str | None:
    return next((str(value) for name, value in context.invocation_metadata() or () if name == TRACE_HEADER), None)


def _tell(context: grpc.aio.ServicerContext[Any, Any]) -> None:
    request, code = current_request(), _number(context)
    told: dict[str, str | int] = {
        "rpc.grpc.status_code": code,
        "segops.request_id": request.id,
        "segops.tenant_id": request.caller.tenant_id,
    }
    tracing.tell(told, is_fault=code in FAULTS)
