"""HTTP/2 with headers that no client library would send."""

import socket
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

Header = tuple[bytes, bytes]
Key = TypeVar("Key", bound=Hashable)

PATIENCE_SECONDS = 20.0
READ_BYTES = 64 * 1024
STREAM = 1


@dataclass(kw_only=True)
class Answer:
    """What came of one stream. Headers and trailers are together; there are none when it was cut off."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_over: bool = False

    @property
    def status(self) -> int | None:
        """Of HTTP."""
        return int(self.headers[":status"]) if self.headers else None

    @property
    def grpc_status(self) -> int:
        """Of a gRPC call; gRPC-Web has it at the end of the body."""
        said = self.headers.get("grpc-status") or self.body.partition(b"grpc-status:")[2].split()[0]
        return int(said)


def request(port: int, method: bytes, path: bytes, *headers: Header) -> list[Header]:
    """The headers of a request as it ought to be."""
    host = b"127.0.0.1:%d" % port
    return [(b":method", method), (b":scheme", b"http"), (b":authority", host), (b":path", path), *headers]


def rpc(port: int, path: bytes, *headers: Header) -> list[Header]:
    """The headers of a gRPC call as it ought to be."""
    return request(port, b"POST", path, (b"content-type", b"application/grpc"), (b"te", b"trailers"), *headers)


# An empty message.
NOTHING = b"\0\0\0\0\0"


def ask(port: int, headers: Sequence[Header], body: bytes = b"", trailers: Sequence[Header] = ()) -> Answer:
    """What came of a request. Raises TimeoutError when nothing does."""
    connection = H2Connection(
        H2Configuration(
            header_encoding="utf-8",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
        )
    )
    connection.initiate_connection()
    connection.send_headers(STREAM, headers, end_stream=not body and not trailers)
    if body:
        connection.send_data(STREAM, body, end_stream=not trailers)
    if trailers:
        connection.send_headers(STREAM, trailers, end_stream=True)
    answer = Answer()
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as wire, suppress(ConnectionError):
        wire.sendall(connection.data_to_send())
        while not answer.is_over and (received := wire.recv(READ_BYTES)):
            for event in connection.receive_data(received):
                _note(answer, event)
            wire.sendall(connection.data_to_send())
    return answer


def ask_all(port: int, requests: Mapping[Key, Sequence[Header]]) -> dict[Key, Answer]:
    """What came of each request. A connection that is cut off ends a second later: they are all sent at a time."""
    with ThreadPoolExecutor(len(requests)) as pool:
        return dict(zip(requests, pool.map(lambda headers: ask(port, headers), requests.values()), strict=True))


def _note(answer: Answer, event: Event) -> None:
    match event:
        case ResponseReceived(headers=headers) | TrailersReceived(headers=headers):
            answer.headers |= {str(name): str(value) for name, value in headers or ()}
        case DataReceived(data=data):
            answer.body += data or b""
        case StreamEnded() | StreamReset() | ConnectionTerminated():
            answer.is_over = True
