"""HTTP/1.1 to the byte: whatever is sent, with all that is answered."""

import socket
from contextlib import suppress
from dataclasses import dataclass
from http.client import parse_headers
from typing import BinaryIO

PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer as it came. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def throw(port: int, raw: bytes) -> list[Answer]:
    """The answers to bytes that may be a request, several or none, until the other side closes or says that it will.

    Raises TimeoutError when it waits for more.
    """
    answers: list[Answer] = []
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection,
        connection.makefile("rb") as file,
    ):
        connection.sendall(raw)
        with suppress(ConnectionError):
            while line := file.readline():
                answers.append(_read(line, file))
                if answers[-1].headers.get("connection") == "close":
                    break
    return answers


def _read(line: bytes, file: BinaryIO) -> Answer:
    headers = {name.lower(): value for name, value in parse_headers(file).items()}
    is_chunked = headers.get("transfer-encoding") == "chunked"
    body = _chunks(file) if is_chunked else file.read(int(headers.get("content-length", 0)))
    return Answer(status=int(line.split()[1]), headers=headers, body=body)


def _chunks(file: BinaryIO) -> bytes:
    parts = []
    while size := int(file.readline(), 16):
        parts.append(file.read(size))
        file.readline()
    file.readline()
    return b"".join(parts)
