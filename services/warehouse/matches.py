"""Evaluating definitions: count and sample, or every matching user as a stream."""

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, cast

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from services.definition import DefinitionError, parse
from services.kit.errors import Failure, Invalid, Unavailable
from services.warehouse import store
from services.warehouse.compiler import compile_definition
from services.warehouse.engine import Engine

CHUNK_BYTES = 1024 * 1024
# Chunks that wait for a caller who reads slower than the engine answers.
WAITING_CHUNKS = 4
# A caller who takes nothing for this long is gone.
STALL_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What a definition matches; `sql` is the statement that yields the user ids."""

    matched_users: int
    sample_user_ids: list[str]
    sql: str


def compiled(definition: str, tenant_id: int, now: datetime) -> str:
    """The SQL of a definition given as JSON text. Raises Invalid with every error in it."""
    try:
        raw = json.loads(definition)
    except (ValueError, RecursionError) as error:
        raise Invalid({"definition": [f"is not JSON: {error}"]}) from error
    try:
        return compile_definition(parse(raw), tenant_id=tenant_id, now=now).sql
    except DefinitionError as error:
        raise Invalid({"definition": error.errors}) from error


async def preview(engine: Engine, sql: str, sample: int) -> Preview:
    """Counts the users that `sql` yields and takes the first `sample` in byte order."""
    tag = uuid.uuid4().hex
    try:
        count, ids = await engine.definitions.ask(lambda client: store.count_and_sample(client, sql, sample, tag))
    except asyncio.CancelledError:
        await _stop(engine, tag)
        raise
    return Preview(matched_users=count, sample_user_ids=ids, sql=sql)


async def stream(engine: Engine, sql: str) -> AsyncGenerator[bytes, None]:
    """The users that `sql` yields in byte order, as chunks of whole lines of PostgreSQL COPY text.

    The query ends when the caller stops reading.
    """
    flow = _Flow()
    tag = uuid.uuid4().hex
    pumping = asyncio.ensure_future(
        engine.definitions.ask(lambda client: _pump(client, store.sorted_users(sql, tag), flow))
    )
    pumping.add_done_callback(flow.end)
    try:
        while (chunk := await flow.take()) is not None:
            yield chunk
        await pumping
    finally:
        flow.stop()
        if not pumping.done():
            await _stop(engine, tag)


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
    while data := source.read(CHUNK_BYTES):
        whole, end, rest = (rest + data).rpartition(b"\n")
        if end:
            yield whole + end


async def _stop(engine: Engine, tag: str) -> None:
    with suppress(ClickHouseError, Failure):
        await engine.lookups.run(lambda client: store.kill(client, tag))
