"""Several edges count together on a real Redis server, which dies, hangs and comes back."""

import asyncio
import time
from collections.abc import Callable, Sequence

import pytest

from edge import metrics
from edge.counts import Counts
from edge.shared_counts import ANSWER_SECONDS, SharedCounts, Store
from tests.redis_server import RedisServer

LIMIT = 60
MINUTE = 100_000
# What a busy machine takes longer.
PATIENCE_SECONDS = 1.0


class Replica:
    """What one edge process counts with."""

    def __init__(self, url: str) -> None:
        self.store = Store(url)
        self.counts = SharedCounts(self.store, Counts())

    async def admitted(self, calls: int, name: str = "tenant:1", minute: int = MINUTE) -> int:
        """How many of so many calls at once are within the limit."""
        counted = await asyncio.gather(*(self.counts.add(name, minute, LIMIT) for _ in range(calls)))
        return sum(count <= LIMIT for count in counted)


async def admitted(replicas: Sequence[Replica], calls: int, minute: int = MINUTE) -> int:
    """How many of so many calls to each replica at once are within the limit."""
    return sum(await asyncio.gather(*(replica.admitted(calls, minute=minute) for replica in replicas)))


@pytest.fixture
def replicas(redis: RedisServer) -> list[Replica]:
    return [Replica(redis.url) for _ in range(3)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_of_calls_to_several_replicas_at_once_exactly_as_many_pass_as_may(replicas: list[Replica]) -> None:
    for minute in range(MINUTE, MINUTE + 5):
        assert await admitted(replicas, 200, minute) == LIMIT


async def test_each_call_has_a_number_of_its_own(replicas: list[Replica]) -> None:
    numbers = await asyncio.gather(
        *(replica.counts.add(name, MINUTE, 1_000) for _ in range(50) for replica in replicas for name in ("a", "b"))
    )
    assert sorted(numbers) == sorted([*range(1, 151)] * 2)


async def test_what_is_taken_back_may_be_used_again(replicas: list[Replica]) -> None:
    one, other, _ = replicas
    assert await one.admitted(LIMIT) == LIMIT
    await one.counts.take_back("tenant:1", MINUTE)
    assert await admitted([other, one], 5) == 1


async def test_what_is_only_noted_is_known_to_every_replica_within_a_second(replicas: list[Replica]) -> None:
    sharing = [asyncio.create_task(replica.counts.share()) for replica in replicas]
    for number, replica in enumerate(replicas, 1):
        for _ in range(number * 100):
            replica.counts.note("tenant:1", MINUTE)
        for tenant in range(2, 252):
            replica.counts.note(f"tenant:{tenant}", MINUTE)
    # What was noted here counts at once.
    assert await replicas[2].counts.made("tenant:1", MINUTE) >= 300
    for name, calls in (("tenant:1", 600), ("tenant:251", 3), ("tenant:252", 0)):
        for replica in replicas:
            async with asyncio.timeout(10):
                while await replica.counts.made(name, MINUTE) != calls:
                    await asyncio.sleep(0.01)
    assert await replicas[0].counts.made("tenant:1", MINUTE + 1) == 0
    for task in sharing:
        task.cancel()


async def test_while_the_store_is_dead_a_replica_knows_its_own_calls(
    redis: RedisServer, replicas: list[Replica]
) -> None:
    one, other, _ = replicas
    assert await other.admitted(10) == 10
    assert await one.admitted(10) == 10
    one.counts.note("tenant:1", MINUTE)
    redis.kill()
    assert await one.counts.made("tenant:1", MINUTE) == 21


async def test_while_the_store_is_dead_each_replica_counts_on_from_what_it_knows(
    redis: RedisServer, replicas: list[Replica]
) -> None:
    one, other, _ = replicas
    assert await other.admitted(40) == 40
    assert await one.admitted(10) == 10
    redis.kill()
    before = counted_alone()
    assert await one.admitted(200) == LIMIT - 50
    assert metrics.STORE_UP._value.get() == 0
    assert counted_alone() > before


async def test_a_store_that_came_back_empty_lets_nobody_start_anew(
    redis: RedisServer, replicas: list[Replica], caplog: pytest.LogCaptureFixture
) -> None:
    one, other, _ = replicas
    watching = [asyncio.create_task(replica.store.watch()) for replica in (one, other)]
    assert await admitted([one, other], 100) == LIMIT
    redis.kill()
    await until(lambda: not one.store.is_up and not other.store.is_up)
    assert await admitted([one, other], 100) == 0
    redis.start()
    await until(lambda: one.store.is_up and other.store.is_up)
    assert metrics.STORE_UP._value.get() == 1
    assert await admitted([one, other], 100) == 0
    assert await admitted([one, other], 100, MINUTE + 1) == LIMIT
    for task in watching:
        task.cancel()
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR", "WARNING", "WARNING"]


async def test_a_store_that_hangs_holds_nobody_up_for_long_and_then_nobody(
    redis: RedisServer, replicas: list[Replica]
) -> None:
    one = replicas[0]
    assert await one.admitted(10) == 10
    redis.hang()
    started = time.monotonic()
    assert await one.admitted(200) == LIMIT - 10
    assert time.monotonic() - started < ANSWER_SECONDS + PATIENCE_SECONDS
    started = time.monotonic()
    assert await one.admitted(50, "tenant:2") == 50
    assert time.monotonic() - started < ANSWER_SECONDS
    redis.wake()
    watching = asyncio.create_task(one.store.watch())
    await until(lambda: one.store.is_up)
    assert await admitted(replicas, 100, MINUTE + 1) == LIMIT
    watching.cancel()


async def test_a_caller_who_hangs_up_takes_nobody_elses_count_along(replicas: list[Replica]) -> None:
    counts = replicas[0].counts
    calls = [asyncio.create_task(counts.add("tenant:1", MINUTE, LIMIT)) for _ in range(20)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    assert await asyncio.gather(*calls[1::2]) == [*range(2, 21, 2)]


def counted_alone() -> float:
    value: float = metrics.COUNTED_ALONE._value.get()
    return value
