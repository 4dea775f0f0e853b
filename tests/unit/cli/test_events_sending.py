"""Sending: whatever ends a stream, each batch is acknowledged once, in order."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from cli.events.batches import Batch
from cli.events.lines import Position
from cli.events.records import Record
from cli.events.sending import WINDOW, Feed, Sender
from services.gen.segops.ingestion.v1 import ingestion_pb2 as pb
from services.kit.errors import Forbidden, RateLimited, Unavailable
from services.kit.failures import to_metadata

AWAY = AioRpcError(grpc.StatusCode.UNAVAILABLE, Metadata(), Metadata())
BROKEN_WRITE = AioRpcError(grpc.StatusCode.INTERNAL, Metadata(), Metadata(), details="Internal error from Core")
QUOTA = AioRpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, Metadata(), Metadata(*to_metadata(RateLimited("Used up."))))
FORBIDDEN = AioRpcError(grpc.StatusCode.PERMISSION_DENIED, Metadata(), Metadata(*to_metadata(Forbidden())))


class Stream:
    """The other end of a connection: acknowledges what it gets, up to some batches, and then fails."""

    def __init__(self, batches: int, failure: AioRpcError) -> None:
        self._batches = batches
        self._failure = failure
        self._got: asyncio.Queue[pb.TrackStreamRequest | None] = asyncio.Queue()
        self.most_waiting = 0

    async def write(self, request: pb.TrackStreamRequest) -> None:
        self._got.put_nowait(request)
        self.most_waiting = max(self.most_waiting, self._got.qsize())

    async def done_writing(self) -> None:
        self._got.put_nowait(None)

    async def read(self) -> Any:
        if not self._batches:
            raise self._failure
        await asyncio.sleep(0)
        request = await self._got.get()
        self._batches -= 1
        return pb.TrackStreamResponse(batch=request.batch) if request else grpc.aio.EOF


def batch(number: int, *, empty: bool = False) -> Batch:
    record = Record(line=number, text=b"")
    return Batch(
        request=pb.TrackStreamRequest(batch=number),
        sent=[] if empty else [record],
        rejected=[record] if empty else [],
        end=Position(line=number),
        read=0,
    )


async def send(batches: Iterator[Batch], streams: Sequence[Stream], wait_seconds: float = 5) -> list[int]:
    """The batches that were acknowledged over these streams."""
    left = iter(streams)
    acknowledged: list[int] = []

    @asynccontextmanager
    async def open_stream() -> AsyncIterator[Any]:
        yield next(left, Stream(0, AWAY))

    await Sender(
        Feed(batches),
        open_stream,
        stored=lambda stored, _: acknowledged.append(stored.request.batch),
        waiting=lambda: None,
        wait_seconds=wait_seconds,
    ).run()
    return acknowledged


async def test_a_broken_stream_is_followed_by_another() -> None:
    streams = [Stream(3, AWAY), Stream(0, AWAY), Stream(4, BROKEN_WRITE), Stream(100, AWAY)]
    assert await send(map(batch, range(20)), streams) == list(range(20))


async def test_no_more_is_under_way_than_the_window_holds() -> None:
    stream = Stream(1_000, AWAY)
    assert await send(map(batch, range(100)), [stream]) == list(range(100))
    assert stream.most_waiting <= WINDOW


async def test_batches_with_nothing_to_send_keep_their_place() -> None:
    batches = [batch(number, empty=number % 3 != 0) for number in range(2 * WINDOW)]
    assert await send(iter(batches), [Stream(5, AWAY), Stream(100, AWAY)]) == list(range(2 * WINDOW))
    assert await send(iter([batch(0, empty=True)]), []) == [0]


async def test_who_stays_away_is_given_up() -> None:
    with pytest.raises(Unavailable):
        await send(map(batch, range(20)), [Stream(3, AWAY)], wait_seconds=0.2)


async def test_a_refusal_ends_the_sending() -> None:
    with pytest.raises(RateLimited, match="Used up"):
        await send(map(batch, range(20)), [Stream(3, QUOTA)])
    with pytest.raises(Forbidden):
        await send(map(batch, range(20)), [Stream(0, FORBIDDEN)])


async def test_what_breaks_the_reading_is_told_after_what_was_read() -> None:
    def batches() -> Iterator[Batch]:
        yield batch(0)
        raise OSError("The disk is gone.")

    stream = Stream(100, AWAY)
    with pytest.raises(OSError, match="The disk is gone"):
        await send(batches(), [stream])
    assert stream.most_waiting > 0
