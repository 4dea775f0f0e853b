"""The edge's decision on one request: which route, who is it, may they, is it well-formed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.credentials import Credentials
from edge.routes import Route, RouteTable, is_int32
from services.kit import access
from services.kit.caller import IDENTITY_HEADER, Caller
from services.kit.errors import Failure, Invalid, NotFound, Retryable, Unauthenticated
from services.kit.failures import HTTP_BODY, HTTP_CODE, RETRY_AFTER, status_of

# Basic is taken too; named here, a browser would ask its user for a password.
# Tells Envoy the HTTP status of a success that is not 200. From the service it would be one message more.
SUCCESS_HEADER = "x-segops-success"
CHALLENGE = 'Bearer realm="segops", ApiKey realm="segops"'


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
    identity_key: Ed25519PrivateKey
    used: Callable[[Caller], None]

    async def decide(self, method: str, target: str, headers: Headers) -> Answer:
        """The decision on `method` and `target` (path and query as they were sent, without trailing slash)."""
        try:
            path, _, query = target.partition("?")
            route = self._route(method, path, headers.get("content-type") or "")
            known = self.credentials.anonymous
            authorization = headers.get("authorization")
            if authorization and route.access != access.Access.ACCESS_PUBLIC:
                known = await self.credentials.resolve(authorization, headers.get("x-tenant-slug") or "")
            access.require(route.access, known.caller)
            check_body(route, headers)
            check_query(route, query)
        except Failure as failure:
            return refuse(failure)
        self.used(known.caller)
        decided = [(IDENTITY_HEADER, known.signed_identity(self.identity_key))]
        if route.success_status:
            decided.append((SUCCESS_HEADER, str(route.success_status)))
        return Answer(status=200, headers=decided)

    def _route(self, method: str, path: str, content_type: str) -> Route:
        if content_type.startswith("application/grpc"):
            route = self.routes.rpc(path)
            if route is None or method != "POST":
                raise NotFound
            return route
        methods = self.routes.rest(path)
        if methods is None:
            raise NotFound
        if method not in methods:
            raise MethodNotAllowed(sorted(methods))
        return methods[method]


def check_body(route: Route, headers: Headers) -> None:
    """Raises UnsupportedMediaType when a body is sent as something else than JSON."""
    content_type = (headers.get("content-type") or "").partition(";")[0].strip().lower()
    if route.has_body and content_type not in ("", "application/json"):
        raise UnsupportedMediaType


def check_query(route: Route, query: str) -> None:
    """Raises Invalid with every whole number in the query that is none: the transcoder would say it in its own way."""
    if not query or not route.query_integers:
        return
    wrong = {
        name: [f"'{value[:40]}' is not a whole number."]
        for name, value in parse_qsl(query, keep_blank_values=True)
        if name in route.query_integers and not is_int32(value)
    }
    if wrong:
        raise Invalid(wrong)


def refuse(failure: Failure) -> Answer:
    """A failure as the answer Envoy gives to the client.

    The JSON body travels in a header and Envoy's Lua puts it in place; the message is for gRPC clients.
    """
    extra: list[tuple[str, str]] = []
    if isinstance(failure, MethodNotAllowed):
        status, extra = 405, [("allow", ", ".join(failure.allowed))]
    elif isinstance(failure, UnsupportedMediaType):
        status = 415
    else:
        status = status_of(failure)[1]
    if isinstance(failure, Unauthenticated):
        extra = [("www-authenticate", CHALLENGE)]
    if isinstance(failure, Retryable):
        extra = [(RETRY_AFTER, str(failure.retry_after_seconds))]
    headers = [(HTTP_CODE, str(status)), (HTTP_BODY, json.dumps(failure.body())), *extra]
    return Answer(status=status, headers=headers, message=failure.detail)
