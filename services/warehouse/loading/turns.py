"""Two things at a time, of which one ends the other."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

AGAIN_SECONDS = 0.5


async def first_ended(one: Coroutine[Any, Any, None], other: Coroutine[Any, Any, None]) -> None:
    """Runs both until one of them ends, and cancels the other one. Raises what the first one to end raised."""
    tasks = [asyncio.create_task(one), asyncio.create_task(other)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(tasks)
    for task in tasks:
        if task in done:
            task.result()


async def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancels tasks and returns when all have ended.

    Python 3.11's `wait_for` forgets a cancellation that comes together with what it waits for, and a loop would go on.
    Source: https://github.com/python/cpython/issues/86296
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=AGAIN_SECONDS)
