"""Monthly quotas: exact over two replicas but for a batch each, whatever stops or is away."""

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from services.ingestion.quota import MAX_PIECE, MonthlyQuota, QuotaExceeded, seconds_to_next_month
from services.kit.errors import RateLimited, Unavailable
from services.kit.failures import from_rpc_error
from services.kit.plans import PLANS, Plan
from services.kit.postgres import Database
from tests.integration.ingestion.conftest import Client, Platform, eventually
from tests.integration.ingestion.declared import count_of, set_count, set_plan
from tests.integration.process import ServiceProcess

LIMIT = 500_000
EVENT = '{"user_id": "u", "event_type": "t"}'


def batch(count: int) -> str:
    return f'{{"events": [{", ".join([EVENT] * count)}]}}'


@pytest.fixture
def free(platform: Platform, client: Client) -> Client:
    """A caller of a tenant on the free plan."""
    set_plan(platform, client.tenant_id, "free")
    return client


@pytest.fixture
def other(platform: Platform, replica_channel: grpc.aio.Channel, free: Client) -> Client:
    """The same tenant's caller of the other replica."""
    return Client(platform.settings, replica_channel, tenant_id=free.tenant_id)


@pytest.fixture
async def database(platform: Platform) -> AsyncIterator[Database]:
    database = Database.connect(platform.settings)
    yield database
    await database.close()


async def free_plan(_: int) -> Plan:
    return PLANS["free"]


@pytest.fixture
async def quota(database: Database) -> AsyncIterator[MonthlyQuota]:
    """A quota in which every tenant is on the free plan."""
    quota = MonthlyQuota(database, free_plan)
    yield quota
    await quota.close()


async def take(quota: MonthlyQuota, tenant_id: int, count: int, now: datetime | None = None) -> None:
    async with quota.counted(tenant_id, count, now or datetime.now(UTC)):
        pass


async def taken(client: Client, count: int, most: int = LIMIT) -> int:
    """How many events were taken when batches are sent until one is refused, or `most`."""
    done = 0
    while done < most:
        try:
            done += (await client.track_batch(batch(count))).queued
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            break
    return done


async def count_becomes(platform: Platform, tenant_id: int, count: int) -> None:
    async def is_count() -> bool:
        return count_of(platform, tenant_id) == count

    await eventually(is_count)


@pytest.mark.parametrize(("count", "left"), [(500, 20_100), (7, 700)])
async def test_two_replicas_take_what_is_left_and_a_batch_each_at_most(
    platform: Platform, free: Client, other: Client, count: int, left: int
) -> None:
    set_count(platform, free.tenant_id, LIMIT - left)
    numbers = await asyncio.gather(*(taken(client, count) for client in (free, other, free, other)))
    # What the other replica had reserved when one found nothing left is given back, and taken then.
    numbers.append(await taken(free, count))
    assert left - left // 100 - count <= sum(numbers) <= left + 2 * count
    await count_becomes(platform, free.tenant_id, LIMIT - left + sum(numbers))


async def test_past_the_limit_the_answer_says_when_to_come_again(platform: Platform, free: Client) -> None:
    set_count(platform, free.tenant_id, LIMIT)
    for attempt in (free.track(EVENT), free.track_batch(batch(2))):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await attempt
        failure = from_rpc_error(raised.value)
        assert isinstance(failure, RateLimited)
        assert failure.detail == "The plan 'free' takes 500,000 events a month, and this month's are used up."
        assert abs(failure.retry_after_seconds - seconds_to_next_month(datetime.now(UTC))) <= 2
    assert count_of(platform, free.tenant_id) == LIMIT


async def test_a_batch_without_valid_events_is_answered_past_the_limit(platform: Platform, free: Client) -> None:
    set_count(platform, free.tenant_id, LIMIT)
    assert (await free.track_batch('{"events": [1]}')).skipped == 1


