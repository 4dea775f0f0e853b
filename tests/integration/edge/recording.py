"""What Envoy hands on, and what it asked before: services and an authz that let everybody in and say what came."""

from __future__ import annotations

import base64
import json
import socketserver
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from threading import Thread
from typing import Any

import grpc

from edge.app import TARGET_HEADER
from edge.decision import find
from edge.public_services import PUBLIC_SERVICES, public_services
from edge.routes import RouteTable
from services.kit.caller import ADDRESS_HEADER, IDENTITY_HEADER, URL_HEADER
from services.kit.errors import Failure
from services.kit.failures import HTTP_BODY, HTTP_CODE
from services.kit.settings import Settings

ROUTES = RouteTable(public_services())


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request: the RPC, the headers and the message a service got, and what authz was asked about it."""

    rpc: str
    headers: Sequence[tuple[str, str]]
    message: bytes
    method: str
    asked: Mapping[str, str]

    def values(self, name: str) -> list[str]:
        """All that a service got under a name."""
        return [value for sent, value in self.headers if sent == name]

    @property
    def address(self) -> str:
        """The client's, as the service was told."""
        return self.values(ADDRESS_HEADER)[0]

    @property
    def url(self) -> str:
        """The client's, as the service was told."""
        return self.values(URL_HEADER)[0]

    @property
    def target(self) -> str:
        """Path and query, as authz was asked."""
        return self.asked[TARGET_HEADER]

    @property
    def content_type(self) -> str:
        """As authz was asked."""
        return self.asked.get("content-type", "")


def seen(body: bytes) -> Seen:
    """What an answer of the services says that came."""
    told = json.loads(body)
    headers = [(name, value) for name, value in told["headers"]]
    judged = json.loads(next(value for name, value in headers if name == IDENTITY_HEADER))
    return Seen(rpc=told["rpc"], headers=headers, message=base64.b64decode(told["message"]), **judged)


@contextmanager
def recording(settings: Settings) -> Iterator[None]:
    """Everything behind Envoy, on the addresses of a platform."""
    with ExitStack() as stack:
        for name in PUBLIC_SERVICES:
            stack.enter_context(_service(settings.address(name)))
        stack.enter_context(_authz(settings.address("authz")))
        yield


@contextmanager
def _service(address: str) -> Iterator[None]:
    server = grpc.server(ThreadPoolExecutor(4), handlers=[_Anything()])
    server.add_insecure_port(address)
    server.start()
    try:
        yield
    finally:
        server.stop(grace=None).wait()


class _Anything(grpc.GenericRpcHandler):
    """Refuses every RPC with what came of it, which Envoy makes the body of an answer 200."""

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        headers = [(name, value if isinstance(value, str) else value.hex()) for name, value in call.invocation_metadata]

        def tell(messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            message = base64.b64encode(b"".join(messages)).decode()
            told = json.dumps({"rpc": call.method, "headers": headers, "message": message})
            context.set_trailing_metadata(((HTTP_CODE, "200"), (HTTP_BODY, told)))
            context.set_code(grpc.StatusCode.INTERNAL)
            return iter(())

        return grpc.stream_stream_rpc_method_handler(tell)


class _Judge(BaseHTTPRequestHandler):
    """Lets everybody in where there is a route, and writes what it was asked where the caller's identity belongs."""

    protocol_version = "HTTP/1.1"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._admit
        raise AttributeError(name)

    def _admit(self) -> None:
        asked = {name.lower(): value for name, value in self.headers.items()}
        path = asked[TARGET_HEADER].partition("?")[0]
        route = find(ROUTES, self.command, path, asked.get("content-type", ""))
        self.send_response(404 if isinstance(route, Failure) else 200)
        self.send_header(IDENTITY_HEADER, json.dumps({"method": self.command, "asked": asked}))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing: thousands of requests come."""


@contextmanager
def _authz(address: str) -> Iterator[None]:
    server = socketserver.ThreadingUnixStreamServer(address.removeprefix("unix:"), _Judge)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
