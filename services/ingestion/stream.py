"""A stream of requests of which some are worked on at once, answered in their order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from services.kit.caller import IDENTITY_SECONDS
from services.kit.errors import Unavailable

# Requests taken from a sender and not yet answered. Past them nothing is read, so that the windows of HTTP/2 fill up
# and hold the sender back; enough to have the next ones decoded while the log writes.
MAX_UNANSWERED = 8

Req = TypeVar("Req")
Res = TypeVar("Res")


async def answer_in_order(
    requests: AsyncIterator[Req], answer: Callable[[Req], Awaitable[Res]], *, seconds: float = IDENTITY_SECONDS
) -> AsyncIterator[Res]:
    """The answers to `requests`, each as soon as it and all before it are there.

    The first failure ends the stream, after all answers before it; work on later requests is cancelled. After `seconds`
    nothing more is read and the stream ends with Unavailable: a caller is looked at when a stream begins, and one whose
    key was revoked must not go on for ever.
    """
    room = asyncio.Semaphore(MAX_UNANSWERED)
    answers: asyncio.Queue[asyncio.Future[Res] | None] = asyncio.Queue()

    async def read() -> None:
        try:
            async with asyncio.timeout(seconds):
                await room.acquire()
                async for request in requests:
                    answers.put_nowait(asyncio.ensure_future(answer(request)))
                    await room.acquire()
        except TimeoutError as error:
            raise Unavailable("The stream has lasted long enough. Open another one.") from error
        finally:
            answers.put_nowait(None)

    reader = asyncio.create_task(read())
    try:
        while (coming := await answers.get()) is not None:
            yield await coming
            room.release()
        await reader
    finally:
        reader.cancel()
        left = [coming for _ in range(answers.qsize()) if (coming := answers.get_nowait())]
        for coming in left:
            coming.cancel()
        await asyncio.gather(reader, *left, return_exceptions=True)