async def test_another_plan_holds_within_a_second(platform: Platform, free: Client) -> None:
    set_count(platform, free.tenant_id, LIMIT)
    assert await taken(free, 1) == 0
    set_plan(platform, free.tenant_id, "starter")

    async def takes_events() -> bool:
        return await taken(free, 1, most=1) == 1

    await eventually(takes_events, seconds=1)
    assert (count_of(platform, free.tenant_id) or 0) >= LIMIT + MAX_PIECE
    set_plan(platform, free.tenant_id, "free")

    async def takes_none() -> bool:
        return await taken(free, 1, most=1) == 0

    # Although most of the piece is left.
    await eventually(takes_none, seconds=1)


async def test_what_is_unlimited_is_not_counted(platform: Platform, client: Client) -> None:
    set_plan(platform, client.tenant_id, "enterprise")
    assert await taken(client, 500, most=1_000) == 1_000
    assert count_of(platform, client.tenant_id) is None


async def test_what_could_not_be_stored_is_not_counted(platform: Platform, free: Client) -> None:
    assert await taken(free, 5, most=5) == 5
    platform.log.stop()
    try:
        for _ in range(3):
            with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
                await free.track_batch(batch(400))
    finally:
        platform.log.start()
    await count_becomes(platform, free.tenant_id, 5)


async def test_a_stopped_replica_gives_back_and_a_killed_one_keeps_a_piece_at_most(
    platform: Platform, replica: ServiceProcess, free: Client, other: Client
) -> None:
    async def takes_events() -> bool:
        try:
            return await taken(other, 10, most=10) == 10
        except grpc.aio.AioRpcError:
            return False

    # The log may have been away a moment ago.
    await eventually(takes_events)
    assert (count_of(platform, free.tenant_id) or 0) > 10
    assert replica.stop() == 0
    assert count_of(platform, free.tenant_id) == 10
    replica.start()
    await eventually(takes_events)
    replica.kill()
    replica.start()
    assert 20 <= (count_of(platform, free.tenant_id) or 0) <= 20 + LIMIT // 100


async def test_many_at_once_reserve_once(platform: Platform, quota: MonthlyQuota, client: Client) -> None:
    await asyncio.gather(*(take(quota, client.tenant_id, 1) for _ in range(500)))
    assert count_of(platform, client.tenant_id) == LIMIT // 100
    await quota.close()
    assert count_of(platform, client.tenant_id) == 500


async def test_a_sender_who_leaves_takes_no_reservation_along(
    platform: Platform, quota: MonthlyQuota, client: Client
) -> None:
    leaving = asyncio.create_task(take(quota, client.tenant_id, 1))
    await asyncio.sleep(0)
    leaving.cancel()
    await take(quota, client.tenant_id, 1)
    await quota.close()
    assert count_of(platform, client.tenant_id) == 1


async def test_each_month_is_counted_for_itself(quota: MonthlyQuota, platform: Platform, client: Client) -> None:
    now = datetime.now(UTC)
    set_count(platform, client.tenant_id, LIMIT)
    with pytest.raises(QuotaExceeded):
        await take(quota, client.tenant_id, 1, now)
    await take(quota, client.tenant_id, 1, now + timedelta(seconds=seconds_to_next_month(now)))


async def test_what_is_reserved_is_taken_while_postgresql_hangs(
    platform: Platform, quota: MonthlyQuota, client: Client
) -> None:
    await take(quota, client.tenant_id, 1)
    platform.signal_postgres(signal.SIGSTOP)
    try:
        for _ in range(9):
            await take(quota, client.tenant_id, 500)
        with pytest.raises(Unavailable):
            await take(quota, client.tenant_id, 500)
    finally:
        platform.signal_postgres(signal.SIGCONT)

    async def is_taken() -> bool:
        try:
            await take(quota, client.tenant_id, 500)
        except Unavailable:
            return False
        return True

    await eventually(is_taken)
    await quota.close()
    assert count_of(platform, client.tenant_id) == 5_001
