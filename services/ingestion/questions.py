"""Asking PostgreSQL on behalf of many requests at once, none of which waits long."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from services.kit.errors import Unavailable

K = TypeVar("K")
V = TypeVar("V")

# A question that has no answer by then is not waited for.
PATIENCE_SECONDS = 0.5


class Questions(Generic[K, V]):
    """One question by key at a time: who comes while it is under way gets the same answer.

    None is ever cancelled, whoever goes away: what PostgreSQL did in the end is known.
    """

    def __init__(self) -> None:
        self._asked: dict[K, tuple[float, asyncio.Task[V]]] = {}

    async def ask(self, key: K, question: Callable[[], Awaitable[V]]) -> V:
        """The answer. Raises what the question raises, and Unavailable when it takes too long."""
        if key not in self._asked:
            task = asyncio.create_task(self._answer(key, question))
            # Who waited for it may have left.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._asked[key] = (time.monotonic(), task)
        since, task = self._asked[key]
        done, _ = await asyncio.wait({task}, timeout=max(0.0, since + PATIENCE_SECONDS - time.monotonic()))
        if not done:
            raise Unavailable
        return task.result()

    async def settled(self) -> None:
        """Returns when nothing is under way."""
        if tasks := [task for _, task in self._asked.values()]:
            await asyncio.wait(tasks)

    async def _answer(self, key: K, question: Callable[[], Awaitable[V]]) -> V:
        try:
            return await question()
        finally:
            del self._asked[key]
