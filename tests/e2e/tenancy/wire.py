"""HTTP/1.1 to the byte: requests that no client library would send, on connections that are kept."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

PATIENCE_SECONDS = 60.0
MOST_BYTES = 64 * 2**20
NO_BODY = (204, 304)
# Each connection is from somewhere else, as far as limits of addresses go.
_addresses = (f"127.9.{high}.{low}" for high in itertools.count() for low in range(1, 255))

Header = tuple[bytes, bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A request as it is sent. Its framing, host and length, is added."""

    method: bytes
    target: bytes
    headers: Sequence[Header] = ()
    body: bytes | None = None

    def encoded(self, host: bytes) -> bytes:
        """All of its bytes."""
        headers = [(b"host", host), *self.headers]
        if self.body is not None:
            headers.append((b"content-length", str(len(self.body)).encode()))
        lines = [b"%s %s HTTP/1.1" % (self.method, self.target), *(b"%s: %s" % header for header in headers)]
        return b"\r\n".join([*lines, b"", self.body or b""])


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer as it came. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """Head and body, to search in."""
        return f"{self.headers} {self.body.decode('utf-8', 'replace')}"


class Connection:
    """One connection at a time, opened anew when the other side has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._address = next(_addresses)
        self._host = f"127.0.0.1:{port}".encode()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    async def ask(self, sent: Sent) -> Answer:
        """The answer to a request. Raises OSError or EOFError when there is none, TimeoutError after a minute."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            is_kept = self._streams is not None
            try:
                return await self._exchange(sent)
            except (ConnectionError, EOFError):
                # Closed while it waited for the next request; nobody can know before.
                if not is_kept:
                    raise
                return await self._exchange(sent)

    async def _exchange(self, sent: Sent) -> Answer:
        if self._streams is None:
            self._streams = await self._open()
        reader, writer = self._streams
        try:
            writer.write(sent.encoded(self._host))
            answer = await _read(reader, sent.method)
        except (OSError, EOFError, asyncio.CancelledError):
            self._close()
            raise
        if answer.headers.get("connection") == "close" or sent.method == b"CONNECT":
            self._close()
        return answer

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port, local_addr=(self._address, 0), limit=MOST_BYTES)

    def _close(self) -> None:
        if self._streams:
            self._streams[1].transport.abort()
        self._streams = None


async def _read(reader: asyncio.StreamReader, method: bytes) -> Answer:
    status, headers = 100, dict[str, str]()
    while status < 200:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        status = int(first.split(" ", 2)[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if method == b"HEAD" or status in NO_BODY:
        return Answer(status=status, headers=headers, body=b"")
    if headers.get("transfer-encoding") == "chunked":
        return Answer(status=status, headers=headers, body=await _chunks(reader))
    return Answer(status=status, headers=headers, body=await reader.readexactly(int(headers["content-length"])))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return b"".join(parts)
