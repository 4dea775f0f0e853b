"""The one server interceptor: request id, caller identity, permission, failures, and the access log."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc

from services.kit import access, traced
from services.kit.access import Access
from services.kit.caller import (
    IDENTITY_HEADER,
    REQUEST_ID_HEADER,
    URL_HEADER,
    Caller,
    Request,
    current_request,
    enter_request,
)
from services.kit.errors import Failure
from services.kit.failures import HTTP_BODY, HTTP_CODE, Metadata, status_of, to_metadata
from services.kit.metrics import RpcMeter
from services.kit.reading import Reader

if TYPE_CHECKING:
    # Not for processes without PostgreSQL.
    from services.kit.idempotency import Answers

log = logging.getLogger("rpc")

Authenticate = Callable[[Mapping[str, str]], Caller]

# What a caller is told of the unexpected; the log has it whole, under the request id.
BLANK = "Internal error."

# Infrastructure that answers without an identity: it tells nothing about tenants.
OPEN_SERVICES = ("/grpc.health.v1.Health/", "/grpc.reflection.")


# Reads and events come by the thousand a second, and a line for each costs an eighth of their time: at level INFO only
# those that fail or are slow are logged. What changes something is logged always.
FREQUENT = (Access.ACCESS_READ, Access.ACCESS_INGEST, Access.ACCESS_TRACK, *access.INSIDE)
SLOW_SECONDS = 0.5


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every RPC of a service.

    A failure is answered with its public body in trailing metadata; the unexpected is logged whole and answered blank.
    """

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate
        # Where answers to requests with an idempotency key are kept; needed for POST routes.
        self.answers: Answers | None = None
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        method = handler_call_details.method
        if method in self._wrapped:
            return self._wrapped[method]
        handler = await continuation(handler_call_details)
        if handler is None or method.startswith(OPEN_SERVICES):
            return handler
        self._wrapped[method] = self._wrap(method, handler)
        return self._wrapped[method]

    def _wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        rpc = access.declared(method)
        if rpc is None:
            raise LookupError(f"{method} is not in the protos")
        guard = _Guard(method, rpc, self._authenticate, Reader(handler))
        kind = "_".join(
            "stream" if side else "unary" for side in (handler.request_streaming, handler.response_streaming)
        )
        behaviour = getattr(handler, kind)
        if rpc.is_api_post:
            if self.answers is None:
                raise LookupError(f"{method} has nowhere to keep its answers")
            behaviour = self.answers.once(method, behaviour)
        if handler.response_streaming:
            streaming = traced.rpc(method, guard.stream(behaviour), is_stream=True)
            return grpc.stream_stream_rpc_method_handler(streaming, None, handler.response_serializer)
        answering = traced.rpc(method, guard.unary(behaviour), is_stream=False)
        return grpc.stream_unary_rpc_method_handler(answering, None, handler.response_serializer)


class _Guard:
    """What surrounds each call of one RPC."""

    def __init__(self, method: str, rpc: access.Rpc, authenticate: Authenticate, reader: Reader) -> None:
        self._method = method
        self._rpc = rpc
        self._authenticate = authenticate
        self._reader = reader
        self._level = logging.DEBUG if rpc.access in FREQUENT else logging.INFO
        self._meter = RpcMeter(method)

    def unary(self, inner: Any) -> Any:
        async def guarded(sent: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            started = time.perf_counter()
            try:
                self._enter(context)
                response = await inner(await self._reader.read(sent, context), context)
            except asyncio.CancelledError:
                self._meter.note("CANCELLED", time.perf_counter() - started)
                raise
            except Exception as error:
                await self._fail(error, context, started)
                raise
            if headers := _replay_metadata():
                # Envoy's transcoder passes headers on, not trailers.
                await context.send_initial_metadata(headers)
            self._log("OK", started)
            return response

        return guarded

    def stream(self, inner: Any) -> Any:
        async def guarded(
            sent: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]
        ) -> AsyncIterator[Any]:
            started = time.perf_counter()
            try:
                self._enter(context)
                async for response in inner(await self._reader.read(sent, context), context):
                    yield response
            except (asyncio.CancelledError, GeneratorExit):
                self._meter.note("CANCELLED", time.perf_counter() - started)
                raise
            except Exception as error:
                await self._fail(error, context, started)
                raise
            self._log("OK", started)

        return guarded

    def _enter(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        # Every call of it decodes all again.
        metadata = tuple(context.invocation_metadata() or ())
        sent = {key: value for key, value in metadata if isinstance(value, str)}
        request = Request(
            id=sent.get(REQUEST_ID_HEADER) or str(uuid.uuid4()), url=sent.get(URL_HEADER, ""), metadata=metadata
        )
        enter_request(request)
        caller = self._authenticate(sent)
        enter_request(replace(request, caller=caller, token=sent.get(IDENTITY_HEADER, "")))
        access.require(self._rpc.access, caller)

    async def _fail(self, error: Exception, context: grpc.aio.ServicerContext[Any, Any], started: float) -> None:
        if isinstance(error, grpc.aio.AbortError):
            return
        if isinstance(error, Failure):
            code, _ = status_of(error)
            self._log(code.name, started)
            await context.abort(code, error.detail, to_metadata(error) + _replay_metadata())
        self._meter.note("INTERNAL", time.perf_counter() - started)
        log.error("unexpected failure", exc_info=error, extra={"rpc": self._method})
        await context.abort(
            grpc.StatusCode.INTERNAL, BLANK, ((HTTP_CODE, "500"), (HTTP_BODY, f'{{"detail": "{BLANK}"}}'))
        )

    def _log(self, code: str, started: float) -> None:
        seconds = time.perf_counter() - started
        self._meter.note(code, seconds)
        level = self._level if code == "OK" and seconds < SLOW_SECONDS else logging.INFO
        if log.isEnabledFor(level):
            log.log(level, "rpc", extra={"rpc": self._method, "code": code, "duration_ms": round(seconds * 1000, 2)})


def _replay_metadata() -> Metadata:
    """Tells a client that the answer is the one it got, or missed, before."""
    return (("idempotent-replayed", "true"),) if current_request().is_replay else ()
