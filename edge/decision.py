"""The edge's decision on one request: which route, who is it, how much, may they, is it well-formed."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import metrics
from edge.credentials import Credentials, Known
from edge.limits import Limits
from edge.parameters import check_query
from edge.routes import Route, RouteTable
from services.kit import access
from services.kit.caller import (
    ADDRESS_HEADER,
    CALLS_HEADER,
    IDENTITY_HEADER,
    REQUEST_ID_HEADER,
    Caller,
    current_request,
    enter_request,
)
from services.kit.errors import Failure, NotFound, Retryable, Unauthenticated
from services.kit.failures import HTTP_BODY, HTTP_CODE, RETRY_AFTER, status_of

# Tells Envoy the HTTP status of a success that is not 200. From the service it would be one message more.
SUCCESS_HEADER = "x-segops-success"
# Whose request it is, for Envoy's log.
TENANT_HEADER = "x-segops-tenant"
# The status of a refusal to gRPC. Envoy would make UNAVAILABLE of 429, and take no other word for it to gRPC-Web.
GRPC_STATUS = "x-grpc-status"
# Basic is taken too; named here, a browser would ask its user for a password.
CHALLENGE = 'Bearer realm="segops", ApiKey realm="segops"'
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED
ADMITTED = metrics.DECISIONS.labels("Admitted")


class NoRoute(NotFound):
    """Not found."""


class MethodNotAllowed(Failure):
    """Method not allowed."""

    def __init__(self, allowed: list[str]) -> None:
        super().__init__()
        self.allowed = allowed


class UnsupportedMediaType(Failure):
    """Send the body as application/json."""


class Headers(Protocol):
    """The request's headers, names in lower case."""

    def get(self, name: str, default: str | None = None) -> str | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What Envoy is told: 200 with headers for the service, or a refusal with headers and a message for the client."""

    status: int
    headers: list[tuple[str, str]]
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Door:
    """Decides. `used` is told of every admitted caller."""

    routes: RouteTable
    credentials: Credentials
    limits: Limits
    identity_key: Ed25519PrivateKey
    used: Callable[[Caller], None]

    async def decide(self, method: str, target: str, headers: Headers) -> Answer:
        """The decision on `method` and `target` (path and query as they were sent, without trailing slash)."""
        standing: list[tuple[str, str]] = []
        try:
            path, _, query = target.partition("?")
            found = find(self.routes, method, path, headers.get("content-type") or "")
            known = await self._caller(found, headers)
            enter_request(replace(current_request(), caller=known.caller))
            if known.caller.tenant_id:
                usage = await self.limits.tenant(known.caller.tenant_id, known.calls_per_minute)
                standing = usage.headers()
                usage.check()
            route = existing(found)
            access.require(route.access, known.caller)
            check_body(route, headers)
            check_query(route, query)
        except Failure as failure:
            metrics.DECISIONS.labels(type(failure).__name__).inc()
            return refuse(failure, standing)
        ADMITTED.inc()
        self.used(known.caller)
        decided = [(IDENTITY_HEADER, known.signed_identity(self.identity_key)), *standing]
        if known.caller.tenant_id:
            decided.append((TENANT_HEADER, str(known.caller.tenant_id)))
        if route.success_status:
            decided.append((SUCCESS_HEADER, str(route.success_status)))
        if route.tells_calls:
            decided.append((CALLS_HEADER, str(await self.limits.made(known.caller.tenant_id))))
        return Answer(status=200, headers=decided)

    async def _caller(self, found: Route | Failure, headers: Headers) -> Known:
        """Who calls. Raises what refuses credentials, and AddressExhausted for too many calls without good ones."""
        kind = found.access if isinstance(found, Route) else access.Access.ACCESS_UNSPECIFIED
        address = headers.get(ADDRESS_HEADER) or ""
        authorization = headers.get("authorization")
        if authorization and kind not in access.OPEN:
            slug, request_id = headers.get("x-tenant-slug") or "", headers.get(REQUEST_ID_HEADER) or ""
            return await self.credentials.resolve(authorization, slug, address, request_id)
        if kind != access.Access.ACCESS_SIGNED:
            await self.limits.stranger(address)
        return self.credentials.anonymous


def find(routes: RouteTable, method: str, path: str, content_type: str) -> Route | Failure:
    """The route, or why there is none: who asks for it is counted first."""
    # As Envoy tells gRPC from other requests; it has made gRPC of gRPC-Web.
    if f"{content_type}+".startswith("application/grpc+"):
        return (routes.rpc(path) if method == "POST" else None) or NoRoute()
    methods = routes.rest(path)
    if methods is None:
        return NoRoute()
    return methods.get(method) or MethodNotAllowed(sorted(methods))


def existing(found: Route | Failure) -> Route:
    """The route. Raises the failure."""
    if isinstance(found, Failure):
        raise found
    return found


def check_body(route: Route, headers: Headers) -> None:
    """Raises UnsupportedMediaType when a body is sent as something else than JSON."""
    content_type = (headers.get("content-type") or "").partition(";")[0].strip().lower()
    if route.has_body and content_type not in ("", "application/json"):
        raise UnsupportedMediaType


def refuse(failure: Failure, standing: Sequence[tuple[str, str]] = ()) -> Answer:
    """A failure as the answer Envoy gives to the client, with the caller's standing.

    The JSON body travels in a header and Envoy's Lua puts it in place; the message is for gRPC clients.
    """
    extra: list[tuple[str, str]] = []
    if isinstance(failure, MethodNotAllowed):
        grpc_status, status, extra = UNIMPLEMENTED, 405, [("allow", ", ".join(failure.allowed))]
    elif isinstance(failure, UnsupportedMediaType):
        grpc_status, status = UNIMPLEMENTED, 415
    else:
        grpc_status, status = status_of(failure)
    if isinstance(failure, NoRoute):
        grpc_status = UNIMPLEMENTED
    if isinstance(failure, Unauthenticated):
        extra = [("www-authenticate", CHALLENGE)]
    if isinstance(failure, Retryable):
        extra = [(RETRY_AFTER, str(failure.retry_after_seconds))]
    headers = [
        (HTTP_CODE, str(status)),
        (HTTP_BODY, json.dumps(failure.body())),
        (GRPC_STATUS, str(grpc_status.value[0])),
        *standing,
        *extra,
    ]
    return Answer(status=status, headers=headers, message=failure.detail)
