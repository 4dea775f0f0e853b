"""Evaluating definitions: count and sample, beside a segment's members, or every matching user as a stream."""

import asyncio
import threading
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import BinaryIO, TypeVar, cast

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from services.kit.errors import Failure, Unavailable
from services.warehouse import store
from services.warehouse.engine import Engine
from services.warehouse.evaluation import Evaluation

T = TypeVar("T")

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


async def preview(engine: Engine, evaluation: Evaluation, sample: int) -> Preview:
    """Counts the users who match and takes the first `sample` in byte order."""
    users = evaluation.users()
    count, ids = await _in_turn(engine, lambda client, tag: store.count_and_sample(client, users, sample, tag))
    return Preview(matched_users=count, sample_user_ids=ids, sql=users)


async def diff(engine: Engine, evaluation: Evaluation, segment_id: int, sample: int) -> store.Difference:
    """Compares the users who match with the members of a segment, with the first `sample` ids in byte order."""
    users, members = evaluation.users(), evaluation.members(segment_id)
    return await _in_turn(engine, lambda client, tag: store.compare(client, users, members, sample, tag))


async def stream(engine: Engine, evaluation: Evaluation) -> AsyncGenerator[bytes, None]:
    """The users who match in byte order, as chunks of whole lines of PostgreSQL COPY text.

    The query ends when the caller stops reading.
    """
    flow = _Flow()
    tag = uuid.uuid4().hex
    pumping = asyncio.ensure_future(
        engine.definitions.ask(lambda client: _pump(client, store.sorted_users(evaluation.users(), tag), flow))
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


async def _in_turn(engine: Engine, work: Callable[[Client, str], T]) -> T:
    """Calls `work` when no other definition is evaluated; stops its queries, which carry the tag, with the caller."""
    tag = uuid.uuid4().hex
    try:
        return await engine.definitions.ask(lambda client: work(client, tag))
    except asyncio.CancelledError:
        await _stop(engine, tag)
        raise


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
