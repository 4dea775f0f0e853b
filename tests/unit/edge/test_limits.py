"""Calls a minute: what is counted together, what is refused, and what its client is told, by a clock of the test's."""

from collections.abc import Callable

import pytest

from edge.counts import Counts
from edge.limits import ANY_NUMBER, AddressExhausted, Limits, PlanExhausted
from services.kit.errors import Unauthenticated, Unavailable

ADDRESS = "192.0.2.1"


class Clock:
    def __init__(self) -> None:
        self.now = 6_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Callable[[], float]) -> Limits:
    return Limits(tenants=Counts(), addresses=Counts(most=2), stranger_calls=3, clock=clock)


async def test_a_tenant_may_make_as_many_calls_as_its_plan_says_and_then_waits_for_the_next_minute(
    limits: Limits, clock: Clock
) -> None:
    clock.now += 17.2
    for remaining in (1, 0):
        standing = await limits.tenant(7, 2)
        standing.check()
        assert dict(standing.headers()) == {
            "x-ratelimit-limit": "2",
            "x-ratelimit-remaining": str(remaining),
            "x-ratelimit-reset": "43",
        }
    refused = await limits.tenant(7, 2)
    assert dict(refused.headers())["x-ratelimit-remaining"] == "0"
    with pytest.raises(PlanExhausted) as raised:
        refused.check()
    (await limits.tenant(8, 2)).check()
    clock.now += raised.value.retry_after_seconds
    (await limits.tenant(7, 2)).check()


@pytest.mark.parametrize(("second", "left"), [(0, 60), (0.5, 60), (1, 59), (59, 1), (59.999, 1)])
async def test_the_time_to_wait_ends_in_the_next_minute_and_less_than_a_second_into_it(
    limits: Limits, clock: Clock, second: float, left: int
) -> None:
    clock.now += second
    standing = await limits.tenant(7, 1)
    assert standing.seconds_left == left
    assert 60 <= second + left < 61


async def test_a_tenant_without_a_limit_is_told_nothing_of_its_calls(limits: Limits) -> None:
    for _ in range(9):
        standing = await limits.tenant(7, 0)
        standing.check()
        assert standing.limit == ANY_NUMBER
        assert dict(standing.headers())["x-ratelimit-remaining"] == str(ANY_NUMBER)


@pytest.mark.parametrize("limit", [0, 5])
async def test_the_calls_of_a_minute_are_known_with_and_without_a_limit(
    limits: Limits, clock: Clock, limit: int
) -> None:
    for _ in range(5):
        await limits.tenant(7, limit)
    assert [await limits.made(7), await limits.made(8)] == [5, 0]
    clock.now += 60
    assert await limits.made(7) == 0
    await limits.tenant(7, limit)
    assert await limits.made(7) == 1


async def test_calls_beyond_the_limit_are_none(limits: Limits) -> None:
    for _ in range(9):
        await limits.tenant(7, 5)
    assert await limits.made(7) == 5


async def test_calls_before_a_limit_was_set_count(limits: Limits) -> None:
    for _ in range(3):
        await limits.tenant(7, 0)
    assert (await limits.tenant(7, 5)).calls == 4


async def test_a_greater_plan_holds_at_once_whatever_was_refused_before(limits: Limits) -> None:
    for _ in range(50):
        await limits.tenant(7, 5)
    for _ in range(5):
        (await limits.tenant(7, 10)).check()
    with pytest.raises(PlanExhausted):
        (await limits.tenant(7, 10)).check()


async def test_a_smaller_plan_holds_for_calls_that_were_made_before(limits: Limits) -> None:
    for _ in range(5):
        (await limits.tenant(7, 10)).check()
    with pytest.raises(PlanExhausted):
        (await limits.tenant(7, 5)).check()


async def test_a_stranger_is_refused_until_the_next_minute(limits: Limits, clock: Clock) -> None:
    clock.now += 30
    for _ in range(3):
        await limits.stranger(ADDRESS)
    with pytest.raises(AddressExhausted) as raised:
        await limits.stranger(ADDRESS)
    assert raised.value.retry_after_seconds == 30
    await limits.stranger("192.0.2.2")
    clock.now += 30
    await limits.stranger(ADDRESS)


async def test_only_what_turns_out_to_be_a_stranger_is_counted(limits: Limits) -> None:
    for _ in range(9):
        async with limits.suspect(ADDRESS):
            pass
        with pytest.raises(Unavailable):
            async with limits.suspect(ADDRESS):
                raise Unavailable
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            async with limits.suspect(ADDRESS):
                raise Unauthenticated
    with pytest.raises(AddressExhausted):
        async with limits.suspect(ADDRESS):
            pytest.fail("not tried")


async def test_a_call_that_ends_in_the_next_minute_takes_nothing_back_there(limits: Limits, clock: Clock) -> None:
    async with limits.suspect(ADDRESS):
        clock.now += 60
        for _ in range(3):
            await limits.stranger(ADDRESS)
    with pytest.raises(AddressExhausted):
        await limits.stranger(ADDRESS)


async def test_names_beyond_what_is_kept_make_the_first_forgotten() -> None:
    counts = Counts(most=2)
    assert [await counts.add(name, 1, 9) for name in ("a", "b", "a", "c", "b", "a")] == [1, 1, 2, 1, 2, 1]


async def test_a_clock_that_is_put_back_starts_no_new_count() -> None:
    counts = Counts()
    assert [await counts.add("a", minute, 9) for minute in (5, 4, 5, 6)] == [1, 2, 3, 1]
