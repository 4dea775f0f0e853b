"""Look-ups of one moment share a query, and none is answered from the past or from another tenant."""

import asyncio
from collections.abc import Iterable, Mapping

import pytest

from services.kit.errors import Unavailable
from services.segments.membership import Coalescer


class Source:
    """Answers when it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, set[str]]] = []
        self._asks = asyncio.Semaphore(0)
        self.go = asyncio.Event()
        self.state = "old"
        self.error: Exception | None = None

    async def fetch(self, tenant_id: int, keys: Iterable[str]) -> Mapping[str, str]:
        self.asked.append((tenant_id, set(keys)))
        self._asks.release()
        found = {key: f"{tenant_id}:{key}:{self.state}" for key in keys}
        await self.go.wait()
        if self.error:
            raise self.error
        return found

    async def is_asked(self, times: int) -> None:
        """Returns after that many more queries."""
        for _ in range(times):
            await self._asks.acquire()


async def test_lookups_during_a_query_share_the_next_one() -> None:
    source = Source()
    lookups = Coalescer(source.fetch)
    first = asyncio.create_task(lookups.get(1, "a"))
    await source.is_asked(1)
    later = [asyncio.create_task(lookups.get(1, key)) for key in ("b", "c", "b", "a")]
    await asyncio.sleep(0)
    source.go.set()
    assert await first == "1:a:old"
    assert await asyncio.gather(*later) == ["1:b:old", "1:c:old", "1:b:old", "1:a:old"]
    assert source.asked == [(1, {"a"}), (1, {"a", "b", "c"})]


async def test_a_lookup_sees_what_was_written_before_it() -> None:
    source = Source()
    lookups = Coalescer(source.fetch)
    first = asyncio.create_task(lookups.get(1, "a"))
    await source.is_asked(1)
    source.state = "new"
    second = asyncio.create_task(lookups.get(1, "a"))
    await asyncio.sleep(0)
    source.go.set()
    assert await asyncio.gather(*[first, second]) == ["1:a:old", "1:a:new"]


async def test_tenants_do_not_wait_for_each_other_and_do_not_mix() -> None:
    source = Source()
    lookups = Coalescer(source.fetch)
    both = [asyncio.create_task(lookups.get(tenant, "a")) for tenant in (1, 2)]
    await source.is_asked(2)
    source.go.set()
    assert await asyncio.gather(*both) == ["1:a:old", "2:a:old"]


async def test_a_lookup_alone_is_sent_at_once() -> None:
    source = Source()
    source.go.set()
    assert await Coalescer(source.fetch).get(1, "a") == "1:a:old"


async def test_a_failed_query_fails_its_own_lookups_only() -> None:
    source = Source()
    lookups = Coalescer(source.fetch)
    source.error = Unavailable()
    failing = [asyncio.create_task(lookups.get(1, key)) for key in ("a", "b")]
    await source.is_asked(1)
    source.go.set()
    assert all(isinstance(one, Unavailable) for one in await asyncio.gather(*failing, return_exceptions=True))
    source.error = None
    assert await lookups.get(1, "a") == "1:a:old"


async def test_a_caller_that_goes_away_takes_nothing_from_the_others() -> None:
    source = Source()
    lookups = Coalescer(source.fetch)
    leaves = asyncio.create_task(lookups.get(1, "a"))
    stays = asyncio.create_task(lookups.get(1, "b"))
    await source.is_asked(1)
    leaves.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaves
    source.go.set()
    assert await stays == "1:b:old"


async def test_many_lookups_at_once_are_all_answered_with_their_own() -> None:
    async def fetch(tenant_id: int, keys: Iterable[str]) -> Mapping[str, str]:
        asked = list(keys)
        await asyncio.sleep(0)
        return {key: f"{tenant_id}:{key}" for key in asked if key != "unknown"}

    lookups = Coalescer(fetch)
    wanted = [(tenant, f"u{number % 97}") for number in range(2000) for tenant in (1, 2)]
    found = await asyncio.gather(*(lookups.get(tenant, key) for tenant, key in wanted))
    assert found == [f"{tenant}:{key}" for tenant, key in wanted]
    assert await lookups.get(1, "unknown") is None
