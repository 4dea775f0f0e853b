"""What a process does again and again beside its requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger("repeating")


async def repeat(seconds: float, action: Callable[[], Awaitable[object]]) -> None:
    """Does `action` for ever, with a pause between; what it raises is logged."""
    while True:
        try:
            await action()
        except Exception as error:
            log.warning("%s failed; trying again: %r", getattr(action, "__name__", "a periodic action"), error)
        await asyncio.sleep(seconds)
