"""Lines that a query yields, from its thread to the event loop, no more ahead than a caller can take."""

import asyncio
import logging
import threading
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import closing, suppress
from typing import BinaryIO, cast

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from services.kit.errors import Failure, Unavailable
from services.warehouse import store
from services.warehouse.engine import Engine, Lane

log = logging.getLogger("warehouse")

CHUNK_BYTES = 1024 * 1024
# Chunks that wait for a caller who reads slower than the engine answers.
WAITING_CHUNKS = 4
# A caller who takes nothing for this long is gone.
STALL_SECONDS = 30.0
BROKEN_OFF = b"\r\n"


async def stream_lines(engine: Engine, lane: Lane, query_with: Callable[[str], str]) -> AsyncGenerator[bytes, None]:
    """Chunks of whole lines in PostgreSQL's COPY text. The query ends when the caller stops reading.

    `query_with` makes the statement with a tag in a comment, by which it is found to be stopped.
    """
    flow = _Flow()
    tag = uuid.uuid4().hex
    pumping = asyncio.ensure_future(lane.ask(lambda client: _pump(client, query_with(tag), flow)))
    pumping.add_done_callback(flow.end)
    try:
        while (chunk := await flow.take()) is not None:
            yield chunk
        await pumping
    finally:
        flow.stop()
        if not pumping.done():
            await stop(engine, tag)


async def stop(engine: Engine, tag: str) -> None:
    """Ends the queries with a tag, if they still run."""
    with suppress(ClickHouseError, Failure):
        await engine.lookups.run(lambda client: store.kill(client, tag, engine.layout))


class _Flow:
    """Chunks from a thread to the event loop, a bounded number of them waiting."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = threading.Semaphore(WAITING_CHUNKS)
        self._stopped = False

    def put(self, chunk: bytes) -> bool:
        """Called by the thread; waits for room. False when nobody takes chunks any more."""
        if not self._room.acquire(timeout=STALL_SECONDS) or self._stopped:
            return False
        self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)
        return True

    async def take(self) -> bytes | None:
        """The next chunk; None at the end."""
        chunk = await self._chunks.get()
        self._room.release()
        return chunk

    def end(self, pumping: "asyncio.Future[None]") -> None:
        """Nothing follows, because the thread is done or has failed."""
        if not pumping.cancelled():
            pumping.exception()
        self._chunks.put_nowait(None)

    def stop(self) -> None:
        """Nobody takes chunks any more."""
        self._stopped = True
        self._room.release()


def _pump(client: Client, query: str, flow: _Flow) -> None:
    with closing(cast(BinaryIO, client.raw_stream(query, fmt="TabSeparated"))) as source:
        for chunk in _whole_lines(source):
            if not flow.put(chunk):
                raise Unavailable


def _whole_lines(source: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while data := _read(source):
        whole, end, rest = (rest + data).rpartition(b"\n")
        if end:
            yield whole + end


def _read(source: BinaryIO) -> bytes:
    """The next bytes. Raises Unavailable when a server broke off, which says why in the midst of the rows."""
    try:
        data = source.read(CHUNK_BYTES)
    except HTTPError as error:
        raise Unavailable from error
    # Rows have no carriage return that is not escaped.
    if BROKEN_OFF in data:
        log.error("the warehouse broke off: %s", data.partition(BROKEN_OFF)[2][:1000].decode(errors="replace"))
        raise Unavailable
    return data
