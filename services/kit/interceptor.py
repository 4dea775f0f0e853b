"""The one server interceptor: request id, caller identity, permission, failures, and the access log."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc

from services.kit import access
from services.kit.caller import (
    IDENTITY_HEADER,
    REQUEST_ID_HEADER,
    Caller,
    Request,
    enter_request,
)
from services.kit.errors import Failure
from services.kit.failures import HTTP_BODY, HTTP_CODE, status_of, to_metadata

log = logging.getLogger("rpc")

Authenticate = Callable[[Mapping[str, str]], Caller]

# What a caller is told of the unexpected; the log has it whole, under the request id.
BLANK = "Internal error."

# Infrastructure that answers without an identity: it tells nothing about tenants.
OPEN_SERVICES = ("/grpc.health.v1.Health/", "/grpc.reflection.")


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every RPC of a service.

    A failure is answered with its public body in trailing metadata; the unexpected is logged whole and answered blank.
    """

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(OPEN_SERVICES):
            return handler
        call = _Call(method, handler_call_details, self._authenticate)
        if handler.request_streaming:
            raise NotImplementedError(f"{method}: request streams have no guard yet")
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                call.stream(handler.unary_stream), handler.request_deserializer, handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(
            call.unary(handler.unary_unary), handler.request_deserializer, handler.response_serializer
        )


class _Call:
    """One call of one RPC."""

    def __init__(self, method: str, details: grpc.HandlerCallDetails, authenticate: Authenticate) -> None:
        self._method = method
        self._rpc = access.declared(method)
        self._metadata = {key: value for key, value in details.invocation_metadata or () if isinstance(value, str)}
        self._authenticate = authenticate
        self._started = time.perf_counter()

    def unary(self, inner: Any) -> Any:
        async def guarded(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            try:
                self._enter()
                response = await inner(request, context)
            except Exception as error:
                await self._fail(error, context)
                raise
            if self._rpc and self._rpc.success_status:
                # Envoy's transcoder passes headers on, not trailers.
                await context.send_initial_metadata(((HTTP_CODE, str(self._rpc.success_status)),))
            self._log("OK")
            return response

        return guarded

    def stream(self, inner: Any) -> Any:
        async def guarded(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            try:
                self._enter()
                async for response in inner(request, context):
                    yield response
            except Exception as error:
                await self._fail(error, context)
                raise
            self._log("OK")

        return guarded

    def _enter(self) -> None:
        request_id = self._metadata.get(REQUEST_ID_HEADER) or str(uuid.uuid4())
        enter_request(Request(id=request_id))
        caller = self._authenticate(self._metadata)
        enter_request(
            Request(
                id=request_id,
                caller=caller,
                token=self._metadata.get(IDENTITY_HEADER, ""),
                url=self._metadata.get("x-segops-url", ""),
            )
        )
        if self._rpc is None:
            raise LookupError(f"{self._method} is not in the protos")
        access.require(self._rpc.access, caller)

    async def _fail(self, error: Exception, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        if isinstance(error, grpc.aio.AbortError):
            return
        if isinstance(error, Failure):
            code, _ = status_of(error)
            self._log(code.name)
            await context.abort(code, error.detail, to_metadata(error))
        log.error("unexpected failure", exc_info=error, extra={"rpc": self._method})
        await context.abort(
            grpc.StatusCode.INTERNAL, BLANK, ((HTTP_CODE, "500"), (HTTP_BODY, f'{{"detail": "{BLANK}"}}'))
        )

    def _log(self, code: str) -> None:
        duration_ms = round((time.perf_counter() - self._started) * 1000, 2)
        log.info("rpc", extra={"rpc": self._method, "code": code, "duration_ms": duration_ms})
