"""Sending batches: some on their way at once, each until it is acknowledged, over as many streams as that takes."""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from threading import Semaphore, Thread
from typing import Any

import grpc

from cli.events.batches import Batch
from services.gen.segops.ingestion.v1 import ingestion_pb2 as pb
from services.kit.errors import InDoubt, Unavailable
from services.kit.failures import from_rpc_error

# Batches without acknowledgement: those the service works on and the next ones, already with it.
WINDOW = 16
READ_AHEAD = 2
# A platform that acknowledges nothing for this long hangs.
ACKNOWLEDGED_SECONDS = 30.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0

Stored = Callable[[Batch, pb.TrackEventsResponse], None]
Open = Callable[[], AbstractAsyncContextManager[Any]]


class Feed:
    """Batches made in a thread of their own: reading may wait, for a disk or for whoever writes into a pipe."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._loop = asyncio.get_running_loop()
        self._made: asyncio.Queue[Batch | None] = asyncio.Queue()
        self._room = Semaphore(READ_AHEAD)
        self._ended = False
        self._error: Exception | None = None
        # Not waited for at the end of the program.
        Thread(target=self._make, args=(batches,), daemon=True).start()

    async def next(self) -> Batch | None:
        """The next batch, None when there is none."""
        if self._ended:
            return None
        batch = await self._made.get()
        self._room.release()
        self._ended = batch is None
        return batch

    def raise_error(self) -> None:
        """Raises what ended the batches early, if anything did."""
        if self._error:
            raise self._error

    def _make(self, batches: Iterator[Batch]) -> None:
        with suppress(RuntimeError):  # the loop is closed: the program ends
            try:
                for batch in batches:
                    self._put(batch)
            except Exception as error:  # told to whoever takes the batches
                self._error = error
            self._put(None)

    def _put(self, batch: Batch | None) -> None:
        self._room.acquire()
        self._loop.call_soon_threadsafe(self._made.put_nowait, batch)


class Sender:
    """Sends all batches of a feed."""

    def __init__(
        self, feed: Feed, open_stream: Open, *, stored: Stored, waiting: Callable[[], None], wait_seconds: float
    ) -> None:
        """`stored` is told of each batch in order, `waiting` of each time the platform is away."""
        self._feed = feed
        self._open = open_stream
        self._stored = stored
        self._waiting = waiting
        self._wait_seconds = wait_seconds
        self._unacknowledged: deque[Batch] = deque()
        self._room = asyncio.Event()
        self._patience: asyncio.Timeout | None = None
        self._away_since: float | None = None

    async def run(self) -> None:
        """Returns when all is stored. Raises Unavailable when the platform is away for too long, and other failures."""
        while self._unacknowledged or await self._begin():
            try:
                await self._stream()
            except (InDoubt, Unavailable):
                await self._pause()
        self._feed.raise_error()

    async def _begin(self) -> bool:
        """Takes what has to be sent when nothing has; false at the end. Without it nobody knows who is away."""
        self._away_since = None
        while await self._take():
            if self._unacknowledged:
                return True
        return False

    async def _stream(self) -> None:
        try:
            async with self._open() as call, asyncio.timeout(None) as self._patience, self._writing(call):
                self._be_patient()
                while (answer := await call.read()) is not grpc.aio.EOF:
                    self._acknowledge(answer)
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.INTERNAL and not error.trailing_metadata():
                # grpc's own, when a write meets a stream that just ended: the next one tells why.
                raise Unavailable from error
            raise from_rpc_error(error) from error
        except TimeoutError as error:
            raise Unavailable from error
        finally:
            self._patience = None

    @asynccontextmanager
    async def _writing(self, call: Any) -> AsyncIterator[None]:
        writer = asyncio.create_task(self._write(call))
        try:
            yield
        finally:
            writer.cancel()
            # A broken stream fails both ways; reading from it says why.
            await asyncio.gather(writer, return_exceptions=True)

    async def _write(self, call: Any) -> None:
        for batch in list(self._unacknowledged):
            await self._send(call, batch)
        while taken := await self._take():
            await self._send(call, taken)
        await call.done_writing()

    async def _send(self, call: Any, batch: Batch) -> None:
        if batch.sent:
            await call.write(batch.request)

    async def _take(self) -> Batch | None:
        """The next batch, when there is room for one; None at the end."""
        while len(self._unacknowledged) >= WINDOW:
            self._room.clear()
            await self._room.wait()
        batch = await self._feed.next()
        if batch is not None:
            self._unacknowledged.append(batch)
            self._settle()
            if len(self._unacknowledged) == 1:
                self._be_patient()
        return batch

    def _acknowledge(self, answer: pb.TrackStreamResponse) -> None:
        batch = self._unacknowledged.popleft()
        if batch.request.batch != answer.batch:
            raise RuntimeError(f"batch {answer.batch} was acknowledged before {batch.request.batch}")
        self._stored(batch, answer.result)
        self._away_since = None
        self._settle()
        self._be_patient()
        self._room.set()

    def _settle(self) -> None:
        """Batches in which nothing is to be sent are done when those before them are."""
        while self._unacknowledged and not self._unacknowledged[0].sent:
            self._stored(self._unacknowledged.popleft(), pb.TrackEventsResponse())

    def _be_patient(self) -> None:
        """Gives the platform its time for the next acknowledgement, or any time when there is none to come."""
        if self._patience:
            now = asyncio.get_running_loop().time()
            self._patience.reschedule(now + ACKNOWLEDGED_SECONDS if self._unacknowledged else None)

    async def _pause(self) -> None:
        now = time.monotonic()
        self._away_since = self._away_since or now
        away = now - self._away_since
        if away >= self._wait_seconds:
            raise Unavailable
        self._waiting()
        longest = min(max(FIRST_PAUSE_SECONDS, away), LONGEST_PAUSE_SECONDS, self._wait_seconds - away)
        await asyncio.sleep(longest * random.uniform(0.5, 1))
