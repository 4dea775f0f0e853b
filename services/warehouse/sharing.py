"""Work that takes as long for many users as for one: what is asked for meanwhile waits, and is done together."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection

# How many rows, by store and user.
Found = Counter[tuple[str, str]]


class Shared:
    """Does such work for each tenant, one piece at a time. Who asks never joins work that has begun."""

    def __init__(self, work: Callable[[int, Collection[str]], Awaitable[Found]]) -> None:
        self._work = work
        self._waiting: dict[int, tuple[set[str], asyncio.Future[Found]]] = {}
        self._draining: dict[int, asyncio.Task[None]] = {}

    async def ask(self, tenant_id: int, user_ids: Collection[str]) -> Counter[str]:
        """How much was found of these users, by store. Raises what the work raises."""
        if tenant_id not in self._waiting:
            self._waiting[tenant_id] = (set(), asyncio.get_running_loop().create_future())
            if tenant_id not in self._draining:
                self._draining[tenant_id] = asyncio.create_task(self._drain(tenant_id))
        users, done = self._waiting[tenant_id]
        users.update(user_ids)
        # One who asks and goes away must not take it from the others.
        found = await asyncio.shield(done)
        mine: Counter[str] = Counter()
        for (store, user_id), count in found.items():
            mine[store] += count if user_id in user_ids else 0
        return mine

    async def _drain(self, tenant_id: int) -> None:
        try:
            while waiting := self._waiting.pop(tenant_id, None):
                users, done = waiting
                try:
                    done.set_result(await self._work(tenant_id, users))
                except Exception as error:
                    done.set_exception(error)
                    done.exception()  # all who asked may have gone
        finally:
            del self._draining[tenant_id]
