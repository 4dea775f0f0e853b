"""A load generator that leaves the cores to what it measures: few connections, raw HTTP/1.1 requests made before."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self, cast

CONNECTIONS = 8
# An answer that takes longer is an error.
ANSWER_SECONDS = 30.0
# No chunk of ours has line breaks in it.
LAST_CHUNK = b"0\r\n\r\n"


class Answer(NamedTuple):
    """A response: its status and its body."""

    status: int
    body: bytes


class LoadFailed(Exception):
    """Requests were not answered as they should be."""


@dataclass
class Load:
    """What was answered: latencies in seconds, from when a request was due to its answer; errors in words."""

    seconds: float = 0.0
    generator_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many were answered as they should be."""
        return len(self.latencies)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    def __iadd__(self, later: Self) -> Self:
        """Both together, as if one had followed the other at once."""
        self.seconds += later.seconds
        self.generator_seconds += later.generator_seconds
        self.latencies += later.latencies
        self.errors += later.errors
        return self

    def raise_errors(self) -> None:
        """Raises LoadFailed with the first error if there is any: a rate with errors in it says nothing."""
        if self.errors:
            total = len(self.errors) + self.requests
            raise LoadFailed(f"{len(self.errors)} of {total} requests failed; the first: {self.errors[0]}")


def quantile(values: Sequence[float], percentile: float) -> float:
    """The value that `percentile` per cent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percentile / 100))]


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request at a time."""

    def __init__(self) -> None:
        self._received = b""
        self._answered: asyncio.Future[Answer] | None = None

    async def ask(self, request: bytes) -> Answer:
        """Sends a request. Raises ConnectionError, or TimeoutError when the answer does not come."""
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._answered

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        answer = whole_answer(self._received)
        if answer is not None and self._answered is not None:
            self._received = b""
            self._answered.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("the server closed the connection"))


def whole_answer(received: bytes) -> Answer | None:
    """The response if all of it is there. It says how long its body is, or sends it in chunks, which are left in it."""
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return None
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        return Answer(int(head[9:12]), body) if body.endswith(LAST_CHUNK) else None
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    if not found:
        raise ValueError(f"an answer without content-length: {head.decode(errors='replace')}")
    return Answer(int(head[9:12]), body) if len(body) >= int(rest.partition(b"\r\n")[0]) else None


async def connect(port: int) -> Connection:
    """A connection to a server on this machine."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


async def run_load(
    port: int,
    requests: Iterator[bytes],
    *,
    is_right: Callable[[Answer], bool],
    seconds: float,
    rate: float | None = None,
    connections: int = CONNECTIONS,
    done: Callable[[int], object] = lambda _: None,
) -> Load:
    """Sends requests for so many seconds, each connection the next when it has its answer, or `rate` a second in all.

    `done` is told each number of answers. Wrong answers are in the result's errors.
    """
    load = Load()
    lanes = [await connect(port) for _ in range(connections)]
    started, cpu = time.perf_counter(), time.process_time()
    due_times = itertools.count(started, 1 / rate) if rate else None

    async def lane(connection: Connection) -> None:
        while (due := next(due_times) if due_times else time.perf_counter()) < started + seconds:
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            try:
                answer = await connection.ask(next(requests))
            except (OSError, ValueError) as error:
                load.errors.append(repr(error))
                return
            if not is_right(answer):
                load.errors.append(f"{answer.status} {answer.body.decode(errors='replace')[:200]}")
            else:
                load.latencies.append(time.perf_counter() - due)
            done(1)

    await asyncio.gather(*map(lane, lanes))
    load.seconds, load.generator_seconds = time.perf_counter() - started, time.process_time() - cpu
    for connection in lanes:
        connection.close()
    return load


def request(method: str, path: str, *, authorization: str = "", body: bytes = b"") -> bytes:
    """A request's bytes."""
    lines = [f"{method} {path} HTTP/1.1", "host: bench", "content-type: application/json"]
    if authorization:
        lines.append(f"authorization: {authorization}")
    lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
