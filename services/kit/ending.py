"""Ending what would go on for ever."""

import asyncio
from collections.abc import Sequence

AGAIN_SECONDS = 0.5


async def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancels tasks that loop, and returns when all have ended; what they raise is theirs.

    Python 3.11's `wait_for`, which drivers wait with, forgets a cancellation that comes together with what it waits
    for, and a loop would go on. Source: https://github.com/python/cpython/issues/86296
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=AGAIN_SECONDS)
