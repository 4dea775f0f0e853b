"""A small HTTP/1.1 server that a stand-in is made of."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from tests.standins.mischief import Fault, Mischief

START_SECONDS = 10.0
MOST_HEADER_BYTES = 256 * 1024

# What a request changes in a set of users: who, and whether they are in it afterwards.
Changes = Sequence[tuple[str, bool]]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it arrived. Names of headers are in lower case; `size` is that of its first line, in bytes."""

    method: str
    size: int
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        """The body; None when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, kw_only=True)
class Response:
    """What is answered, and what taking the request changes."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    changes: Changes = ()
    # Which of the stand-in's sets the changes are made to.
    where: str = ""


def json_response(
    status: int,
    body: object,
    *,
    headers: Mapping[str, str] | None = None,
    changes: Changes = (),
    where: str = "",
    kind: str = "application/json",
) -> Response:
    """An answer in JSON."""
    return Response(
        status=status,
        body=json.dumps(body).encode(),
        headers={"Content-Type": kind, **(headers or {})},
        changes=changes,
        where=where,
    )


class StandIn:
    """What all stand-ins have: an address, a plan of mischief, and the requests that came.

    A subclass answers requests and makes changes; both happen in the server's thread, one at a time.
    """

    def __init__(self, *, mischief: Mischief | None = None) -> None:
        self.mischief = mischief or Mischief()
        self.url = ""
        # Requests that arrived, and those that were taken, whole or in part.
        self.arrived = 0
        self.taken = 0

    def answer(self, request: Request) -> Response:
        """What the vendor would answer, and change. Must not change anything itself."""
        raise NotImplementedError

    def change(self, where: str, changes: Changes) -> None:
        """Makes changes of a response."""
        raise NotImplementedError

    def throttled(self, seconds: int) -> Response:
        """The vendor's answer to one who calls too often."""
        return json_response(429, {"message": "rate limited"}, headers={"Retry-After": str(seconds)})

    def broken(self) -> Response:
        """The vendor's answer when something is wrong with it."""
        return Response(status=503, body=b"<html>Service Unavailable</html>", headers={"Content-Type": "text/html"})

    async def respond(self, request: Request) -> Response | None:
        """What is answered under the plan; None drops the connection."""
        self.arrived += 1
        fault = self.mischief.next()
        if fault is Fault.DROP_BEFORE:
            return None
        if fault is Fault.HANG:
            await asyncio.sleep(self.mischief.hang_seconds)
            return None
        if fault is Fault.THROTTLE:
            return self.throttled(self.mischief.retry_after)
        if fault is Fault.FAIL_BEFORE:
            return self.broken()
        response = self.answer(request)
        self._take(response, partly=fault is Fault.PARTLY)
        if fault is Fault.SLOW:
            await asyncio.sleep(self.mischief.slow_seconds)
        if fault is Fault.DROP_AFTER:
            return None
        if fault in (Fault.FAIL_AFTER, Fault.PARTLY) and response.status < 400:
            return self.broken()
        return response

    def _take(self, response: Response, *, partly: bool) -> None:
        if response.status < 400:
            self.taken += 1
        changes = response.changes
        self.change(response.where, changes[: len(changes) // 2] if partly else changes)


S = TypeVar("S", bound=StandIn)


@contextmanager
def serving(standin: S) -> Iterator[S]:
    """The stand-in, on a port of its own within the block."""
    server = _Server(standin)
    server.start()
    try:
        yield standin
    finally:
        server.stop()


class _Server:
    """Serves a stand-in in a thread."""

    def __init__(self, standin: StandIn) -> None:
        self._standin = standin
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(START_SECONDS)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(START_SECONDS)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=MOST_HEADER_BYTES)
        self._standin.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stopped.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.ensure_future(self._converse(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while response := await self._standin.respond(await _read(reader)):
                    writer.write(_encoded(response))
                    await writer.drain()
        finally:
            # What is dropped is dropped at once, as by a server that died.
            writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    parts = urlsplit(target)
    return Request(
        method=method,
        size=len(first),
        path=unquote(parts.path),
        query=parse_qs(parts.query, keep_blank_values=True),
        headers=headers,
        body=await reader.readexactly(int(headers.get("content-length", "0"))),
    )


def _encoded(response: Response) -> bytes:
    lines = [f"HTTP/1.1 {response.status} Status"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    if response.status != 204:
        lines.append(f"Content-Length: {len(response.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + response.body
