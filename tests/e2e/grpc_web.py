"""gRPC-Web as a page sends it (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md), for unary requests."""

import base64
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import grpc
import httpx
from google.protobuf.message import Message

BINARY = ("application/grpc-web", "application/grpc-web+proto")
TEXT = ("application/grpc-web-text", "application/grpc-web-text+proto")
TRAILERS = 0x80
STATUS = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a call. `trailers` are those of the last frame, or the headers of an answer that has no message."""

    http: httpx.Response
    messages: list[bytes]
    trailers: Mapping[str, str]

    @property
    def status(self) -> grpc.StatusCode:
        return STATUS[int(self.trailers["grpc-status"])]


def call(client: httpx.Client, rpc: str, message: Message | bytes, kind: str = BINARY[1], **headers: str) -> Answer:
    """The answer to a call of the RPC at a gRPC path, after checking that it is gRPC-Web of the same kind."""
    encoded = message if isinstance(message, bytes) else message.SerializeToString()
    body = struct.pack(">BI", 0, len(encoded)) + encoded
    sent = {"content-type": kind, "accept": kind, "x-grpc-web": "1", **headers}
    return answered(client.post(rpc, content=base64.b64encode(body) if kind in TEXT else body, headers=sent), kind)


def answered(answer: httpx.Response, kind: str) -> Answer:
    """An answer, read."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == (TEXT if kind in TEXT else BINARY)[1]
    assert answer.headers["x-request-id"]
    read = list(_frames(_unpacked(answer.content) if kind in TEXT else answer.content))
    messages = [content for flags, content in read if not flags & TRAILERS]
    trailers = [content for flags, content in read if flags & TRAILERS]
    if not trailers:
        assert not messages
        return Answer(http=answer, messages=[], trailers=answer.headers)
    assert [flags for flags, _ in read] == [0] * len(messages) + [TRAILERS]
    lines = trailers[0].decode().strip().split("\r\n")
    return Answer(http=answer, messages=messages, trailers=dict(line.split(":", 1) for line in lines))


def _unpacked(text: bytes) -> bytes:
    """Text that was made piece by piece, each with its padding."""
    return b"".join(base64.b64decode(text[place : place + 4]) for place in range(0, len(text), 4))


def _frames(body: bytes) -> Iterator[tuple[int, bytes]]:
    while body:
        flags, length = struct.unpack(">BI", body[:5])
        assert len(body) >= 5 + length
        yield flags, body[5 : 5 + length]
        body = body[5 + length :]
