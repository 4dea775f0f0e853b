"""Two things at a time, of which one ends the other."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from services.kit.ending import end


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
