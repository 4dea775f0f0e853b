"""Which segments a user is in: the hottest question, so that look-ups of one moment share one statement."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from services.segments.fields import raise_wrong, user_id_errors

T = TypeVar("T")

MOST_USERS = 500


class Entry(NamedTuple):
    """One segment a user is in."""

    segment_id: int
    segment_name: str
    computed_at: datetime
    entered_at: datetime


@dataclass(slots=True)
class _Batch(Generic[T]):
    keys: set[str] = field(default_factory=set)
    found: asyncio.Future[Mapping[str, T]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Coalescer(Generic[T]):
    """Gathers the look-ups of a tenant that arrive while one of its queries runs, and answers them all by the next one.

    A look-up never joins a query that was already sent, so that it sees everything committed before it was made.
    """

    def __init__(self, fetch: Callable[[int, Iterable[str]], Awaitable[Mapping[str, T]]]) -> None:
        """`fetch` takes a tenant id and keys, and answers what it found by key."""
        self._fetch = fetch
        self._waiting: dict[int, _Batch[T]] = {}
        self._draining: dict[int, asyncio.Task[None]] = {}

    async def get(self, tenant_id: int, key: str) -> T | None:
        """What `fetch` finds under `key`, or None. Raises what `fetch` raises."""
        batch = self._waiting.get(tenant_id)
        if batch is None:
            batch = self._waiting[tenant_id] = _Batch()
            if tenant_id not in self._draining:
                self._draining[tenant_id] = asyncio.create_task(self._drain(tenant_id))
        batch.keys.add(key)
        # One caller that goes away must not take the answer from the others.
        return (await asyncio.shield(batch.found)).get(key)

    async def _drain(self, tenant_id: int) -> None:
        try:
            while batch := self._waiting.pop(tenant_id, None):
                await self._answer(tenant_id, batch)
        finally:
            del self._draining[tenant_id]

    async def _answer(self, tenant_id: int, batch: _Batch[T]) -> None:
        try:
            batch.found.set_result(await self._fetch(tenant_id, batch.keys))
        except Exception as error:
            batch.found.set_exception(error)
            # Marks it as seen: every caller may have gone by now.
            batch.found.exception()


class Memberships:
    """Answers which segments a user is in."""

    def __init__(self, fetch: Callable[[int, Iterable[str]], Awaitable[Mapping[str, Sequence[Entry]]]]) -> None:
        self._fetch = fetch
        self._lookups = Coalescer(fetch)

    async def of_user(self, tenant_id: int, user_id: str, segment_id: int | None) -> Sequence[Entry]:
        """The user's segments by id, or only `segment_id`; none for an unknown user. Raises Invalid."""
        raise_wrong(user_id=user_id_errors(user_id))
        entries = await self._lookups.get(tenant_id, user_id) or ()
        if segment_id is None:
            return entries
        return [entry for entry in entries if entry.segment_id == segment_id]

    async def of_users(self, tenant_id: int, user_ids: Sequence[str]) -> Mapping[str, Sequence[Entry]]:
        """The segments of each of up to 500 users by id; users in none are left out. Raises Invalid."""
        raise_wrong(user_ids=_user_ids_errors(user_ids))
        return await self._fetch(tenant_id, set(user_ids))


def _user_ids_errors(user_ids: Sequence[str]) -> list[str]:
    if not 1 <= len(user_ids) <= MOST_USERS:
        return [f"must hold 1 to {MOST_USERS} user ids, not {len(user_ids):,}"]
    return [f"[{index}]: {text}" for index, user_id in enumerate(user_ids) for text in user_id_errors(user_id)]
